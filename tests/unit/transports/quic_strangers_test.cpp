// What strangers send to an endpoint of QUIC: nothing of it crashes, leaks, or harms others.

#include "counted_heap.hpp"
#include "engine/quic/quic_setup.hpp"
#include "quic_sides.hpp"
#include "seed.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

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

TEST_CASE("a first packet that comes twice begins one connection, and is nothing new after its end") {
  quic_world world;
  const auto first = first_datagram_of(world);
  world.passes = [](const udp_path&, const std::string&) { return false; };
  for (int count = 0; count < 3; ++count) {
    world.inject(world.to_server(), first);
    world.run_for(10ms);
    CHECK(world.server->size() == 1);
    CHECK(world.half_open->get() == 1);
  }
  world.server_users[0]->release();
  world.run_for(1ms);
  CHECK(world.server->size() == 0);
  // A tombstone is still there.
  world.inject(world.to_server(), first);
  world.run_for(10ms);
  CHECK(world.server->size() == 0);
}

TEST_CASE("a packet to an ID without bytes belongs to nobody, while there are connections and after") {
  quic_world world;
  const auto to_nobody = [&] {
    std::string bytes{"\xc0\0\0\0\x01\0\0", 7};
    bytes.resize(1'200);
    world.inject(world.to_server(), bytes);
    world.run_for(10ms);
  };
  auto [client, server] = world.connect();
  // Until both have nothing more to ask each other.
  world.run_for(5s);
  const auto before = server.connection->metrics().packets_received;
  to_nobody();
  CHECK(server.connection->metrics().packets_received == before);
  client.close();
  world.run_for(60s);
  CHECK(world.server->size() == 0);
  to_nobody();
  CHECK(world.server->size() == 0);
}

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
  auto is_connected = false;
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
      // Whoever copies a first packet and is faster has the server talk to him instead, as with every QUIC.
      if (chance() % 10 == 0 && is_connected)
        where.remote = address_of("203.0.113.66", 6'666);
      world.inject(where, again);
    }
    return true;
  };
  auto [client, server] = world.connect();
  is_connected = true;
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

TEST_CASE("a first packet of which one bit is wrong does not keep the right one from being read") {
  constexpr std::size_t head_bits = 48 * 8;
  std::vector<std::size_t> shut_out;
  for (std::size_t bit = 0; bit < head_bits; ++bit) {
    quic_world world;
    const auto first = first_datagram_of(world);
    auto damaged = first;
    damaged[bit / 8] ^= static_cast<char>(1U << (bit % 8));
    world.inject(world.to_server(), damaged);
    // In the same batch, or later.
    if (bit % 2 == 0)
      world.run_for(10ms);
    auto is_answered = false;
    world.passes = [&](const udp_path& path, const std::string&) {
      is_answered = is_answered || path.local != world.server_address;
      return false;
    };
    world.inject(world.to_server(), first);
    world.run_for(1s);
    if (!is_answered)
      shut_out.push_back(bit);
  }
  CHECK(shut_out == std::vector<std::size_t>{});
}

TEST_CASE("a flood of first packets from many addresses is asked for proofs, and costs little") {
  constexpr std::uint32_t threshold = 64;
  constexpr std::size_t flood_size = 2'000;
  quic_world world{{.retry_threshold = threshold}};
  std::vector<std::string> flood;
  while (flood.size() < flood_size)
    flood.push_back(first_datagram_of(world));
  world.client_users.clear();
  const auto connections_before = world.client->size();
  std::size_t retries = 0;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    // The answers go nowhere. A Retry is a long packet of type 3 (RFC 9000, 17.2.5).
    const auto goes_to_flood = to_text(path.local).starts_with("203.0.113.");
    retries += goes_to_flood && (static_cast<std::uint8_t>(bytes[0]) & 0xb0U) == 0xb0U ? 1 : 0;
    return !goes_to_flood;
  };
  const auto send_flood = [&](std::size_t from, std::size_t to) {
    for (auto count = from; count < to; ++count) {
      const auto where =
          address_of(("203.0.113." + std::to_string(count % 250)).c_str(), static_cast<std::uint16_t>(1'024 + count));
      world.inject({world.server_address, where}, flood[count]);
      world.run_for(6ms);
      REQUIRE(world.server->size() <= threshold);
    }
  };
  const auto blocks_before = blocks_held;
  const auto used_before = world.budget->used();
  send_flood(0, threshold);
  CHECK(world.server->size() == threshold);
  CHECK(retries == 0);
  const auto blocks_at_threshold = blocks_held;
  send_flood(threshold, flood_size / 2);
  // Beyond the threshold a first packet leaves nothing, but what it reads and answers with.
  CHECK(blocks_held - blocks_at_threshold <= 10);
  CHECK(retries == flood_size / 2 - threshold);
  // An honest client comes through in the middle of it.
  auto& client = world.dial();
  for (auto count = flood_size / 2; !client.is_connected(); ++count) {
    REQUIRE(count < flood_size);
    world.inject({world.server_address, address_of("203.0.113.1", static_cast<std::uint16_t>(1'024 + count))},
                 flood[count]);
    world.run_for(1ms);
  }
  world.until([&] { return world.connected_servers() == 1; });
  CHECK(world.server->size() == threshold + 1);
  CHECK(world.budget->used() - used_before <= std::size_t{1} << 20U);
  client.say(0, "me");
  world.until([&] {
    return std::ranges::any_of(world.server_users, [](const auto& each) { return each->streams[0].text == "me"; });
  });
  client.close();
  world.run_for(60s);
  CHECK(world.server->size() == 0);
  CHECK(world.half_open->get() == 0);
  world.client_users.clear();
  world.server_users.clear();
  CHECK(world.client->size() == connections_before);
  CHECK(blocks_held - blocks_before <= 50);
}

TEST_CASE("an offer of versions that nobody has asked for is not answered, whatever its size") {
  quic_world world;
  int answered = 0;
  world.passes = [&](const udp_path& path, const std::string&) {
    answered += path.remote == world.server_address ? 1 : 0;
    return true;
  };
  for (const auto size : {31U, 60U, 500U, 1'300U}) {
    // The long form, no version, and two IDs of 8 bytes (RFC 9000, 17.2.1).
    std::string packet{"\x80\0\0\0\0", 5};
    packet.append("\x08").append("abcdefgh").append("\x08").append("ABCDEFGH");
    packet.resize(size, '\x0a');
    world.inject(world.to_server(), packet);
  }
  world.run_for(1s);
  CHECK(answered == 0);
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
  CHECK(answered <= stranger_answers::resets_per_second);
}

TEST_CASE("a client that comes to a server which takes no more is told so, and those that it has go on") {
  quic_world world;
  auto [mine, its] = world.connect();
  world.server->refuse_clients(true);
  auto& late = world.dial();
  world.until([&] { return late.reason.has_value(); }, 1s);
  CHECK(late.reason->code == error_code::refused);
  CHECK(late.reason->retryable);
  CHECK(world.server->size() == 1);
  mine.say(0, "still here");
  world.until([&, &at = its] { return at.streams[0].text == "still here"; });
  world.server->refuse_clients(false);
  auto& next = world.dial();
  world.until([&] { return next.is_connected(); });
}

TEST_CASE("a packet of a handshake that comes in at another shard is handed over, and a first one is taken there") {
  constexpr unsigned mine = 0;
  constexpr unsigned other = 1;
  quic_world world;
  const auto chance = random_from(3);
  const connection_id_format ids{std::array<std::byte, 16>{std::byte{7}}, 2};
  const quic_secret secret{std::array<std::byte, 32>{std::byte{9}}};
  receive_arena arena{world.buffers};
  quic_endpoint shard{{ids, mine, std::make_shared<quic_tokens>(secret, quic_tokens::lifetimes{}), chance, arena},
                      quic_endpoint::acceptance{[](const udp_path&) { return std::nullopt; },
                                                std::make_shared<half_open_count>(),
                                                1'000,
                                                {quic_version::v1, quic_version::v2}}};
  const auto take = [&](std::uint8_t first, quic_version version, unsigned to) {
    auto bytes = std::string{static_cast<char>(first)};
    for (const auto shift : {24U, 16U, 8U, 0U})
      bytes += static_cast<char>(wire_version(version) >> shift & 0xffU);
    const auto id = ids.make(to, chance);
    bytes.append(1, static_cast<char>(id.size())).append(reinterpret_cast<const char*>(id.bytes().data()), id.size());
    // No ID of the sender; 1,000 bytes of packet (RFC 9000, 17.2).
    bytes.append(1, '\0').append("\x43\xe8").append(1'000, 'x');
    return shard.handle_datagram({world.to_server(), ecn_mark::not_capable, std::as_bytes(std::span{bytes})},
                                 world.now);
  };
  // The types have other numbers in version 2 (RFC 9369, 3.2).
  CHECK(take(0xe0, quic_version::v1, other) == other);
  CHECK(take(0xf0, quic_version::v2, other) == other);
  CHECK_FALSE(take(0xe0, quic_version::v1, mine));
  for (const auto early_or_first : {0xc0, 0xd0})
    CHECK_FALSE(take(static_cast<std::uint8_t>(early_or_first), quic_version::v1, other));
  for (const auto early_or_first : {0xd0, 0xe0})
    CHECK_FALSE(take(static_cast<std::uint8_t>(early_or_first), quic_version::v2, other));
}

} // namespace actorwire::test
