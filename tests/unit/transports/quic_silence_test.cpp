// Connections of QUIC on which nothing is said: kept alive, ended, or found to be dead.

#include "quic_path_fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace actorwire::test {

TEST_CASE("a connection that is kept alive outlives its idle timeout many times", "[H2]") {
  quic_world world{{.client = keeping_alive(1s, 3s), .server = keeping_alive(0s, 3s)}};
  auto [client, server] = world.connect();
  world.run_for(60s);
  CHECK_FALSE(client.reason);
  CHECK_FALSE(server.reason);
}

TEST_CASE("a connection that nobody keeps alive ends by the shorter idle timeout, at both sides, and without a word") {
  quic_world world{{.client = keeping_alive(0s, 10s), .server = keeping_alive(0s, 3s)}};
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto sent = world.datagrams_sent;
  const auto begun = world.now.steady;
  world.until([&, &one = client, &two = server] { return one.reason && two.reason; });
  CHECK(client.reason->code == error_code::idle_timeout);
  CHECK(server.reason->code == error_code::idle_timeout);
  CHECK(world.now.steady - begun <= 3s);
  world.run_for(1s);
  CHECK(world.datagrams_sent == sent);
  CHECK(world.client->size() == 0);
  CHECK(world.server->size() == 0);
}

TEST_CASE("a connection is kept alive within the idle timeout of either side, however rarely one would say something",
          "[H2]") {
  const auto patient = keeping_alive(60s, 120s);
  // Says nothing of its own accord, and forgets whoever is silent.
  const auto hasty = keeping_alive(0s, 3s);
  const auto is_client_patient = GENERATE(true, false);
  CAPTURE(is_client_patient);
  quic_world world{{.client = is_client_patient ? patient : hasty, .server = is_client_patient ? hasty : patient}};
  auto [client, server] = world.connect();
  world.run_for(300s);
  CHECK_FALSE(client.reason);
  CHECK_FALSE(server.reason);
}

TEST_CASE("one keep-alive that is lost costs no connection, however long the interval is", "[H1]") {
  auto settings = keeping_alive(30s, 100s);
  settings.keepalive_timeout = 5s;
  quic_world world{{.client = settings, .server = settings}};
  auto [client, server] = world.connect();
  world.run_for(10s);
  auto is_lost = false;
  world.passes = [&](const udp_path&, const std::string&) { return std::exchange(is_lost, true); };
  world.run_for(300s);
  CHECK(is_lost);
  CHECK_FALSE(client.reason);
  CHECK_FALSE(server.reason);
}

TEST_CASE("a peer that falls silent is given up after the keep-alive timeout", "[H1]") {
  auto settings = keeping_alive(1s, 60s);
  settings.keepalive_timeout = 5s;
  quic_world world{{.client = settings, .server = settings}};
  auto [client, server] = world.connect();
  world.run_for(3s);
  world.sky.loss = 1;
  const auto begun = world.now.steady;
  world.until([&, &one = client, &two = server] { return one.reason && two.reason; });
  CHECK(client.reason->code == error_code::keepalive_timeout);
  CHECK(server.reason->code == error_code::keepalive_timeout);
  CHECK(world.now.steady - begun <= 7s);
}

TEST_CASE("how long a peer that vanished counts as connected depends on whether anything was sent to it", "[H1]") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(5s);
  const auto has_sent = GENERATE(true, false);
  CAPTURE(has_sent);
  world.sky.loss = 1;
  const auto begun = world.now.steady;
  if (has_sent)
    client.say(0, "hello");
  world.until([&, &at = client] { return at.reason.has_value(); });
  CHECK(client.reason->code == error_code::keepalive_timeout);
  const auto found_after = world.now.steady - begun;
  // keepalive_timeout, behind a keep-alive after a third of the idle timeout if nothing else was sent.
  const auto expected = has_sent ? duration{20s} : duration{30s};
  CHECK(found_after <= expected + 1s);
  CHECK(found_after > expected - 6s);
}

TEST_CASE("copies of what a peer has said, and noise by its ID, do not keep it alive", "[H1]") {
  auto settings = keeping_alive(1s, 60s);
  settings.keepalive_timeout = 5s;
  quic_world world{{.client = settings, .server = settings}};
  auto [client, server] = world.connect();
  world.run_for(2s);
  std::string said;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    if (path.local == world.client_address)
      said = bytes;
    return true;
  };
  server.say(0, "once");
  world.until([&, &at = client] { return at.streams[0].text == "once"; });
  world.run_for(1s);
  world.passes = [](const udp_path&, const std::string&) { return false; };
  auto noise = said;
  noise.back() ^= 1;
  const auto begun = world.now.steady;
  client.say(0, "are you there");
  while (!client.reason && world.now.steady - begun < 30s) {
    world.inject(world.to_client(), said);
    world.inject(world.to_client(), noise);
    world.run_for(500ms);
  }
  REQUIRE(client.reason);
  CHECK(client.reason->code == error_code::keepalive_timeout);
  CHECK(world.now.steady - begun <= 7s);
}

TEST_CASE("a connection with traffic is kept alive by that, and sends nothing more for it", "[H2]") {
  std::vector<std::uint64_t> sent;
  for (const auto interval : {0s, 8s}) {
    quic_world world{{.client = keeping_alive(interval, 60s), .server = keeping_alive(interval, 60s)}};
    auto [client, server] = world.connect();
    world.run_for(1s);
    const auto before = world.datagrams_sent;
    for (int round = 0; round < 30; ++round) {
      client.say(0, "x");
      world.run_for(5s);
    }
    CHECK_FALSE(client.reason);
    sent.push_back(world.datagrams_sent - before);
  }
  CHECK(sent[0] == sent[1]);
}

TEST_CASE("an idle connection that is kept alive sends next to nothing", "[H2]") {
  quic_world world;
  world.connect();
  world.run_for(10s);
  const auto before = world.datagrams_sent;
  // Once in 10 s from either side, a third of the idle timeout, and what acknowledges it.
  world.run_for(60s);
  CHECK(world.datagrams_sent - before <= 20);
}

} // namespace actorwire::test
