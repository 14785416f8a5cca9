// What strangers and bad peers send to an endpoint of QUIC: nothing of it crashes, leaks, or harms others.

#include "counted_heap.hpp"
#include "engine/quic/quic_setup.hpp"
#include "quic_sides.hpp"
#include "raw_quic_peer.hpp"
#include "seed.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

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

/// A server, an honest client of it, and one that obeys no rules: one of ours by its handshake, whose keys somebody else
/// takes over.
class lawless_world {
public:
  explicit lawless_world(transport_config server = {})
    : world({.server = std::move(server), .client_key_log = [this](std::string_view line) { raw.learn(line); }}) {
    const auto [client, at_server] = world.connect();
    honest = &client;
    honest_at_server = &at_server;
    world.client_address = lawless_address;
    auto [taken_over, its_server] = world.connect();
    lawless_at_server = &its_server;
    auto is_taken_over = false;
    world.passes = [&, this](const udp_path& path, const std::string& bytes) {
      is_taken_over = is_taken_over || (path.remote == lawless_address && raw.impersonate(bytes));
      return true;
    };
    // With the whole window acknowledged, and no packet of the true client on its way.
    world.run_for(1s);
    taken_over.say(0, "hello");
    world.until([&] { return is_taken_over && lawless_at_server->streams[0].text == "hello"; });
    world.run_for(1s);
    world.passes = [this](const udp_path& path, const std::string& bytes) {
      if (path.local == lawless_address) {
        bytes_answered += bytes.size();
        if (const auto code = raw.close_code_of(bytes))
          close_code = code;
      }
      return path.local != lawless_address && path.remote != lawless_address;
    };
  }

  /// Sends frames in one datagram.
  void say(std::string_view frames) {
    const auto datagram = raw.say(frames);
    bytes_said += datagram.size();
    world.inject({world.server_address, lawless_address}, datagram);
  }

  /// The honest client's connection carries data both ways.
  void check_honest() {
    const auto heard_before = honest_at_server->streams[0].text.size();
    const auto answered_before = honest->streams[0].text.size();
    honest->say(0, "still here");
    honest_at_server->say(0, "so am I");
    world.until([&] {
      return honest_at_server->streams[0].text.size() == heard_before + 10
          && honest->streams[0].text.size() == answered_before + 7;
    });
  }

  const udp_address lawless_address = address_of("198.51.100.66", 6'666);
  raw_quic_peer raw;
  quic_world world;
  quic_user* honest = nullptr;
  quic_user* honest_at_server = nullptr;
  quic_user* lawless_at_server = nullptr;
  /// What the server told the lawless one at the end (RFC 9000, 20.1).
  std::optional<std::uint64_t> close_code;
  std::size_t bytes_said = 0;
  std::size_t bytes_answered = 0;
};

/// Codes of RFC 9000, 20.1.
constexpr std::uint64_t flow_control_error = 0x03;
constexpr std::uint64_t stream_limit_error = 0x04;
constexpr std::uint64_t stream_state_error = 0x05;
constexpr std::uint64_t final_size_error = 0x06;
constexpr std::uint64_t frame_encoding_error = 0x07;
constexpr std::uint64_t connection_id_limit_error = 0x09;
constexpr std::uint64_t protocol_violation = 0x0a;
constexpr std::uint64_t crypto_buffer_exceeded = 0x0d;
/// An alert of TLS is added.
constexpr std::uint64_t crypto_error = 0x100;
constexpr std::uint64_t unexpected_message = 10;

/// What somebody says who knows the keys and no rules, and what he is told.
struct violation {
  std::string_view what;
  std::vector<std::string> datagrams;
  std::uint64_t code;
};

/// Frames (RFC 9000, 19), with everything that the type's bits make optional.
std::string stream_frame(std::uint64_t id, std::uint64_t offset, std::string_view bytes, bool is_last = false) {
  return raw_frame({is_last ? 0x0fU : 0x0eU, id, offset, bytes.size()}, bytes);
}
std::string new_connection_id(std::uint64_t number, std::uint64_t retire_prior_to, std::size_t size = 8) {
  auto frame = raw_frame({0x18, number, retire_prior_to});
  frame.push_back(static_cast<char>(size));
  frame.append(size, static_cast<char>('A' + number));
  return frame.append(16, static_cast<char>('a' + number));
}

const std::vector<violation>& violations() {
  constexpr std::uint64_t streams = 100;
  constexpr std::uint64_t window = std::uint64_t{1} << 20U;
  constexpr std::uint64_t number_max = std::uint64_t{1} << 60U;
  // Of the kinds of streams: both send and the client opened it, the server did; only the client sends, only the server.
  constexpr std::uint64_t shared = 0;
  constexpr std::uint64_t shared_of_server = 1;
  constexpr std::uint64_t of_client = 2;
  constexpr std::uint64_t of_server = 3;
  static const std::vector<violation> all{
      {"a stream more than allowed", {stream_frame(4 * streams + shared, 0, "x")}, stream_limit_error},
      {"a stream of one direction more than allowed",
       {stream_frame(4 * streams + of_client, 0, "x")},
       stream_limit_error},
      {"a byte beyond the window of a stream", {stream_frame(4, window, "x")}, flow_control_error},
      {"an end beyond the window of a stream", {stream_frame(4, window + 1, "", true)}, flow_control_error},
      {"bytes beyond the window of the connection",
       {stream_frame(4, window - 1, "x"), stream_frame(8, window - 1, "x")},
       flow_control_error},
      {"a reset that makes a stream longer than its window", {raw_frame({0x04, 4, 0, window + 1})}, flow_control_error},
      {"bytes on a stream on which only the server sends", {stream_frame(of_server, 0, "x")}, stream_state_error},
      {"bytes on a stream that the server has not opened",
       {stream_frame(shared_of_server, 0, "x")},
       stream_state_error},
      {"a reset of a stream on which only the server sends", {raw_frame({0x04, of_server, 0, 0})}, protocol_violation},
      {"a stop of a stream on which only the client sends", {raw_frame({0x05, of_client, 0})}, stream_state_error},
      {"credit for a stream on which only the client sends", {raw_frame({0x11, of_client, 9})}, stream_state_error},
      {"credit for a stream that the server has not opened",
       {raw_frame({0x11, shared_of_server, 9})},
       stream_state_error},
      {"bytes behind the end", {stream_frame(4, 0, "all", true), stream_frame(4, 3, "more")}, final_size_error},
      {"a second end", {stream_frame(4, 0, "all", true), stream_frame(4, 3, "!", true)}, final_size_error},
      {"an end before what was sent", {stream_frame(4, 0, "all"), stream_frame(4, 0, "al", true)}, final_size_error},
      {"a reset with another size", {stream_frame(4, 0, "all", true), raw_frame({0x04, 4, 0, 9})}, final_size_error},
      {"more streams than there are numbers", {raw_frame({0x12, number_max + 1})}, frame_encoding_error},
      {"more streams of one direction than there are numbers",
       {raw_frame({0x13, number_max + 1})},
       frame_encoding_error},
      {"a frame of unknown type", {raw_frame({0x3f})}, frame_encoding_error},
      {"a frame that is cut", {raw_frame({0x0e, 4, 0, 100}, "short")}, frame_encoding_error},
      {"an acknowledgement of what was before the first packet", {raw_frame({0x02, 5, 0, 0, 6})}, frame_encoding_error},
      {"an acknowledgement of what was not sent", {raw_frame({0x02, 1'000'000, 0, 0, 0})}, protocol_violation},
      {"a packet of nothing", {""}, protocol_violation},
      {"a token for clients", {raw_frame({0x07, 5}, "token")}, protocol_violation},
      {"that the handshake is done", {raw_frame({0x1e})}, protocol_violation},
      {"that an ID is retired which was not given out", {raw_frame({0x19, 1'000})}, protocol_violation},
      {"that the ID is retired by which it says so", {raw_frame({0x19, 0})}, protocol_violation},
      {"an ID that retires those after it", {new_connection_id(5, 6)}, frame_encoding_error},
      {"an ID without bytes", {new_connection_id(5, 0, 0)}, frame_encoding_error},
      {"an ID that is too long", {new_connection_id(5, 0, 21)}, frame_encoding_error},
      {"more IDs than are wanted",
       {new_connection_id(10, 0) + new_connection_id(11, 0) + new_connection_id(12, 0) + new_connection_id(13, 0)
        + new_connection_id(14, 0)},
       connection_id_limit_error},
      {"TLS further ahead than is buffered", {raw_frame({0x06, 200'000, 1}, "x")}, crypto_buffer_exceeded},
      {"a message of TLS that has no place here",
       {raw_frame({0x06, 0, 4}, std::string_view{"\x01\0\0\0", 4})},
       crypto_error + unexpected_message},
      {"new keys of TLS, which QUIC has its own way for",
       {raw_frame({0x06, 0, 5}, std::string_view{"\x18\0\0\1\0", 5})},
       crypto_error + unexpected_message},
  };
  return all;
}

} // namespace

TEST_CASE("a peer that breaks the rules is told which, and ends its own connection and no other") {
  const auto index = GENERATE(range(std::size_t{0}, violations().size()));
  const auto& broken = violations()[index];
  INFO(broken.what);
  lawless_world here;
  for (const auto& each : broken.datagrams)
    here.say(each);
  here.world.until([&] { return here.lawless_at_server->reason.has_value(); });
  here.world.run_for(20ms);
  CHECK(here.lawless_at_server->reason->who == origin::remote);
  REQUIRE(here.close_code);
  CHECK(*here.close_code == broken.code);
  CHECK(here.world.server->size() == 1);
  here.check_honest();
}

TEST_CASE("a datagram where none is taken ends the connection") {
  lawless_world here{quic_with([](quic_config& quic) { quic.datagrams = false; })};
  here.say(raw_frame({0x31, 3}, "abc"));
  here.world.until([&] { return here.lawless_at_server->reason.has_value(); });
  here.world.run_for(20ms);
  CHECK(here.close_code == protocol_violation);
  CHECK(here.lawless_at_server->datagrams.empty());
  here.check_honest();
}

TEST_CASE("a peer may open every stream that it is allowed, and no more is kept than was sent") {
  lawless_world here;
  here.lawless_at_server->reads = false;
  const auto used_before = here.world.budget->used();
  for (std::uint64_t number = 1; number < 100; ++number)
    here.say(stream_frame(4 * number, 0, "x") + stream_frame(4 * number + 2, 0, "x"));
  here.world.until([&] { return here.lawless_at_server->opened.size() == 2 * 99; });
  CHECK_FALSE(here.lawless_at_server->reason);
  CHECK(here.world.budget->used() - used_before <= buffer_pool::slab_sizes[1]);
  here.check_honest();
  // What all of them hold goes with the connection.
  here.lawless_at_server->close();
  here.world.run_for(60s);
  CHECK(here.world.server->size() == 1);
}

TEST_CASE("a flood of what wants an answer is answered with less than it sent, and leaves nothing behind") {
  const auto [what, frame] = GENERATE(table<std::string, std::string (*)(std::uint64_t number)>(
      {{"PING", [](std::uint64_t) { return raw_frame({0x01}); }},
       {"PATH_CHALLENGE", [](std::uint64_t) { return raw_frame({0x1a}, "12345678"); }},
       {"MAX_DATA", [](std::uint64_t) { return raw_frame({0x10, 1'000'000'000}); }},
       {"MAX_STREAMS", [](std::uint64_t number) { return raw_frame({0x12, 200 + number}); }},
       {"MAX_STREAMS of one direction", [](std::uint64_t number) { return raw_frame({0x13, 200 + number}); }},
       {"STREAMS_BLOCKED", [](std::uint64_t) { return raw_frame({0x16, 100}); }},
       {"RETIRE_CONNECTION_ID", [](std::uint64_t) { return raw_frame({0x19, 1}); }},
       {"STOP_SENDING", [](std::uint64_t) {
          return raw_frame({0x05, 4, 0}) + stream_frame(4, 0, "x");
        }}}));
  INFO(what);
  const auto make = frame;
  lawless_world here;
  std::uint64_t number = 0;
  const auto flood = [&] {
    for (int count = 0; count < 1'000; ++count) {
      std::string full;
      for (auto next = make(number); full.size() + next.size() <= 1'150; next = make(++number))
        full += next;
      here.say(full);
      here.world.run_for(100us);
    }
  };
  flood();
  const auto blocks_before = blocks_held;
  flood();
  CHECK(here.bytes_answered <= here.bytes_said);
  CHECK(blocks_held - blocks_before <= 100);
  here.check_honest();
}

TEST_CASE("a peer that allows more streams in each of many frames is told of once, by direction") {
  lawless_world here;
  std::string full;
  for (std::uint64_t number = 1; number <= 150; ++number)
    full += raw_frame({0x12, 200 + number}) + raw_frame({0x13, 200 + number});
  const auto told_before = here.lawless_at_server->times_more_streams;
  here.say(full);
  here.world.run_for(10ms);
  CHECK(here.lawless_at_server->times_more_streams == told_before + 2);
  here.say(raw_frame({0x12, 400}));
  here.world.run_for(10ms);
  CHECK(here.lawless_at_server->times_more_streams == told_before + 3);
}

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
  CHECK(answered <= quic_endpoint::resets_per_second);
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

TEST_CASE("what a peer has kept by leaving gaps counts as memory, and comes back with the end of its connection") {
  lawless_world here;
  auto& budget = *here.world.budget;
  const auto before = budget.used();
  const auto leave_gaps = [&](std::uint64_t stream, std::uint64_t count) {
    std::string frames;
    for (std::uint64_t piece = 0; piece < count; ++piece) {
      // ngtcp2 keeps pieces of 8 KiB, however little is in them.
      frames += stream_frame(stream, (piece << 13U) + 1, "x");
      if (frames.size() > 1'100 || piece + 1 == count) {
        here.say(std::exchange(frames, {}));
        here.world.run_for(10ms);
      }
    }
  };
  SECTION("as long as there is enough") {
    leave_gaps(4, 120);
    CHECK_FALSE(here.lawless_at_server->reason);
    CHECK(budget.used() - before >= std::size_t{900} << 10U);
    here.lawless_at_server->close();
    here.world.run_for(60s);
    CHECK(budget.used() <= before);
  }
  SECTION("and where the limit is reached, that is its end and nobody else's") {
    const auto taken = budget.limit() - budget.used();
    REQUIRE(budget.try_take(taken));
    leave_gaps(4, 120);
    here.say(raw_frame({0x01}));
    here.world.run_for(10ms);
    REQUIRE(here.lawless_at_server->reason);
    CHECK(here.lawless_at_server->reason->code == error_code::memory_limit);
    CHECK(budget.used() <= budget.limit() + receive_arena::overdraft_max);
    budget.give_back(taken);
    here.check_honest();
  }
}

TEST_CASE("idle connections take nothing of the memory limit for what ngtcp2 needs") {
  quic_world world;
  std::vector<quic_user*> all;
  for (int count = 0; count < 10; ++count) {
    auto [client, server] = world.connect();
    client.say(0, "hello");
    all.insert(all.end(), {&client, &server});
  }
  world.run_for(5s);
  for (const auto* each : all)
    CHECK(each->connection->memory_counted() == 0);
}

TEST_CASE("small datagrams go beyond the memory limit by a little, and no further") {
  lawless_world here;
  auto& budget = *here.world.budget;
  here.lawless_at_server->reads = false;
  const auto taken = budget.limit() - budget.used();
  REQUIRE(budget.try_take(taken));
  std::uint64_t offset = 0;
  for (int count = 0; count < 4'000; ++count) {
    here.say(stream_frame(4, offset, std::string(200, 'x')));
    offset += 200;
    here.world.run_for(100us);
  }
  CHECK(here.world.server->dropped() > 0);
  CHECK(budget.used() <= budget.limit() + receive_arena::overdraft_max + 8'192);
  CHECK_FALSE(here.lawless_at_server->reason);
  budget.give_back(taken);
  here.check_honest();
}

} // namespace actorwire::test
