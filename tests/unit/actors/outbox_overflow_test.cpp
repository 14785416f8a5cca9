// What goes when there is no room, by `flow_limits::overflow`.

#include "outbox_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using lost_by = std::map<error_code, loss>;

flow_limits limits_of_writing(overflow_policy overflow, std::size_t write_limit) {
  auto limits = limits_with(overflow);
  limits.write_limit = write_limit;
  return limits;
}

/// What waits when a connection is lost that had taken none of it, a message for each character.
void lose_with(outbox_fixture& f, std::string_view each) {
  f.ready();
  for (const auto one : each)
    f.must_accept(std::string(1, one));
  f.lose();
  REQUIRE(f.told.take().empty());
}

/// A newer state of the thing that has this number.
send_options about(std::uint64_t key) {
  send_options options;
  options.key = key;
  return options;
}

} // namespace

TEST_CASE("by default, and by disconnect, what does not fit is refused and nothing else goes", "[outbox][D6]") {
  CHECK(flow_limits{}.overflow == overflow_policy::fail);
  for (const auto overflow : {overflow_policy::fail, overflow_policy::disconnect}) {
    outbox_fixture f{framing_mode::none, limits_with(overflow, 2)};
    f.must_accept("a");
    f.must_accept("b");
    CHECK(f.refusal_of("c") == error_code::would_block);
    CHECK(f.told.take().empty());
    CHECK(f.box.totals().accepted.messages == 2);
    CHECK(f.losses.all().empty());
  }
}

TEST_CASE("by drop_newest a message that does not fit is taken, and not sent at once", "[outbox][D1][D2][D6]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::drop_newest, 2)};
  f.must_accept("a");
  f.must_accept("b");
  const auto taken = f.box.accept(payload::copy_of("cde"), {}, ticket{7}, f.now, f.told);
  REQUIRE(taken);
  CHECK(taken->sequence == 3);
  CHECK(taken->dropped == loss{.not_sent = {1, 3}});
  CHECK(f.told.take() == expected{{7, 3, outcome::not_sent, error_code::queue_overflow}});
  CHECK(taken->reason == loss_reason::dropped_newest);
  CHECK(adds_up(f.box.totals()));
  f.ready();
  CHECK(f.take_all() == "ab");
}

TEST_CASE("by drop_oldest as many of those that wait go as have to, oldest first", "[outbox][D1][D2][D5][D6]") {
  outbox_fixture f{framing_mode::none, limits_of_writing(overflow_policy::drop_oldest, 10 + 2 * waiting_message_cost)};
  f.ready();
  f.must_accept("123");
  f.must_accept("456");
  f.must_accept("789");
  f.must_accept("abcde");
  CHECK(f.told.take()
        == expected{{1, 1, outcome::not_sent, error_code::queue_overflow},
                    {2, 2, outcome::not_sent, error_code::queue_overflow}});
  CHECK(f.losses.all() == lost_by{{error_code::queue_overflow, {.not_sent = {2, 6}}}});
  CHECK(f.box.pending() == tally{2, 8});
  CHECK(f.box.unwritten_bytes() == 8);
  CHECK(adds_up(f.box.totals()));
  CHECK(f.take_all() == "789abcde");
}

TEST_CASE("by drop_oldest nothing goes that has begun to leave, or is on its way", "[outbox][D3][D4][D6]") {
  outbox_fixture f{framing_mode::none, limits_of_writing(overflow_policy::drop_oldest, 10 + 2 * waiting_message_cost)};
  f.ready();
  f.must_accept("12", want_acked);
  f.must_accept("345");
  f.must_accept("67");
  CHECK(f.take(3) == "123");
  // 5 bytes are beyond reach, so no more than 5 can be had.
  CHECK(f.refusal_of("abcdef") == error_code::would_block);
  CHECK(f.told.take().empty());
  f.must_accept("ABCDE");
  CHECK(f.told.take() == expected{{3, 3, outcome::not_sent, error_code::queue_overflow}});
  CHECK(f.take_all() == "45ABCDE");
}

TEST_CASE("by drop_oldest a message that never fits drops nothing", "[outbox][D6]") {
  auto limits = limits_with(overflow_policy::drop_oldest);
  limits.queue_bytes = 10;
  outbox_fixture f{framing_mode::none, limits};
  f.must_accept("1234567890");
  CHECK(f.refusal_of("12345678901") == error_code::would_block);
  CHECK(f.told.take().empty());
  CHECK(f.box.pending() == tally{1, 10});
}

TEST_CASE("by drop_oldest no more goes than a message needs, also where a loss left more than may wait",
          "[outbox][D1][D2][D5][D6]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::drop_oldest, 2)};
  lose_with(f, "123456");
  REQUIRE(f.box.pending() == tally{6, 6});
  f.must_accept("7");
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::queue_overflow}});
  f.must_accept("8");
  CHECK(f.told.take() == expected{{2, 2, outcome::not_sent, error_code::queue_overflow}});
  CHECK(f.box.pending() == tally{6, 6});
  CHECK(adds_up(f.box.totals()));
  f.ready();
  CHECK(f.take_all() == "345678");
}

TEST_CASE("by drop_oldest what goes after a loss is as large as what comes", "[outbox][D6]") {
  auto limits = limits_with(overflow_policy::drop_oldest);
  limits.queue_bytes = 10;
  outbox_fixture f{framing_mode::none, limits};
  lose_with(f, "123456");
  // With what a message costs that waits, two small ones take more than a larger one.
  f.must_accept("abc");
  CHECK(f.told.take().size() == 2);
  CHECK(f.box.pending() == tally{5, 7});
  CHECK(f.refusal_of(std::string(7 + 5 * waiting_message_cost, 'x')) == error_code::would_block);
  CHECK(f.told.take().empty());
}

TEST_CASE("room is made for several messages at once, and for no more, also after a loss", "[outbox][D1][D5][D6]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::drop_oldest, 2)};
  lose_with(f, "123456");
  const auto made = f.box.make_room({3, 3}, usual_send_priority, f.told);
  REQUIRE(made);
  CHECK(made->dropped == loss{.not_sent = {3, 3}});
  for (const auto* each : {"a", "b", "c"})
    f.box.add(payload::copy_of(each), {}, ticket{9}, f.now);
  CHECK(f.told.take().size() == 3);
  CHECK(f.box.pending() == tally{6, 6});
  CHECK_FALSE(f.box.make_room({7, 7}, usual_send_priority, f.told));
  CHECK(f.told.take().empty());
  CHECK(adds_up(f.box.totals()));
  f.ready();
  CHECK(f.take_all() == "456abc");
}

TEST_CASE("what does not fit after a loss is refused or dropped where nothing goes for it", "[outbox][D6]") {
  for (const auto overflow : {overflow_policy::fail, overflow_policy::disconnect, overflow_policy::conflate}) {
    CAPTURE(name_of(overflow));
    outbox_fixture f{framing_mode::none, limits_with(overflow, 2)};
    lose_with(f, "123");
    CHECK(f.refusal_of("4") == error_code::would_block);
    CHECK_FALSE(f.box.make_room({1, 1}, usual_send_priority, f.told));
  }
}

TEST_CASE("by default 21,846 messages of 64 bytes may wait for a connection that is ready", "[outbox][D6]") {
  outbox_fixture f;
  f.ready();
  std::size_t count = 0;
  while (f.accept(std::string(64, 'x')))
    ++count;
  CHECK(count == 21'846);
}

TEST_CASE("streams of one connection share its limits, and drop none of each other's", "[outbox][streams][D6]") {
  const auto limits = limits_of_writing(overflow_policy::drop_oldest, 3 + 2 * waiting_message_cost);
  outbox_ledger ledger{limits};
  const framing_config framing{.mode = framing_mode::none};
  outbox<ticket> full{ledger, framing};
  outbox<ticket> other{ledger, framing};
  answers told;
  const time_point now{1'000s};
  int next_id = 0;
  const auto accept = [&](outbox<ticket>& box) {
    return static_cast<bool>(box.accept(payload::copy_of("x"), {}, ticket{++next_id}, now, told));
  };
  for (auto* each : {&full, &other})
    static_cast<void>(each->connection_ready(now, told));
  for (int count = 0; count < 3; ++count)
    CHECK(accept(full));
  // The one that has taken all the room goes on, at the cost of its own, and keeps the other out.
  CHECK(accept(full));
  CHECK(told.take().size() == 1);
  CHECK_FALSE(accept(other));
  CHECK(told.take().empty());
  // Until something of it leaves, or all of it is given up.
  full.handed_over(1, told);
  CHECK(accept(other));
  static_cast<void>(full.abandon(closed_by_user(), told));
  told.clear();
  CHECK(accept(other));
  CHECK(accept(other));
  CHECK(told.take().empty());
  CHECK(adds_up(ledger.totals()));
}

TEST_CASE("by drop_oldest what left early with an attempt that failed may have arrived", "[outbox][D4]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::drop_oldest, 2)};
  f.must_accept("ask", {.idempotent = true});
  f.must_accept("again");
  f.box.lend(1);
  // What an attempt has of it stays.
  f.must_accept("more");
  CHECK(f.told.take() == expected{{2, 2, outcome::not_sent, error_code::queue_overflow}});
  f.box.early_lost();
  f.must_accept("and more");
  CHECK(f.told.take() == expected{{1, 1, outcome::maybe_sent, error_code::queue_overflow}});
  CHECK(f.losses.all() == lost_by{{error_code::queue_overflow, {.not_sent = {1, 5}, .maybe_sent = {1, 3}}}});
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("by conflate a newer message takes the place of the one with its key", "[outbox][D1][D2][D5][D6]") {
  outbox_fixture f{framing_mode::line, limits_with(overflow_policy::conflate, 3)};
  f.must_accept("x=1", about(1));
  f.must_accept("y=1", about(2));
  f.must_accept("z", about(0));
  CHECK(f.must_accept("x=22", about(1)) == 4);
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::superseded}});
  CHECK(f.must_accept("x=333", about(1)) == 5);
  CHECK(f.told.take() == expected{{4, 4, outcome::not_sent, error_code::superseded}});
  CHECK(f.box.pending() == tally{3, 9});
  CHECK(f.box.unwritten_bytes() == 12);
  CHECK(f.losses.all() == lost_by{{error_code::superseded, {.not_sent = {2, 7}}}});
  CHECK(adds_up(f.box.totals()));
  // Another key finds no room.
  CHECK(f.refusal_of("w=1", about(3)) == error_code::would_block);
  f.ready();
  CHECK(f.take_all() == "x=333\ny=1\nz\n");
}

TEST_CASE("by conflate messages without a key take no place", "[outbox][D6]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::conflate)};
  f.must_accept("a");
  f.must_accept("b");
  CHECK(f.told.take().empty());
  f.ready();
  CHECK(f.take_all() == "ab");
}

TEST_CASE("a key means nothing without conflate", "[outbox][D6]") {
  outbox_fixture f;
  f.must_accept("a", about(1));
  f.must_accept("b", about(1));
  CHECK(f.told.take().empty());
  f.ready();
  CHECK(f.take_all() == "ab");
}

TEST_CASE("by conflate nothing takes the place of what has begun to leave", "[outbox][D3][D4][D6]") {
  outbox_fixture f{framing_mode::line, limits_with(overflow_policy::conflate)};
  f.ready();
  f.must_accept("x=1", about(1));
  f.must_accept("y=1", about(2));
  f.take(1);
  f.must_accept("x=2", about(1));
  CHECK(f.told.take().empty());
  f.must_accept("x=3", about(1));
  CHECK(f.told.take() == expected{{3, 3, outcome::not_sent, error_code::superseded}});
  CHECK(f.take_all() == "=1\ny=1\nx=3\n");
}

TEST_CASE("by conflate nothing takes the place of what left early", "[outbox][D4]") {
  outbox_fixture f{framing_mode::line, limits_with(overflow_policy::conflate)};
  auto ask = about(1);
  ask.idempotent = true;
  f.must_accept("x=1", ask);
  f.box.lend(1);
  f.must_accept("x=2", ask);
  f.box.early_lost();
  f.must_accept("x=3", ask);
  CHECK(f.told.take() == expected{{2, 2, outcome::not_sent, error_code::superseded}});
  f.ready();
  CHECK(f.take_all() == "x=1\nx=3\n");
}

TEST_CASE("by conflate a newer message that does not fit leaves the older one where it is", "[outbox][D6]") {
  auto limits = limits_with(overflow_policy::conflate);
  limits.queue_bytes = 10 + waiting_message_cost;
  outbox_fixture f{framing_mode::none, limits};
  f.must_accept("12345", about(1));
  f.must_accept("678", about(2));
  CHECK(f.refusal_of("12345678", about(1)) == error_code::would_block);
  CHECK(f.told.take().empty());
  f.must_accept("1234567", about(1));
  CHECK(f.box.pending() == tally{2, 10});
}

TEST_CASE("by conflate a newer message that is no larger takes its place, also where a loss left more than may wait",
          "[outbox][D1][D5][D6]") {
  auto limits = limits_with(overflow_policy::conflate, 2);
  limits.queue_bytes = 6;
  outbox_fixture f{framing_mode::line, limits};
  f.ready();
  for (std::uint64_t key = 1; key <= 3; ++key)
    f.must_accept(std::to_string(key) + "=1", about(key));
  f.lose();
  f.must_accept("1=2", about(1));
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::superseded}});
  f.must_accept("2=", about(2));
  CHECK(f.told.take() == expected{{2, 2, outcome::not_sent, error_code::superseded}});
  CHECK(f.box.pending() == tally{3, 8});
  // It may be smaller, and not larger.
  CHECK(f.refusal_of("2=3", about(2)) == error_code::would_block);
  CHECK(f.refusal_of("4=1", about(4)) == error_code::would_block);
  // In another place it is no larger either.
  auto urgent = about(3);
  urgent.priority = 3;
  f.must_accept("3=2", urgent);
  CHECK(f.told.take() == expected{{3, 3, outcome::not_sent, error_code::superseded}});
  CHECK(adds_up(f.box.totals()));
  f.ready();
  CHECK(f.take_all() == "3=2\n1=2\n2=\n");
}

TEST_CASE("a message that takes a place has a time of its own", "[outbox][D6]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::conflate)};
  auto brief = about(1);
  brief.ttl = 5ms;
  f.must_accept("x=1", brief);
  f.now += 4ms;
  f.must_accept("x=2", brief);
  f.told.clear();
  CHECK(f.box.expire(f.now + 1ms, f.told) == loss{});
  CHECK(f.box.expire(f.now + 5ms, f.told) == loss{.not_sent = {1, 3}});
  // And what is gone has no place any more.
  f.must_accept("y");
  f.must_accept("x=3", about(1));
  f.ready();
  CHECK(f.take_all() == "yx=3");
}

TEST_CASE("places are found whatever goes before, between and behind them", "[outbox][D5][D6]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::conflate)};
  f.ready();
  // Without a key, then ten keys, of which every other message is brief.
  f.must_accept("-");
  for (std::uint64_t key = 1; key <= 10; ++key) {
    auto options = about(key);
    if (key % 2 == 0)
      options.ttl = 1ms;
    f.must_accept(std::string(1, static_cast<char>('a' + key)), options);
    f.must_accept(".");
  }
  f.take(3);
  f.now += 1ms;
  f.box.expire(f.now, f.told);
  f.told.clear();
  for (std::uint64_t key = 1; key <= 10; ++key)
    f.must_accept(std::string(1, static_cast<char>('A' + key)), about(key));
  CHECK(f.take_all() == ".D..F..H..J..BCEGIK");
}

TEST_CASE("when all has left no place is remembered", "[outbox][F3]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::conflate)};
  f.ready();
  for (std::uint64_t key = 1; key <= 100; ++key)
    f.must_accept("x", about(key));
  f.take_all();
  f.told.clear();
  f.must_accept("y", about(50));
  CHECK(f.told.take().empty());
  CHECK(f.take_all() == "y");
}

TEST_CASE("a sender that is told its message was written takes no place of one that the transport has",
          "[outbox][D3][D4]") {
  outbox_fixture f{framing_mode::none, limits_with(overflow_policy::conflate)};
  f.ready();
  f.must_accept("a", about(1));
  f.must_accept("b", about(2));
  answers nobody;
  const auto resend = [&](ticket&& reply, const settled& told) {
    f.told(std::move(reply), told);
    if (told.sequence != 1)
      return;
    const auto taken = f.box.accept(payload::copy_of("B"), about(2), ticket{9}, f.now, nobody);
    REQUIRE(taken);
    CHECK(taken->dropped == loss{});
  };
  f.box.handed_over(2, resend);
  CHECK(nobody.take().empty());
  CHECK(f.told.take() == expected{{1, 1, outcome::written}, {2, 2, outcome::written}});
  CHECK(f.take_all() == "B");
  CHECK(f.box.totals().not_sent == tally{});
}
