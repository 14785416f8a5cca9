// What lies between two sides of QUIC, and that it changes: addresses, packet sizes, silence, congestion.

#include "quic_sides.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace actorwire::test {

namespace {

constexpr std::size_t megabyte = std::size_t{1} << 20U;

/// Has a megabyte sent each way, and something done in the middle.
template <class Change>
void transfer_with(quic_world& world, quic_user& client, quic_user& server, Change&& change) {
  const auto text = pattern(megabyte);
  client.say(0, text);
  client.finish(0);
  server.say(0, text);
  server.finish(0);
  world.until([&] { return server.streams[0].text.size() > megabyte / 4; });
  change();
  world.until([&] { return client.streams[0].ended && server.streams[0].ended; });
  CHECK((client.streams[0].text == text));
  CHECK((server.streams[0].text == text));
}

transport_config keeping_alive(std::chrono::milliseconds interval, std::chrono::milliseconds idle) {
  auto made = quic_with([&](quic_config& quic) { quic.idle_timeout = idle; });
  made.keepalive_interval = interval;
  return made;
}

} // namespace

// -- addresses --------------------------------------------------------------------------------------------------------------

TEST_CASE("a NAT that gives the client another address in the middle of a transfer costs no connection and no byte") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto elsewhere = address_of("203.0.113.9", 40'001);
  transfer_with(world, client, server, [&] { world.translate = [&](const udp_address&) { return elsewhere; }; });
  REQUIRE(server.paths.size() == 1);
  CHECK(server.paths[0].remote == elsewhere);
  CHECK(server.connection->path().remote == elsewhere);
  CHECK(server.connection->metrics().path_changes == 1);
  // It cannot know.
  CHECK(client.paths.empty());
  CHECK(world.server_users.size() == 1);
}

TEST_CASE("a NAT that forgets the client again and again is followed") {
  quic_world world;
  auto [client, server] = world.connect();
  std::uint16_t port = 40'000;
  world.translate = [&](const udp_address&) { return address_of("203.0.113.9", port); };
  for (int round = 0; round < 10; ++round) {
    ++port;
    client.say(0, "here");
    world.until(
        [&, &at = server] { return !at.paths.empty() && at.paths.back().remote == address_of("203.0.113.9", port); });
  }
  CHECK(server.streams[0].text.size() == 40);
}

TEST_CASE("a client that comes back to an address that it has proved gets as much there as before") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto there = address_of("203.0.113.9", 40'001);
  const auto here = world.client_address;
  for (const auto& next : {there, here, there, here}) {
    world.translate = [next = next](const udp_address&) { return next; };
    client.say(0, "here");
    world.until([&, &at = server] { return !at.paths.empty() && at.paths.back().remote == next; });
    // As long as the server still asks whether the one before is there.
    world.run_for(10s);
  }
  const auto text = pattern(megabyte);
  server.say(0, text);
  world.until([&, &at = client] { return at.streams[0].text.size() == text.size(); }, 2s);
  CHECK((client.streams[0].text == text));
  CHECK(server.paths.size() == 4);
}

TEST_CASE("a NAT that forgets a client that only listens is followed when the client is kept alive") {
  quic_world world{{.client = keeping_alive(1s, 30s), .server = keeping_alive(0s, 30s)}};
  auto [client, server] = world.connect();
  world.run_for(100ms);
  // Another port only, so that the server's view of the path stays what it was; and what goes to the old one is lost.
  const auto elsewhere = address_of("198.51.100.7", 40'001);
  world.translate = [&](const udp_address&) { return elsewhere; };
  world.passes = [&](const udp_path& arriving, const std::string&) { return arriving.local != world.client_address; };
  const auto text = pattern(megabyte / 4);
  const auto begun = world.now.steady;
  server.say(0, text);
  world.until([&, &at = client] { return at.streams[0].text.size() == text.size(); });
  CHECK((client.streams[0].text == text));
  CHECK(server.connection->path().remote == elsewhere);
  // No later than the server's next probe after the client's.
  CHECK(world.now.steady - begun < 3s);
}

TEST_CASE("a NAT that forgets a client which is not allowed to send is followed before the client counts as stalled") {
  quic_world world{{.client = keeping_alive(0s, 0s), .server = keeping_alive(0s, 0s)}};
  auto [client, server] = world.connect();
  server.reads = false;
  const auto text = pattern(2 * quic_config{}.stream_window);
  client.say(0, text);
  world.run_for(1s);
  CHECK(client.connection->metrics().bytes_in_flight == 0);
  world.translate = [&](const udp_address&) { return address_of("198.51.100.7", 40'001); };
  world.passes = [&](const udp_path& arriving, const std::string&) { return arriving.local != world.client_address; };
  // It has room again, and says so to where nobody is.
  server.reads = true;
  server.read(0);
  world.until([&, &at = server] { return at.streams[0].text.size() == text.size(); },
              transport_config{}.operation_timeout - 1s);
  CHECK((server.streams[0].text == text));
  // And it asks no longer than it has to wait; the server may ask for some time whether somebody is where it was before.
  world.run_for(15s);
  const auto sent = world.datagrams_sent;
  world.run_for(1min);
  CHECK(world.datagrams_sent == sent);
}

TEST_CASE("a server that may send no more to a new address sends what was lost when it hears from there again") {
  // How much it may send there is what the client sends, times three: here about as much as the congestion window, of
  // ten packets, and two probes.
  for (std::size_t said = 3'000; said <= 6'000; said += 250) {
    INFO("the client says " << said << " bytes");
    quic_world world;
    auto [client, server] = world.connect();
    world.run_for(1s);
    const auto elsewhere = address_of("203.0.113.9", 40'001);
    world.translate = [&](const udp_address&) { return elsewhere; };
    // Then neither hears of the other for a while.
    world.passes = [&](const udp_path& arriving, const std::string&) { return arriving.local == world.server_address; };
    const auto text = pattern(megabyte / 4);
    client.say(0, pattern(said));
    server.say(0, text);
    world.until([&, &at = server] { return at.streams[0].text.size() == said; });
    world.passes = [](const udp_path&, const std::string&) { return false; };
    world.run_for(5s);
    world.passes = nullptr;
    client.say(0, "is anybody there");
    world.until([&, &at = client] { return at.streams[0].text.size() == text.size(); }, 30s);
    CHECK((client.streams[0].text == text));
    CHECK(server.connection->path().remote == elsewhere);
  }
}

TEST_CASE("a server asks a silent client at a new address again when what it said there is lost") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto elsewhere = address_of("203.0.113.9", 40'001);
  world.translate = [&](const udp_address&) { return elsewhere; };
  // Acknowledgements arrive, so that the client has nothing to ask for again, and neither its proof nor any data.
  world.passes = [&](const udp_path& arriving, const std::string& bytes) {
    return bytes.size() < (arriving.local == world.server_address ? 1'200 : 50);
  };
  client.say(0, pattern(400));
  world.run_for(30ms);
  REQUIRE(client.connection->is_all_acked());
  // More than the server may send there, many times over.
  const auto text = pattern(megabyte / 4);
  server.say(0, text);
  world.run_for(500ms);
  world.passes = nullptr;
  world.until([&, &at = client] { return at.streams[0].text.size() == text.size(); }, 3s);
  CHECK((client.streams[0].text == text));
  CHECK(server.connection->path().remote == elsewhere);
}

TEST_CASE("a client that has proved its address with a short packet is sent as much as any other") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto elsewhere = address_of("203.0.113.9", 40'001);
  world.translate = [&](const udp_address&) { return elsewhere; };
  // It says so little that the challenge has to be short; a longer one follows when that is answered, and gets lost.
  world.passes = [&](const udp_path& arriving, const std::string& bytes) {
    return arriving.local == world.server_address || bytes.size() < 1'200;
  };
  client.say(0, "here");
  world.run_for(30ms);
  CHECK(server.connection->path().remote == elsewhere);
  CHECK(server.paths.empty());
  world.passes = nullptr;
  // Long before ngtcp2 repeats it.
  const auto text = pattern(megabyte);
  server.say(0, text);
  world.until([&, &at = client] { return at.streams[0].text.size() == text.size(); }, 500ms);
  CHECK((client.streams[0].text == text));
  CHECK(server.paths.empty());
  world.until([&, &at = server] { return !at.paths.empty(); }, 5s);
}

TEST_CASE("a client that moves goes on from its new address") {
  quic_world world;
  auto [client, server] = world.connect();
  world.until([&, &at = client] { return at.streams.contains(0) || at.connection->is_all_acked(); });
  world.run_for(1s);
  const auto elsewhere = address_of("203.0.113.9", 50'123);
  transfer_with(world, client, server, [&, &at = client] {
    REQUIRE(at.connection->migrate(elsewhere, world.now));
    at.touch();
  });
  REQUIRE(client.paths.size() == 1);
  CHECK(client.paths[0].local == elsewhere);
  REQUIRE(server.paths.size() == 1);
  CHECK(server.paths[0].remote == elsewhere);
}

TEST_CASE("a client may move again before it has arrived") {
  const auto pause = GENERATE(0ms, 1ms, 7ms, 12ms, 20ms, 50ms, 100ms, 300ms);
  INFO("one move after the other in " << pause / 1ms << " ms");
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  // What lies behind it is gone.
  auto here = world.client_address;
  world.passes = [&](const udp_path& arriving, const std::string&) {
    return (arriving.local == world.server_address ? arriving.remote : arriving.local) == here;
  };
  transfer_with(world, client, server, [&, &at = client] {
    for (std::uint16_t port = 50'001; port <= 50'003; ++port) {
      here = address_of("203.0.113.9", port);
      REQUIRE(world.client->migrate_all(here, world.now));
      world.run_for(pause);
      CHECK_FALSE(at.reason);
    }
  });
  CHECK(client.paths.back().local == here);
  CHECK(server.paths.back().remote == here);
}

TEST_CASE("a client that has moved too often waits for connection IDs, and can move again when it has some") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  std::uint16_t port = 50'000;
  const auto move = [&] { return world.client->migrate_all(address_of("203.0.113.9", ++port), world.now); };
  for (int count = 0; count < 3; ++count)
    REQUIRE(move());
  const auto refused = move();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::would_block);
  CHECK_FALSE(client.reason);
  world.run_for(1s);
  CHECK(move());
  client.say(0, "here");
  world.until([&, &at = server] { return at.streams[0].text == "here"; });
  CHECK(server.connection->path().remote == address_of("203.0.113.9", port));
}

TEST_CASE("a client that was cut off, and moves, goes on at once") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto elsewhere = address_of("203.0.113.9", 50'001);
  transfer_with(world, client, server, [&, &at = server] {
    world.passes = [&](const udp_path& arriving, const std::string&) {
      return arriving.local == elsewhere || arriving.remote == elsewhere;
    };
    // Both wait longer with each probe.
    world.run_for(10s);
    REQUIRE(world.client->migrate_all(elsewhere, world.now));
    const auto known = at.streams[0].text.size();
    const auto begun = world.now.steady;
    world.until([&] { return at.streams[0].text.size() > known; });
    CHECK(world.now.steady - begun < 1s);
  });
}

TEST_CASE("a client may not move where the server's settings forbid it") {
  quic_world world{{.server = quic_with([](quic_config& quic) { quic.migration = quic_migration::refuse; })}};
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto refused = client.connection->migrate(address_of("203.0.113.9", 50'123), world.now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::unsupported);
  CHECK(refused.error().who == origin::remote);
  SECTION("and a connection whose NAT forgets it ends by its timeouts") {
    world.translate = [](const udp_address&) { return address_of("203.0.113.9", 40'001); };
    client.say(0, "is anybody there");
    world.until([&, &one = client, &two = server] { return one.reason && two.reason; });
    // The second where the server had something on its way.
    CHECK((server.reason->code == error_code::idle_timeout || server.reason->code == error_code::keepalive_timeout));
    CHECK(server.streams[0].text.empty());
  }
}

TEST_CASE("a server keeps its address, and nobody moves before the handshake is confirmed") {
  quic_world world;
  auto& dialing = world.dial();
  CHECK(dialing.connection->migrate(address_of("203.0.113.9", 1), world.now).error().code == error_code::not_connected);
  world.until([&] { return dialing.is_connected() && world.connected_servers() == 1; });
  world.run_for(1s);
  auto& server = *world.server_users[0];
  CHECK(server.connection->migrate(address_of("203.0.113.9", 1), world.now).error().code == error_code::unsupported);
}

TEST_CASE("a client whose address changes and changes back at once is followed, however packets are sized") {
  const auto looks_for_larger = GENERATE(true, false);
  const auto settings = quic_with([&](quic_config& quic) { quic.path_mtu_discovery = looks_for_larger; });
  quic_world world{{.client = settings, .server = settings}};
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto elsewhere = address_of("203.0.113.9", 4'444);
  world.translate = [&](const udp_address&) { return elsewhere; };
  client.say(0, "there ");
  // The server has heard, and is about to ask whether it is true.
  world.until([&, &at = server] { return at.streams[0].text == "there "; });
  world.translate = [](const udp_address& own) { return own; };
  client.say(0, "and back");
  world.until([&, &at = server] { return at.streams[0].text == "there and back"; });
  server.say(0, "welcome");
  world.until([&, &at = client] { return at.streams[0].text == "welcome"; });
  CHECK_FALSE(server.reason);
}

// -- silence ----------------------------------------------------------------------------------------------------------------

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

// -- packet sizes -----------------------------------------------------------------------------------------------------------

TEST_CASE("larger packets are found where the path carries them") {
  quic_world world;
  auto [client, server] = world.connect();
  transfer_with(world, client, server, [] {});
  CHECK(client.connection->metrics().mtu == 1'452);
  CHECK(server.connection->metrics().mtu == 1'452);
}

TEST_CASE("packets stay as small as the path wants them") {
  quic_world world{{}, {.mtu = 1'280}};
  auto [client, server] = world.connect();
  transfer_with(world, client, server, [] {});
  CHECK(client.connection->metrics().mtu >= 1'200);
  CHECK(client.connection->metrics().mtu <= 1'280);
}

TEST_CASE("packets stay at 1,200 bytes, or at what is set, where nobody looks for larger ones") {
  auto settings = quic_with([](quic_config& quic) { quic.path_mtu_discovery = false; });
  std::size_t largest = 0;
  SECTION("1,200") {
    quic_world world{{.client = settings, .server = settings}};
    world.passes = [&](const udp_path&, const std::string& bytes) {
      largest = std::max(largest, bytes.size());
      return true;
    };
    auto [client, server] = world.connect();
    transfer_with(world, client, server, [] {});
    CHECK(largest == 1'200);
  }
  SECTION("what is set") {
    settings.mtu = 1'350;
    quic_world world{{.client = settings, .server = settings}};
    world.passes = [&](const udp_path&, const std::string& bytes) {
      largest = std::max(largest, bytes.size());
      return true;
    };
    auto [client, server] = world.connect();
    transfer_with(world, client, server, [] {});
    CHECK(largest == 1'350);
  }
}

TEST_CASE("jumbo packets are found where they are looked for") {
  transport_config settings;
  settings.protocol_settings = quic_config{};
  settings.mtu = 8'952;
  quic_world world{{.client = settings, .server = settings}};
  auto [client, server] = world.connect();
  transfer_with(world, client, server, [] {});
  CHECK(client.connection->metrics().mtu == 8'952);
}

// -- congestion -------------------------------------------------------------------------------------------------------------

TEST_CASE("every control of congestion delivers, lossy or not") {
  const auto control =
      GENERATE(quic_congestion_control::cubic, quic_congestion_control::bbr, quic_congestion_control::reno);
  const auto loss = GENERATE(0.0, 0.03);
  const auto settings = quic_with([&](quic_config& quic) { quic.congestion_control = control; });
  quic_world world{{.client = settings, .server = settings}, {.loss = loss}};
  auto [client, server] = world.connect();
  transfer_with(world, client, server, [] {});
  CHECK(client.connection->metrics().congestion_window > 0);
  CHECK(client.connection->metrics().rtt >= 10ms);
}

TEST_CASE("what may leave after a pause does not leave at once") {
  const auto control =
      GENERATE(quic_congestion_control::cubic, quic_congestion_control::bbr, quic_congestion_control::reno);
  const auto settings = quic_with([&](quic_config& quic) { quic.congestion_control = control; });
  quic_world world{{.client = settings, .server = settings}, {.delay = 20ms}};
  auto [client, server] = world.connect();
  const auto text = pattern(4 * megabyte);
  client.say(0, text);
  world.until([&, &at = server] { return at.streams[0].text.size() == text.size(); });
  world.run_for(1s);
  const auto window = client.connection->metrics().congestion_window;
  REQUIRE(window > 200'000);
  const auto sent = world.bytes_to_server;
  client.say(0, text);
  world.run_for(1ms);
  CHECK(world.bytes_to_server > sent);
  // In a round trip of 40 ms a window leaves.
  CHECK(world.bytes_to_server - sent < window / 4);
}

TEST_CASE("packets are marked where the path keeps the marks") {
  quic_world world;
  auto [client, server] = world.connect();
  CHECK(client.connection->metrics().ecn == ecn_state::testing);
  transfer_with(world, client, server, [] {});
  CHECK(client.connection->metrics().ecn == ecn_state::capable);
  CHECK(server.connection->metrics().ecn == ecn_state::capable);
}

TEST_CASE("packets are not marked any more where the path wipes the marks away") {
  quic_world world;
  world.remark = [](ecn_mark) { return ecn_mark::not_capable; };
  auto [client, server] = world.connect();
  transfer_with(world, client, server, [] {});
  world.run_for(2s);
  client.open();
  REQUIRE(client.say_unreliably("one more"));
  world.run_for(1s);
  CHECK(client.connection->metrics().ecn == ecn_state::failed);
}

TEST_CASE("a router that marks instead of dropping slows a sender down") {
  const auto is_marking = GENERATE(true, false);
  quic_world world;
  auto count = 0;
  auto [client, server] = world.connect();
  world.run_for(1s);
  world.remark = [&](ecn_mark mark) {
    return is_marking && mark == ecn_mark::capable_0 && ++count % 50 == 0 ? ecn_mark::congested : mark;
  };
  transfer_with(world, client, server, [] {});
  if (is_marking)
    CHECK(client.connection->metrics().congestion_window < 200'000);
  else
    CHECK(client.connection->metrics().congestion_window > 200'000);
}

} // namespace actorwire::test
