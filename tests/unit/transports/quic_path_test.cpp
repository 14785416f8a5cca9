// Clients of QUIC whose addresses change, by a NAT that forgets them or because they move.

#include "quic_path_fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace actorwire::test {

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

} // namespace actorwire::test
