// What strangers and bad peers send to an endpoint of QUIC: nothing of it crashes, leaks, or harms others.

#include "quic_sides.hpp"
#include "seed.hpp"

namespace actorwire::test {

namespace {

/// The first datagram of a client.
std::string first_datagram_of(quic_world& world) {
  std::string first;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    if (first.empty() && path.local == world.server_address)
      first = bytes;
    return false;
  };
  auto& client = world.dial();
  world.run_for(1ms);
  client.release();
  world.run_for(1ms);
  world.passes = nullptr;
  return first;
}

} // namespace

TEST_CASE("noise of every size leaves nothing behind", "[random]") {
  const test_seed seed;
  auto chance = seed.engine();
  quic_world world;
  auto [client, server] = world.connect();
  for (int count = 0; count < 3'000; ++count) {
    auto bytes = noise(chance, chance() % 1'500);
    // Half of it looks like a first packet.
    if (bytes.size() > 6 && chance() % 2 == 0)
      bytes.replace(0, 5, {"\xc3\0\0\0\x01", 5});
    world.inject(chance() % 2 == 0 ? world.to_server() : world.to_client(), bytes);
    if (count % 100 == 0)
      world.run_for(10ms);
  }
  world.inject(world.to_server(), "");
  world.run_for(1s);
  CHECK(world.server->size() == 1);
  CHECK(world.client->size() == 1);
  CHECK(world.half_open->get() == 0);
  client.say(0, "still well");
  world.until([&, &at = server] { return at.streams[0].text == "still well"; });
}

TEST_CASE("real datagrams that come twice, cut, damaged or late harm nobody", "[random]") {
  const test_seed seed;
  auto chance = seed.engine();
  quic_world world{{.seed = seed.value()}};
  std::vector<std::pair<udp_path, std::string>> seen;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    seen.emplace_back(path, bytes);
    if (seen.size() > 1'000)
      seen.erase(seen.begin());
    for (int count = 0; count < 2; ++count) {
      auto [where, again] = seen[chance() % seen.size()];
      switch (chance() % 4) {
        case 0:
          again.resize(chance() % (again.size() + 1));
          break;
        case 1:
          again[chance() % again.size()] ^= static_cast<char>(1U << (chance() % 8));
          break;
        case 2:
          again.append(noise(chance, chance() % 100));
          break;
        default:
          break;
      }
      if (chance() % 10 == 0)
        where.remote = address_of("203.0.113.66", 6'666);
      world.inject(where, again);
    }
    return true;
  };
  auto [client, server] = world.connect();
  const auto text = pattern(std::size_t{256} << 10U);
  client.say(0, text);
  client.finish(0);
  server.say(0, text);
  server.finish(0);
  world.until([&, &one = client, &two = server] { return one.streams[0].ended && two.streams[0].ended; });
  CHECK((client.streams[0].text == text));
  CHECK((server.streams[0].text == text));
  world.passes = nullptr;
  client.close();
  world.until([&, &at = server] { return at.reason.has_value(); });
  // Copies of the client's first packet may have begun connections that come to nothing.
  world.run_for(60s);
  CHECK(world.server->size() == 0);
  CHECK(world.half_open->get() == 0);
}

TEST_CASE("a first packet that is damaged leaves no connection behind", "[random]") {
  const test_seed seed;
  auto chance = seed.engine();
  quic_world world;
  const auto first = first_datagram_of(world);
  for (int count = 0; count < 300; ++count) {
    auto damaged = first;
    // Behind the head, whose bytes may make it another packet or another client.
    damaged[100 + chance() % (damaged.size() - 100)] ^= static_cast<char>(1U << (chance() % 8));
    world.inject(world.to_server(), damaged);
    world.run_for(10ms);
    REQUIRE(world.server->size() == 0);
  }
  CHECK(world.server_users.empty());
  CHECK(world.half_open->get() == 0);
}

TEST_CASE("a flood of first packets from many addresses is asked for proofs, and costs little") {
  constexpr std::uint32_t threshold = 64;
  quic_world world{{.retry_threshold = threshold}};
  const auto used_before = world.budget->used();
  std::size_t size_max = 0;
  for (std::uint32_t count = 0; count < 2'000; ++count) {
    // Each by another client, whose answers go nowhere.
    if (count % 50 == 0)
      world.client_address = address_of("198.51.100.7", static_cast<std::uint16_t>(1'000 + count));
    const auto first = first_datagram_of(world);
    const auto from =
        address_of(("203.0.113." + std::to_string(count % 250)).c_str(), static_cast<std::uint16_t>(1'024 + count));
    world.inject({world.server_address, from}, first);
    world.passes = [](const udp_path&, const std::string&) { return false; };
    world.run_for(6ms);
    world.passes = nullptr;
    size_max = std::max(size_max, world.server->size());
  }
  CHECK(size_max == threshold);
  CHECK(world.budget->used() - used_before <= std::size_t{1} << 20U);
  // An honest client comes through.
  auto [client, server] = world.connect();
  client.say(0, "me");
  world.until([&, &at = server] { return at.streams[0].text == "me"; });
  client.close();
  world.run_for(60s);
  CHECK(world.server->size() == 0);
}

TEST_CASE("a stranger who asks for resets is answered with less than he sends, and not for ever") {
  quic_world world;
  std::mt19937_64 chance{1};
  std::size_t answered = 0;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    answered += path.remote == world.server_address ? 1 : 0;
    CHECK(bytes.size() < 60);
    return false;
  };
  for (int count = 0; count < 5'000; ++count) {
    auto bytes = noise(chance, 60);
    bytes[0] = static_cast<char>((bytes[0] & 0x3f) | 0x40);
    world.inject({world.server_address, address_of("203.0.113.66", 6'666)}, bytes);
  }
  world.run_for(10ms);
  CHECK(answered > 0);
  CHECK(answered <= quic_endpoint::resets_per_second);
}

TEST_CASE("a connection survives the memory limit, and goes on when there is memory again") {
  quic_world world;
  auto [client, server] = world.connect();
  server.reads = false;
  // All that is left goes elsewhere.
  const auto taken = world.budget->limit() - world.budget->used();
  REQUIRE(world.budget->try_take(taken));
  const auto text = pattern(std::size_t{2} << 20U);
  client.say(0, text);
  client.finish(0);
  world.run_for(5s);
  CHECK_FALSE(client.reason);
  CHECK_FALSE(server.reason);
  CHECK(world.server->dropped() > 0);
  CHECK(client.connection->bytes_acked(0) < text.size());
  world.budget->give_back(taken);
  server.reads = true;
  server.read(0);
  world.until([&, &at = server] { return at.streams[0].ended; });
  CHECK((server.streams[0].text == text));
}

TEST_CASE("a client that comes at the memory limit is not answered, and gets through later") {
  quic_world world;
  const auto taken = world.budget->limit() - world.budget->used();
  REQUIRE(world.budget->try_take(taken));
  auto& client = world.dial();
  world.run_for(1s);
  CHECK(world.server->size() == 0);
  CHECK_FALSE(client.is_connected());
  world.budget->give_back(taken);
  world.until([&] { return client.is_connected(); });
}

} // namespace actorwire::test
