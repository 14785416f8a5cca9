// Unreliable datagrams (RFC 9221): sent once, bounded, and accounted for.

#include "quic_sides.hpp"

namespace actorwire::test {

TEST_CASE("datagrams arrive as they were sent, in either direction") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto id = client.say_unreliably("ping");
  REQUIRE(id);
  REQUIRE(client.say_unreliably(""));
  REQUIRE(server.say_unreliably("pong"));
  world.until([&, &one = client, &two = server] { return one.datagrams.size() == 1 && two.datagrams.size() == 2; });
  CHECK(server.datagrams == std::vector<std::string>{"ping", ""});
  CHECK(client.datagrams == std::vector<std::string>{"pong"});
  REQUIRE(client.datagrams_done.size() == 2);
  CHECK(client.datagrams_done[0] == std::pair{*id, true});
  CHECK(client.connection->metrics().datagrams.sent == 2);
  CHECK(server.connection->metrics().datagrams.received == 2);
}

TEST_CASE("the largest datagram that is allowed arrives, and a larger one is refused in words that say the limit") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto refused = client.say_unreliably(pattern(2'000));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::message_too_large);
  std::size_t limit = 1'000;
  while (client.say_unreliably(pattern(limit + 1)))
    ++limit;
  INFO("the limit: " << limit);
  CHECK(refused.error().text.find(std::to_string(limit)) != std::string::npos);
  world.until([&, &at = server] { return !at.datagrams.empty() && at.datagrams.back().size() == limit; });
}

TEST_CASE("a peer that takes no datagrams is sent none") {
  quic_world world{{.server = quic_with([](quic_config& quic) { quic.datagrams = false; })}};
  auto [client, server] = world.connect();
  const auto refused = client.say_unreliably("ping");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::unsupported);
  CHECK(refused.error().who == origin::remote);
  // The other direction is another matter.
  REQUIRE(server.say_unreliably("pong"));
  world.until([&, &at = client] { return !at.datagrams.empty(); });
}

TEST_CASE("datagrams that find the queue full push the oldest out, and both fates are told") {
  quic_world world{{.client = quic_with([](quic_config& quic) { quic.datagram_send_buffer_size = 10'000; })}};
  auto [client, server] = world.connect();
  for (int count = 0; count < 100; ++count)
    REQUIRE(client.say_unreliably(pattern(1'000)));
  world.until([&, &at = client] { return at.datagrams_done.size() == 100; });
  const auto sent = std::ranges::count_if(client.datagrams_done, [](const auto& each) { return each.second; });
  CHECK(sent == 9);
  CHECK(client.datagrams_done.front() == std::pair{std::uint64_t{1}, false});
  CHECK(client.datagrams_done.back() == std::pair{std::uint64_t{100}, true});
  world.run_for(1s);
  CHECK(server.datagrams.size() == 9);
  const auto totals = client.connection->metrics().datagrams;
  CHECK(totals.sent == 9);
  CHECK(totals.dropped == 91);
}

TEST_CASE("datagrams that the network loses are counted, and not sent again") {
  quic_world world{{.seed = 7}, {.loss = 0.2}};
  auto [client, server] = world.connect();
  for (int count = 0; count < 200; ++count) {
    REQUIRE(client.say_unreliably(pattern(1'000)));
    world.run_for(5ms);
  }
  world.run_for(5s);
  const auto totals = client.connection->metrics().datagrams;
  CHECK(totals.sent == 200);
  CHECK(server.datagrams.size() < 190);
  CHECK(server.datagrams.size() + totals.lost >= 200);
}

TEST_CASE("datagrams and streams share a connection, and neither keeps the other out") {
  quic_world world;
  auto [client, server] = world.connect();
  client.say(0, pattern(std::size_t{4} << 20U));
  world.run_for(30ms);
  for (int count = 0; count < 500; ++count)
    REQUIRE(client.say_unreliably(pattern(1'000)));
  const auto before = server.streams[0].text.size();
  world.until([&, &at = server] { return at.datagrams.size() >= 250; });
  CHECK(server.streams[0].text.size() > before + 100'000);
  world.until([&, &at = server] { return at.datagrams.size() == 500; });
}

TEST_CASE("datagrams that nobody asks for are bounded, and what is beyond is counted") {
  quic_world world;
  auto [client, server] = world.connect();
  // Nobody dispatches events: the connection is driven by hand.
  auto& receiver = *server.connection;
  for (std::size_t count = 0; count < quic_connection::waiting_datagrams_max + 76; ++count)
    REQUIRE(client.say_unreliably("tick"));
  std::vector<std::byte> room(departure_bytes_max);
  for (int turn = 0; turn < 50; ++turn) {
    world.now.steady += 5ms;
    while (const auto train = world.client->poll_transmit(room, world.now))
      for (std::size_t offset = 0; offset < train->bytes.size(); offset += train->segment_size) {
        const auto size = std::min(train->segment_size, train->bytes.size() - offset);
        receiver.handle_datagram({world.to_server(), ecn_mark::not_capable, train->bytes.subspan(offset, size)},
                                 world.now);
      }
    while (const auto train = receiver.poll_transmit(room, world.now))
      for (std::size_t offset = 0; offset < train->bytes.size(); offset += train->segment_size) {
        const auto size = std::min(train->segment_size, train->bytes.size() - offset);
        world.client->handle_datagram({world.to_client(), ecn_mark::not_capable, train->bytes.subspan(offset, size)},
                                      world.now);
      }
    world.client->handle_timeout(world.now);
  }
  const auto totals = receiver.metrics().datagrams;
  CHECK(totals.received == quic_connection::waiting_datagrams_max + 76);
  CHECK(totals.discarded == 76);
  world.server->touch(receiver);
  world.until([&, &at = server] { return at.datagrams.size() == quic_connection::waiting_datagrams_max; });
}

TEST_CASE("datagrams that are said while a socket takes no more go out when it does") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  client.say(0, pattern(100'000));
  std::vector<std::byte> room(departure_bytes_max);
  // The socket takes one train of them, and no more for a while.
  REQUIRE(world.client->poll_transmit(room, world.now));
  for (int count = 0; count < 3; ++count)
    REQUIRE(client.say_unreliably("now"));
  world.until([&, &at = server] { return at.datagrams.size() == 3; });
  CHECK(client.connection->metrics().datagrams.dropped == 0);
}

} // namespace actorwire::test
