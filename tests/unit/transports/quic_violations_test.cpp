// What a peer says that knows the keys and no rules: it harms itself and nobody else.

#include "counted_heap.hpp"
#include "lawless_world.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

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

} // namespace actorwire::test
