#include "counted_heap.hpp"
#include "outbox_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

flow_limits limits_of_queue(std::uint32_t messages, std::size_t bytes) {
  flow_limits limits;
  limits.queue_messages = messages;
  limits.queue_bytes = bytes;
  return limits;
}

flow_limits limits_of_writing(std::size_t write_limit) {
  flow_limits limits;
  limits.write_limit = write_limit;
  return limits;
}

} // namespace

TEST_CASE("accepted and dropped messages are numbered together from 1", "[outbox][D1]") {
  outbox_fixture f;
  CHECK(f.must_accept("a") == 1);
  CHECK(f.box.drop(5) == 2);
  CHECK(f.must_accept("bc") == 3);
  CHECK(f.box.totals().accepted == tally{3, 8});
  CHECK(f.box.totals().not_sent == tally{1, 5});
  CHECK(f.box.pending() == tally{2, 3});
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("a refused message is neither taken nor counted", "[outbox][D1][D2]") {
  outbox_fixture f{framing_mode::none, limits_of_queue(1, 100)};
  f.must_accept("a");
  auto body = payload::copy_of("b");
  ticket reply{7};
  const auto refused = f.box.accept(std::move(body), {}, std::move(reply), f.now);
  CHECK(!refused);
  CHECK(body.text() == "b"); // NOLINT(bugprone-use-after-move): that it was not moved is what is tested
  CHECK(reply.id() == 7);    // NOLINT(bugprone-use-after-move)
  CHECK(f.box.totals().accepted == tally{1, 1});
}

TEST_CASE("an outcome that cannot be waited for is refused", "[outbox]") {
  outbox_fixture f;
  for (const auto wanted : {outcome::not_sent, outcome::maybe_sent})
    CHECK(f.refusal_of("a", {.wanted = wanted}) == error_code::invalid_value);
}

TEST_CASE("a negative ttl is refused", "[outbox][D6]") {
  outbox_fixture f;
  CHECK(f.refusal_of("a", {.ttl = -1ms}) == error_code::invalid_value);
}

TEST_CASE("an empty message is refused where it would be nothing on the wire", "[outbox][D3]") {
  for (const auto mode : all_framings) {
    CAPTURE(mode);
    outbox_fixture f{mode};
    CHECK(f.accept("").has_value() == (mode != framing_mode::none));
  }
}

TEST_CASE("a line that contains a line end is refused, since it would arrive as two", "[outbox][D3]") {
  outbox_fixture f{framing_mode::line};
  CHECK(f.refusal_of("one\ntwo") == error_code::invalid_value);
}

TEST_CASE("without a connection exactly queue_messages messages are accepted", "[outbox][D6]") {
  outbox_fixture f{framing_mode::length_prefixed, limits_of_queue(3, 1'000)};
  for (int index = 0; index < 3; ++index)
    f.must_accept("a");
  const auto refused = f.accept("");
  REQUIRE(!refused);
  CHECK(refused.error().code == error_code::would_block);
  CHECK(refused.error().text == "queue_messages = 3: 3 pending, 1 more do not fit");
}

TEST_CASE("without a connection exactly queue_bytes bytes are accepted, framing not counted", "[outbox][D6]") {
  outbox_fixture f{framing_mode::length_prefixed, limits_of_queue(100, 10 + waiting_message_cost)};
  f.must_accept("123456789");
  const auto refused = f.accept("ab");
  REQUIRE(!refused);
  CHECK(refused.error().code == error_code::would_block);
  CHECK(refused.error().text == "queue_bytes = 138: 9 pending, 130 more do not fit");
  f.must_accept("a");
  CHECK(f.refusal_of("a") == error_code::would_block);
}

TEST_CASE("a message larger than the queue is worth another try when the connection is ready", "[outbox][D6]") {
  outbox_fixture f{framing_mode::none, limits_of_queue(100, 3)};
  CHECK(f.refusal_of("four") == error_code::would_block);
  f.ready();
  f.must_accept("four");
}

TEST_CASE("on a ready connection exactly write_limit bytes are accepted, in flight included", "[outbox][D6]") {
  outbox_fixture f{framing_mode::none, limits_of_writing(10 + waiting_message_cost)};
  f.ready();
  f.must_accept("12345", want_acked);
  f.must_accept("12345");
  const auto refused = f.accept("a");
  REQUIRE(!refused);
  CHECK(refused.error().code == error_code::would_block);
  CHECK(refused.error().text == "write_limit = 138: 138 pending, 129 more do not fit");

  f.take(5);
  CHECK(f.refusal_of("a") == error_code::would_block);
  f.box.acknowledged(5, f.told);
  f.must_accept("12345");
  CHECK(f.refusal_of("a") == error_code::would_block);
}

TEST_CASE("messages without bytes are bounded by the limits of bytes too", "[outbox][D6][F3]") {
  for (const auto is_ready : {false, true}) {
    CAPTURE(is_ready);
    auto limits = limits_of_queue(1'000'000, 4 * waiting_message_cost);
    limits.write_limit = 4 * waiting_message_cost;
    outbox_fixture f{framing_mode::line, limits};
    if (is_ready)
      f.ready();
    // The first takes no more than its bytes, so that a limit below the cost still lets one through.
    for (int index = 0; index < 5; ++index)
      f.must_accept("");
    CHECK(f.refusal_of("") == error_code::would_block);
  }
}

TEST_CASE("small messages press back before they are refused", "[outbox][F2]") {
  outbox_fixture f{framing_mode::line};
  f.ready();
  auto is_pressed = false;
  while (f.accept(""))
    is_pressed = is_pressed || f.box.poll_backpressure() == true;
  CHECK(is_pressed);
  CHECK(f.box.pending().messages == f.limits.write_limit / waiting_message_cost + 1);
  f.take_all();
  CHECK(f.box.poll_backpressure() == false);
}

TEST_CASE("a message that will never fit is too large, not a matter of waiting", "[outbox][D6]") {
  outbox_fixture f{framing_mode::none, limits_of_writing(10)};
  for (const auto is_ready : {false, true}) {
    if (is_ready)
      f.ready();
    const auto refused = f.accept("12345678901");
    REQUIRE(!refused);
    CHECK(refused.error().code == error_code::message_too_large);
    CHECK(refused.error().text == "write_limit = 10: message of 11 bytes");
  }
  f.must_accept("1234567890");
}

TEST_CASE("a frame of exactly max_frame_size is accepted", "[outbox][D6]") {
  for (const auto mode : {framing_mode::length_prefixed, framing_mode::line}) {
    CAPTURE(mode);
    const flow_limits limits;
    test_outbox box{limits, {.mode = mode, .max_frame_size = 4}};
    CHECK(box.accept(payload::copy_of("1234"), {}, ticket{1}, {}));
    const auto refused = box.accept(payload::copy_of("12345"), {}, ticket{2}, {});
    REQUIRE(!refused);
    CHECK(refused.error().code == error_code::message_too_large);
  }
}

TEST_CASE("max_frame_size does not limit a stream without framing", "[outbox]") {
  const flow_limits limits;
  test_outbox box{limits, {.mode = framing_mode::none, .max_frame_size = 4}};
  CHECK(box.accept(payload::copy_of("12345"), {}, ticket{1}, {}));
}

TEST_CASE("what a lost connection leaves may exceed the queue, but nothing is added to it", "[outbox][D6]") {
  outbox_fixture f{framing_mode::none, limits_of_queue(2, 1'000)};
  f.ready();
  for (int index = 0; index < 3; ++index)
    f.must_accept("a");
  CHECK(f.lose() == loss{});
  CHECK(f.box.pending().messages == 3);
  CHECK(f.refusal_of("a") == error_code::would_block);

  f.ready();
  f.take(2);
  f.lose();
  f.must_accept("a");
  CHECK(f.refusal_of("a") == error_code::would_block);
}

TEST_CASE("a message keeps its label while it waits, also for the next connection", "[outbox]") {
  outbox_fixture f{framing_mode::numbered};
  const auto call = [&f](std::uint64_t number) {
    return f.box.accept(payload::copy_of("?"), {}, ticket{f.next_id++}, f.now, f.told, {frame_kind::call, number});
  };
  const auto frame = [](std::uint8_t kind, std::uint8_t number, std::string_view body) {
    auto wire = wire_of(body, framing_mode::numbered);
    wire[4] = static_cast<char>(kind);
    wire[12] = static_cast<char>(number);
    return wire;
  };
  REQUIRE(call(7));
  f.must_accept("data");
  f.ready();
  f.take(frame(1, 7, "?").size());
  REQUIRE(call(8));
  f.lose();
  f.ready();
  CHECK(f.take_all() == frame(0, 0, "data") + frame(1, 8, "?"));

  outbox_fixture without_numbers{framing_mode::line};
  const auto refused =
      without_numbers.box.accept(payload::copy_of("?"), {}, ticket{1}, f.now, f.told, {frame_kind::call, 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::unsupported);
}

TEST_CASE("a message is written when its last byte was handed over, and not before", "[outbox][D2][D4]") {
  for (const auto mode : all_framings) {
    CAPTURE(mode);
    outbox_fixture f{mode};
    f.ready();
    f.must_accept("abc");
    const auto wire = wire_of("abc", mode);
    CHECK(f.box.unwritten_bytes() == wire.size());
    CHECK(f.take(wire.size() - 1) == wire.substr(0, wire.size() - 1));
    CHECK(f.told.take().empty());
    CHECK(!f.box.is_flushed());
    CHECK(f.take(1) == wire.substr(wire.size() - 1));
    CHECK(f.told.take() == expected{{1, 1, outcome::written, error_code::none}});
    CHECK(f.box.is_flushed());
    CHECK(f.box.unwritten_bytes() == 0);
    CHECK(f.box.totals().written == tally{1, 3});
  }
}

TEST_CASE("a message is acked when its last byte is acknowledged, and not before", "[outbox][D2][D4]") {
  outbox_fixture f{framing_mode::length_prefixed};
  f.ready();
  f.must_accept("abc", want_acked);
  f.take_all();
  CHECK(f.told.take().empty());
  CHECK(f.box.is_flushed());
  CHECK(f.box.waits_for_acks());
  CHECK(f.box.pending() == tally{1, 3});

  f.box.acknowledged(6, f.told);
  CHECK(f.told.take().empty());
  f.box.acknowledged(7, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked, error_code::none}});
  CHECK(!f.box.waits_for_acks());
  CHECK(f.box.totals().acked == tally{1, 3});

  f.box.acknowledged(3, f.told);
  CHECK(f.told.take().empty());
}

TEST_CASE("each kind of wanted outcome is settled in the order of acceptance", "[outbox][D2]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("a", want_acked);
  f.must_accept("b");
  f.must_accept("c", want_acked);
  f.must_accept("d");
  f.take_all();
  CHECK(f.told.take()
        == expected{{2, 2, outcome::written, error_code::none}, {4, 4, outcome::written, error_code::none}});
  f.box.acknowledged(4, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked, error_code::none}, {3, 3, outcome::acked, error_code::none}});
}

TEST_CASE("the bytes of a message are offered from where they lie, with their owner", "[outbox]") {
  outbox_fixture f{framing_mode::length_prefixed};
  f.ready();
  auto body = payload::copy_of("abc");
  REQUIRE(f.box.accept(payload{body}, {}, ticket{1}, f.now));
  std::array<outgoing, 4> pieces;
  REQUIRE(f.box.gather(pieces) == 2);
  CHECK(pieces[0].size == 4);
  CHECK(pieces[0].owner == nullptr);
  CHECK(pieces[1].data == body.data());
  CHECK(pieces[1].size == 3);
  CHECK(pieces[1].owner == body.memory());
}

TEST_CASE("any number of pieces offers a prefix of the same bytes, wherever the transport stopped", "[outbox][D3]") {
  for (const auto mode : all_framings) {
    const auto wire = wire_of("abc", mode) + wire_of("d", mode) + wire_of("ef", mode);
    for (std::size_t stopped = 0; stopped < wire.size(); ++stopped) {
      CAPTURE(mode, stopped);
      outbox_fixture f{mode};
      f.ready();
      for (const auto* text : {"abc", "d", "ef"})
        f.must_accept(text);
      f.take(stopped);
      const auto rest = wire.substr(stopped);
      CHECK(offered_by(f.box, 0).empty());
      for (std::size_t piece_count = 1; piece_count < 10; ++piece_count) {
        const auto offered = offered_by(f.box, piece_count);
        REQUIRE(!offered.empty());
        REQUIRE(rest.starts_with(offered));
      }
      REQUIRE(offered_by(f.box, 10) == rest);
    }
  }
}

TEST_CASE("a message of which a byte left is maybe sent and never repeated", "[outbox][D3][D4]") {
  outbox_fixture f{framing_mode::line};
  f.ready();
  f.must_accept("abc");
  f.must_accept("def");
  f.take(1);
  CHECK(f.lose() == loss{.not_sent = {}, .maybe_sent = {1, 3}});
  CHECK(f.told.take() == expected{{1, 1, outcome::maybe_sent, error_code::reset}});

  f.ready();
  CHECK(f.take_all() == "def\n");
  CHECK(f.told.take() == expected{{2, 2, outcome::written, error_code::none}});
}

TEST_CASE("a message in flight when the connection is lost is maybe sent", "[outbox][D4]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("ab", want_acked);
  f.must_accept("cd", want_acked);
  f.must_accept("ef", want_acked);
  f.take(5);
  f.box.acknowledged(3, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked, error_code::none}});
  CHECK(f.lose() == loss{.not_sent = {}, .maybe_sent = {2, 4}});
  CHECK(f.told.take()
        == expected{{2, 2, outcome::maybe_sent, error_code::reset}, {3, 3, outcome::maybe_sent, error_code::reset}});
  CHECK(!f.box.waits_for_acks());
  CHECK(f.box.unwritten_bytes() == 0);
}

TEST_CASE("queued messages go out first and in order on the next connection", "[outbox][D5]") {
  outbox_fixture f;
  f.must_accept("a");
  f.ready();
  f.must_accept("b");
  CHECK(f.lose() == loss{});
  CHECK(f.told.take().empty());
  f.must_accept("c");
  f.ready();
  f.must_accept("d");
  CHECK(f.take_all() == "abcd");
}

TEST_CASE("acknowledgements of each connection count from its own beginning", "[outbox][D4]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("12345");
  f.take_all();
  f.lose();
  f.ready();
  f.must_accept("ab", want_acked);
  f.take_all();
  f.told.clear();
  f.box.acknowledged(1, f.told);
  CHECK(f.told.take().empty());
  f.box.acknowledged(2, f.told);
  CHECK(f.told.take() == expected{{2, 2, outcome::acked, error_code::none}});
}

TEST_CASE("messages that do not wait for a connection are not sent when it is lost", "[outbox][D4]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("a", {.policy = when_down::fail});
  f.must_accept("b", {.policy = when_down::fail});
  f.must_accept("c");
  f.must_accept("d", {.policy = when_down::drop});
  f.take(1);
  f.told.clear();
  CHECK(f.lose() == loss{.not_sent = {2, 2}, .maybe_sent = {}});
  CHECK(f.told.take()
        == expected{{2, 2, outcome::not_sent, error_code::reset}, {4, 4, outcome::not_sent, error_code::reset}});
  f.ready();
  CHECK(f.take_all() == "c");
}

TEST_CASE("giving up settles everything: what left in part is maybe sent, the rest is not", "[outbox][D1][D2][D4]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("ab", want_acked);
  f.must_accept("cd");
  f.must_accept("ef");
  f.take(3);
  CHECK(f.box.abandon(closed_by_user(), f.told) == loss{.not_sent = {1, 2}, .maybe_sent = {2, 4}});
  CHECK(f.told.take()
        == expected{{1, 1, outcome::maybe_sent, error_code::closed},
                    {2, 2, outcome::maybe_sent, error_code::closed},
                    {3, 3, outcome::not_sent, error_code::closed}});
  CHECK(f.box.pending() == tally{});
  CHECK(f.box.unwritten_bytes() == 0);
  CHECK(!f.box.is_ready());
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("a message expires at the end of its ttl and not a tick before", "[outbox][D6]") {
  for (const auto is_ready : {false, true}) {
    CAPTURE(is_ready);
    outbox_fixture f;
    if (is_ready)
      f.ready();
    f.must_accept("a", {.ttl = 5ms});
    CHECK(f.box.next_timeout() == f.now + 5ms);
    CHECK(f.box.expire(f.now + 5ms - 1ns, f.told) == loss{});
    CHECK(f.box.expire(f.now + 5ms, f.told) == loss{.not_sent = {1, 1}});
    CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::expired}});
    CHECK(f.box.totals().not_sent == tally{1, 1});
    CHECK(f.box.next_timeout() == std::nullopt);
    CHECK(f.box.is_flushed());
  }
}

TEST_CASE("a message without ttl ages only without a connection", "[outbox][D6]") {
  outbox_fixture f;
  f.must_accept("a");
  CHECK(f.box.next_timeout() == f.now + 10s);
  f.now += 9s;
  f.ready();
  f.now += 1h;
  CHECK(f.box.expire(f.now, f.told) == loss{});
  CHECK(f.box.next_timeout() == std::nullopt);

  f.lose();
  CHECK(f.box.next_timeout() == f.now + 10s);
  f.now += 4s;
  f.must_accept("b");
  CHECK(f.box.expire(f.now + 6s, f.told) == loss{.not_sent = {1, 1}});
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::expired}});
  CHECK(f.box.next_timeout() == f.now + 10s);
}

TEST_CASE("a ttl counts from acceptance, through any number of connections", "[outbox][D6]") {
  outbox_fixture f;
  const auto accepted_at = f.now;
  f.must_accept("a", {.ttl = 30s});
  for (int connection = 0; connection < 3; ++connection) {
    f.now += 5s;
    CHECK(f.ready() == loss{});
    f.now += 4s;
    f.lose();
    CHECK(f.box.next_timeout() == accepted_at + 30s);
  }
  CHECK(f.box.expire(accepted_at + 30s, f.told) == loss{.not_sent = {1, 1}});
}

TEST_CASE("what has expired does not leave when a connection comes back", "[outbox][D6]") {
  outbox_fixture f;
  f.must_accept("a");
  f.now += 1s;
  f.must_accept("b");
  f.now += 9s;
  CHECK(f.ready() == loss{.not_sent = {1, 1}});
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::expired}});
  CHECK(f.take_all() == "b");
}

TEST_CASE("a message of which a byte left does not expire, those behind it do", "[outbox][D3][D6]") {
  outbox_fixture f{framing_mode::line};
  f.ready();
  f.must_accept("ab", {.ttl = 1ms});
  f.must_accept("cd", {.ttl = 1ms});
  f.must_accept("ef");
  f.take(1);
  CHECK(f.box.expire(f.now + 1h, f.told) == loss{.not_sent = {1, 2}});
  CHECK(f.told.take() == expected{{2, 2, outcome::not_sent, error_code::expired}});
  CHECK(f.take_all() == "b\nef\n");
}

TEST_CASE("a message in flight does not expire", "[outbox][D4][D6]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("a", {.wanted = outcome::acked, .ttl = 1ms});
  f.take_all();
  CHECK(f.box.next_timeout() == std::nullopt);
  CHECK(f.box.expire(f.now + 1h, f.told) == loss{});
  f.box.acknowledged(1, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked, error_code::none}});
}

TEST_CASE("the longest ttl does not wrap around", "[outbox][D6]") {
  outbox_fixture f;
  f.must_accept("a", {.ttl = std::chrono::milliseconds::max()});
  CHECK(f.box.next_timeout() == std::nullopt);
  CHECK(f.box.expire(f.now + 24h * 365 * 100, f.told) == loss{});
}

TEST_CASE("a timeout that came too early moves on to the exact time", "[outbox]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("a", {.ttl = 1ms});
  f.must_accept("b", {.ttl = 9ms});
  f.take(1);
  f.told.clear();
  CHECK(f.box.next_timeout() <= f.now + 9ms);
  CHECK(f.box.expire(f.now + 1ms, f.told) == loss{});
  CHECK(f.box.next_timeout() == f.now + 9ms);
}

TEST_CASE("back-pressure turns on once above the high mark and off once below the low mark", "[outbox][F2]") {
  flow_limits limits;
  limits.high_water = 10 + waiting_message_cost;
  limits.low_water = 4;
  outbox_fixture f{framing_mode::none, limits};
  f.ready();
  f.must_accept("123456789");
  f.must_accept("0");
  CHECK(f.box.poll_backpressure() == std::nullopt);
  f.must_accept("1");
  CHECK(f.box.poll_backpressure() == true);
  f.must_accept("2345");
  CHECK(f.box.poll_backpressure() == std::nullopt);

  f.take(f.box.unwritten_bytes() - 4);
  CHECK(f.box.poll_backpressure() == std::nullopt);
  f.take(1);
  CHECK(f.box.poll_backpressure() == false);
  CHECK(f.box.poll_backpressure() == std::nullopt);
  f.must_accept("1234");
  CHECK(f.box.poll_backpressure() == std::nullopt);
}

TEST_CASE("an empty outbox relieves the pressure even when the low mark is zero", "[outbox][F2]") {
  flow_limits limits;
  limits.high_water = 1;
  limits.low_water = 0;
  outbox_fixture f{framing_mode::none, limits};
  f.ready();
  f.must_accept("12");
  CHECK(f.box.poll_backpressure() == true);
  f.take(1);
  CHECK(f.box.poll_backpressure() == std::nullopt);
  f.take(1);
  CHECK(f.box.poll_backpressure() == false);
}

TEST_CASE("messages in flight do not press back: the transport has them", "[outbox][F2]") {
  flow_limits limits;
  limits.high_water = 3;
  limits.low_water = 2;
  outbox_fixture f{framing_mode::none, limits};
  f.ready();
  f.must_accept("1234", want_acked);
  CHECK(f.box.poll_backpressure() == true);
  f.take_all();
  CHECK(f.box.poll_backpressure() == false);
}

TEST_CASE("an empty outbox holds no memory but itself", "[outbox][F3]") {
  CHECK(sizeof(outbox<ticket>) <= 112);
  const auto nobody = [](ticket&&, const settled&) {};
  outbox_fixture f;
  const auto blocks_before = blocks_held;
  f.ready();
  for (int index = 0; index < 100; ++index)
    (void)f.accept("a", want_acked);
  CHECK(blocks_held == blocks_before + 1);
  f.box.handed_over(100, nobody);
  CHECK(blocks_held == blocks_before + 1);
  f.box.acknowledged(100, nobody);
  CHECK(blocks_held == blocks_before);
  (void)f.accept("a", want_acked);
  f.box.handed_over(1, nobody);
  (void)f.accept("b");
  f.box.abandon(closed_by_user(), nobody);
  CHECK(blocks_held == blocks_before);
}

TEST_CASE("a message in flight does not keep its bytes: the transport does", "[outbox][F3]") {
  outbox_fixture f;
  f.ready();
  auto body = payload::copy_of("abc");
  REQUIRE(f.box.accept(payload{body}, want_acked, ticket{1}, f.now));
  CHECK(body.memory()->references == 2);
  f.take_all();
  CHECK(body.memory()->references == 1);
}

TEST_CASE("a sender that is told its outcome may send again at once", "[outbox][D1][D2]") {
  outbox_fixture f{framing_mode::none, limits_of_writing(2 + waiting_message_cost)};
  std::vector<std::uint64_t> sent_again;
  const auto resend = [&](ticket&& reply, const settled& outcome_told) {
    CHECK(adds_up(f.box.totals()));
    f.told(std::move(reply), outcome_told);
    if (auto sequence = f.accept("+", want_acked))
      sent_again.push_back(*sequence);
  };

  SECTION("when it was written") {
    f.ready();
    f.must_accept("a");
    f.must_accept("b");
    f.box.handed_over(2, resend);
    CHECK(sent_again == std::vector<std::uint64_t>{3, 4});
    CHECK(f.take_all() == "++");
  }
  SECTION("when it was acked") {
    f.ready();
    f.must_accept("a", want_acked);
    f.must_accept("b", want_acked);
    f.take_all();
    f.box.acknowledged(2, resend);
    CHECK(sent_again == std::vector<std::uint64_t>{3, 4});
  }
  SECTION("when its connection was lost") {
    f.ready();
    f.must_accept("a", want_acked);
    f.must_accept("b", {.policy = when_down::fail});
    f.take(1);
    f.box.connection_lost(f.now, reset_by_peer(), resend);
    CHECK(sent_again == std::vector<std::uint64_t>{3, 4});
  }
  SECTION("when it expired") {
    f.must_accept("a");
    f.must_accept("b", {.ttl = 1h});
    f.now += 10s;
    CHECK(f.box.expire(f.now, resend) == loss{.not_sent = {1, 1}});
    CHECK(sent_again == std::vector<std::uint64_t>{3});
    CHECK(f.box.next_timeout() == f.now + 10s);
  }
  SECTION("when it was given up") {
    f.must_accept("a");
    f.must_accept("b");
    CHECK(f.box.abandon(closed_by_user(), resend) == loss{.not_sent = {2, 2}, .maybe_sent = {}});
    CHECK(f.box.pending() == tally{2, 2});
  }
  CHECK(adds_up(f.box.totals()));
}
