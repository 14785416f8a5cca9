// Two of our endpoints on a simulated network.

#include "quic_sides.hpp"
#include "seed.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace actorwire::test {

TEST_CASE("a client and a server agree on keys and a protocol, and know each other") {
  quic_world world;
  auto [client, server] = world.connect();
  CHECK(client.tls->version == "TLS1.3");
  CHECK(client.tls->alpn == quic_tls::default_protocol);
  CHECK(client.tls->peer_key == pin_of("server-ec"));
  CHECK(server.tls->alpn == quic_tls::default_protocol);
  CHECK_FALSE(client.tls->resumed);
}

TEST_CASE("the byte stream carries bytes both ways, and ends both ways") {
  quic_world world;
  auto [client, server] = world.connect();
  client.say(0, "question");
  client.finish(0);
  world.until([&, &at = server] { return at.streams[0].ended; });
  CHECK(server.streams[0].text == "question");
  server.say(0, "answer");
  server.finish(0);
  world.until([&, &at = client] { return at.streams[0].ended; });
  CHECK(client.streams[0].text == "answer");
  world.until([&, &one = client, &two = server] { return one.streams[0].closed && two.streams[0].closed; });
}

TEST_CASE("a server may speak first") {
  quic_world world;
  auto [client, server] = world.connect();
  server.say(0, "hello");
  world.until([&, &at = client] { return at.streams[0].text == "hello"; });
}

TEST_CASE("a close in order is told to the other side") {
  quic_world world;
  auto [client, server] = world.connect();
  client.connection->close(quic_ended_in_order, make_error(error_code::closed, phase::close, origin::local, "done"));
  world.client->touch(*client.connection);
  world.until([&, &one = client, &two = server] { return one.reason && two.reason; });
  CHECK(server.reason->code == error_code::closed);
  CHECK(server.reason->who == origin::remote);
  CHECK(world.client->size() == 0);
  CHECK(world.server->size() == 0);
}

TEST_CASE("a megabyte arrives complete in any weather", "[random]") {
  test_seed seed;
  weather sky;
  SECTION("fair") {}
  SECTION("losing 5 %") {
    sky.loss = 0.05;
  }
  SECTION("losing 10 %, out of order, twice, and damaged") {
    sky.loss = 0.1;
    sky.jitter = 10ms;
    sky.duplication = 0.05;
    sky.corruption = 0.02;
  }
  SECTION("through narrow pipes") {
    sky.mtu = 1'280;
  }
  quic_world world{{.seed = seed.value()}, sky};
  auto [client, server] = world.connect();
  const auto text = pattern(std::size_t{1} << 20U);
  client.say(0, text);
  client.finish(0);
  server.say(0, text);
  server.finish(0);
  world.until([&, &one = client, &two = server] { return one.streams[0].ended && two.streams[0].ended; });
  CHECK((client.streams[0].text == text));
  CHECK((server.streams[0].text == text));
}

TEST_CASE("the bit that QUIC would never need is drawn where the peer does not mind, and set where it does") {
  // RFC 9287. Each connection draws once.
  const auto may_be_clear = GENERATE(true, false);
  const auto settings = quic_with([&](quic_config& quic) { quic.grease = may_be_clear; });
  constexpr std::uint8_t fixed_bit = 0x40;
  auto cleared = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    quic_world world{{.client = settings, .server = settings, .seed = seed}};
    auto has_clear_one = false;
    world.passes = [&](const udp_path&, const std::string& bytes) {
      has_clear_one = has_clear_one || (static_cast<std::uint8_t>(bytes[0]) & fixed_bit) == 0;
      return true;
    };
    auto [client, server] = world.connect();
    client.say(0, "hello");
    world.until([&, &at = server] { return at.streams[0].text == "hello"; });
    cleared += has_clear_one ? 1 : 0;
  }
  if (may_be_clear) {
    CHECK(cleared > 0);
    CHECK(cleared < 20);
  } else {
    CHECK(cleared == 0);
  }
}

} // namespace actorwire::test
