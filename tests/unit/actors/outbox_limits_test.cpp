// What an outbox takes, and from where on it presses back.

#include "outbox_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <optional>

using namespace actorwire;
using namespace actorwire::test;

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
