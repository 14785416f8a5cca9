// Which messages leave first.

#include "counted_heap.hpp"
#include "outbox_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

using namespace actorwire;
using namespace actorwire::test;

namespace {

send_options at(std::uint8_t priority) {
  send_options options;
  options.priority = priority;
  return options;
}

std::string offered_early(const test_outbox& box) {
  std::array<outgoing, 16> pieces;
  const auto used = box.gather_early(pieces);
  std::string bytes;
  for (std::size_t index = 0; index < used; ++index)
    bytes.append(reinterpret_cast<const char*>(pieces[index].data), pieces[index].size);
  return bytes;
}

} // namespace

TEST_CASE("higher priorities leave first, and the order of each is kept", "[outbox][D5]") {
  for (const auto is_ready : {false, true}) {
    CAPTURE(is_ready);
    outbox_fixture f;
    if (is_ready)
      f.ready();
    f.must_accept("0a", at(0));
    f.must_accept("1a");
    f.must_accept("3a", at(3));
    f.must_accept("2a", at(2));
    f.must_accept("3b", at(3));
    f.must_accept("1b", at(1));
    f.must_accept("0b", at(0));
    if (!is_ready)
      f.ready();
    CHECK(offered_by(f.box, 16) == "3a3b2a1a1b0a0b");
    CHECK(f.take_all() == "3a3b2a1a1b0a0b");
    CHECK(adds_up(f.box.totals()));
  }
}

TEST_CASE("a priority beyond the highest is refused", "[outbox]") {
  outbox_fixture f;
  f.must_accept("a", at(3));
  const auto refused = f.accept("b", at(4));
  REQUIRE(!refused);
  CHECK(refused.error().code == error_code::invalid_value);
  CHECK(refused.error().text == "priority = 4: must be 0..3");
}

TEST_CASE("what has begun goes on before what is more urgent", "[outbox][D3][D5]") {
  for (std::uint8_t first = 0; first < send_priorities; ++first) {
    CAPTURE(static_cast<int>(first));
    outbox_fixture f{framing_mode::line};
    f.ready();
    f.must_accept("first", at(first));
    f.must_accept("waits", at(0));
    CHECK(f.take(2) == "fi");
    f.must_accept("urgent", at(3));
    CHECK(f.box.started_rest() == 4);
    CHECK(offered_by(f.box, 16).starts_with("rst\nurgent\n"));
    CHECK(f.lose() == loss{.not_sent = {}, .maybe_sent = {1, 5}});
    f.ready();
    CHECK(f.take_all() == "urgent\nwaits\n");
  }
}

TEST_CASE("acknowledgements come to messages as these have left", "[outbox][D2][D4]") {
  outbox_fixture f;
  f.ready();
  auto low = want_acked;
  low.priority = 0;
  auto high = want_acked;
  high.priority = 3;
  f.must_accept("low", low);
  f.must_accept("high", high);
  f.take_all();
  f.box.acknowledged(4, f.told);
  CHECK(f.told.take() == expected{{2, 2, outcome::acked}});
  f.box.acknowledged(7, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked}});
}

TEST_CASE("what an attempt has taken stays in front until that has failed", "[outbox][D4][D5]") {
  outbox_fixture f;
  auto low = at(0);
  low.idempotent = true;
  auto high = at(2);
  high.idempotent = true;
  f.must_accept("low ", low);
  f.must_accept("high ", high);
  CHECK(offered_early(f.box) == "high low ");
  f.box.lend(6);
  f.must_accept("urgent ", at(3));
  f.must_accept("usual ");

  SECTION("it connects") {
    f.ready();
    CHECK(f.told.take() == expected{{2, 2, outcome::written}});
    CHECK(f.take_all() == "ow urgent usual ");
  }
  SECTION("it fails") {
    f.box.early_lost();
    f.ready();
    CHECK(f.take_all() == "urgent high usual low ");
  }
  SECTION("it is given up") {
    CHECK(f.box.abandon(closed_by_user(), f.told) == loss{.not_sent = {2, 13}, .maybe_sent = {2, 9}});
  }
  CHECK(f.box.unwritten_bytes() == 0);
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("a message that is told its outcome may send one that is more urgent", "[outbox][D3][D4]") {
  for (const auto mode : all_framings) {
    outbox_fixture f{mode};
    f.ready();
    f.must_accept("a");
    f.must_accept("b");
    f.must_accept("c");
    answers told;
    const auto resend = [&](ticket&& reply, const settled& what) {
      told(std::move(reply), what);
      f.must_accept("!", at(3));
    };
    const auto two = wire_of("a", mode).size() + wire_of("b", mode).size();
    f.box.handed_over(two, resend);
    CHECK(told.take() == expected{{1, 1, outcome::written}, {2, 2, outcome::written}});
    CHECK(f.take_all() == wire_of("!", mode) + wire_of("!", mode) + wire_of("c", mode));
  }
}

TEST_CASE("messages of any priority expire, and are lost with those that do not wait", "[outbox][D4][D6]") {
  outbox_fixture f;
  f.ready();
  for (std::uint8_t priority = 0; priority < send_priorities; ++priority) {
    auto brief = at(priority);
    brief.ttl = 1ms;
    f.must_accept("brief", brief);
    auto unwilling = at(priority);
    unwilling.policy = when_down::fail;
    f.must_accept("unwilling", unwilling);
    f.must_accept(std::to_string(priority), at(priority));
  }
  CHECK(f.box.expire(f.now + 1ms, f.told) == loss{.not_sent = {4, 20}});
  CHECK(f.lose() == loss{.not_sent = {4, 36}});
  f.ready();
  CHECK(f.take_all() == "3210");
}

TEST_CASE("by drop_oldest the lowest goes first, and never for one that is lower", "[outbox][D6]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::drop_oldest, 3)};
  f.must_accept("2", at(2));
  f.must_accept("0", at(0));
  f.must_accept("1", at(1));
  f.must_accept("3", at(3));
  CHECK(f.told.take() == expected{{2, 2, outcome::not_sent, error_code::queue_overflow}});
  CHECK(f.refusal_of("00", at(0)) == error_code::would_block);
  f.must_accept("11", at(1));
  CHECK(f.told.take() == expected{{3, 3, outcome::not_sent, error_code::queue_overflow}});
  f.must_accept("33", at(3));
  f.told.clear();
  f.must_accept("333", at(3));
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::queue_overflow}});
  f.ready();
  CHECK(f.take_all() == "333333");
}

TEST_CASE("by conflate a message with another priority takes no place, but the older one goes", "[outbox][D5][D6]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::conflate, 10)};
  auto low = at(0);
  low.key = 7;
  auto high = at(3);
  high.key = 7;
  f.must_accept("x=1 ", low);
  f.must_accept("low ", at(0));
  f.must_accept("high ", at(3));
  f.must_accept("x=2 ", high);
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::superseded}});
  f.must_accept("x=3 ", high);
  CHECK(f.told.take() == expected{{4, 4, outcome::not_sent, error_code::superseded}});
  f.ready();
  CHECK(f.take_all() == "high x=3 low ");
}

TEST_CASE("priorities take no memory when nothing waits", "[outbox][F3]") {
  const auto nobody = [](ticket&&, const settled&) {};
  outbox_fixture f;
  f.ready();
  // Queues of a thread pass one small block of each kind on to each other.
  (void)f.accept("a", at(0));
  f.box.handed_over(1, nobody);
  const auto blocks_before = blocks_held;
  for (std::uint8_t priority = 0; priority < send_priorities; ++priority)
    (void)f.accept("a", at(priority));
  CHECK(blocks_held > blocks_before);
  f.box.handed_over(4, nobody);
  CHECK(blocks_held == blocks_before);
}

TEST_CASE("it is known since when the oldest message waits, whatever its priority, as far as times are", "[outbox]") {
  outbox_fixture f;
  CHECK_FALSE(f.box.oldest_waiting());
  f.must_accept("low", at(0));
  const auto oldest = f.now;
  f.now += 1s;
  f.must_accept("usual");
  f.now += 1s;
  f.must_accept("high", at(3));
  CHECK(f.box.oldest_waiting() == oldest);
  f.ready();
  CHECK(f.take(1) == "h");
  CHECK(f.box.oldest_waiting() == oldest);
  CHECK(f.take(8) == "ighusual");
  CHECK(f.box.oldest_waiting() == oldest);
  f.take_all();
  CHECK_FALSE(f.box.oldest_waiting());
  // On a ready connection the times of some may not be.
  const auto later = f.now;
  f.now = time_point::min();
  for (int count = 0; count < 15; ++count)
    f.must_accept("x");
  CHECK_FALSE(f.box.oldest_waiting());
  f.now = later;
  f.must_accept("y");
  CHECK(f.box.oldest_waiting() == later);
}
