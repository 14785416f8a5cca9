// Packets of QUIC: how large they are, how fast they leave, and what routers mark them with.

#include "quic_path_fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace actorwire::test {

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
