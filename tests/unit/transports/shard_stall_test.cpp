#include "stepped_shard.hpp"

#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/watchdog.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

/// A shard that meets all of its deadlines in time, until a test stops it.
struct watched_shard : stepped_shard {
  watched_shard() : dog(run, [this] { ended_after = time.now() - begun; }) {}

  void watch(duration limit) {
    begun = time.now();
    dog.start(limit);
  }

  time_point begun{};
  std::optional<duration> ended_after;
  watchdog dog;
};

} // namespace

TEST_CASE("a watchdog of a shard that runs goes off in time", "[H1]") {
  watched_shard one;
  one.watch(5s);
  one.advance(5s - 1ns);
  CHECK_FALSE(one.ended_after);
  one.advance(1ns);
  CHECK(one.ended_after == 5s);
  CHECK(one.run.stalled() == 0s);
}

TEST_CASE("what a watchdog had left before its shard was stopped, it has after it", "[H1]") {
  for (const auto stop : {1s, 10s, 3600s}) {
    watched_shard one;
    one.watch(5s);
    timer tick{[] {}};
    // The shard runs once more 3 s after the beginning.
    one.run.arm(tick, 3s);
    one.advance(3s);
    one.stall(2s + stop);
    CHECK_FALSE(one.ended_after);
    one.advance(2s - 1ns);
    CHECK_FALSE(one.ended_after);
    one.advance(1ns);
    CHECK(one.ended_after == 3s + 2s + stop + 2s);
  }
}

TEST_CASE("a deadline that is met a little late is met all the same", "[H1]") {
  watched_shard one;
  one.watch(5s);
  one.stall(5s + shard::stall_threshold);
  CHECK(one.ended_after == 5s + shard::stall_threshold);
  CHECK(one.run.stalled() == 0s);
}

TEST_CASE("a shard that had nothing to do was not stopped, however long that was", "[H1]") {
  watched_shard one;
  one.stall(24h);
  one.run.post([] {});
  one.settle();
  CHECK(one.run.stalled() == 0s);
  one.watch(24h);
  // Woken by something else, long before the deadline.
  one.time.advance(23h);
  one.run.post([] {});
  one.settle();
  one.advance(1h);
  CHECK(one.ended_after == 24h);
}

TEST_CASE("what comes in first after a stop does not make the watchdogs go off behind it", "[H1]") {
  watched_shard one;
  one.watch(5s);
  one.time.advance(60s);
  std::optional<time_point> lived;
  // Sockets are handled in turns before that of the timers.
  one.run.post([&] { lived = one.run.lived(); });
  one.settle();
  CHECK(lived == one.begun);
  CHECK_FALSE(one.ended_after);
  one.advance(5s);
  CHECK(one.ended_after == 65s);
}

TEST_CASE("two stops add up", "[H1]") {
  watched_shard one;
  one.watch(5s);
  one.stall(10s);
  one.advance(shard::stall_threshold);
  one.stall(20s);
  one.advance(5s - shard::stall_threshold);
  CHECK(one.ended_after == 35s);
  CHECK(one.run.stalled() == 30s);
}

TEST_CASE("a shard that is always late puts each deadline off once, and not for ever", "[H1]") {
  for (const auto turn : {200ms, 500ms, 1000ms, 5000ms})
    for (const duration limit : {duration{turn} + 300ms, duration{10s}}) {
      CAPTURE(turn.count(), limit.count());
      watched_shard one;
      one.watch(limit);
      for (int count = 0; count < 1'000 && !one.ended_after; ++count)
        one.stall(turn);
      REQUIRE(one.ended_after);
      CHECK(*one.ended_after <= 2 * limit + 2 * turn);
    }
}

TEST_CASE("a handler that takes long costs others none of their time", "[H1]") {
  watched_shard one;
  one.watch(5s);
  timer slow{[&one] {
    // Within the turn: whoever asks for the time once more gets hardly any.
    const auto before = one.run.read_lived();
    one.time.advance(30s);
    CHECK(one.run.read_lived() - before == shard::stall_threshold);
  }};
  one.run.arm(slow, 1s);
  one.advance(1s);
  one.settle();
  CHECK_FALSE(one.ended_after);
  one.advance(5s);
  // A second passed before the handler, and its threshold within.
  CHECK(one.ended_after == 31s + 4s - shard::stall_threshold);
}

TEST_CASE("time that was lived never goes back, whatever happens", "[H4]") {
  watched_shard one;
  timer tick{[&] {}};
  auto last = one.run.lived();
  for (int round = 0; round < 1'000; ++round) {
    one.run.arm(tick, std::chrono::milliseconds{round % 7 * 40});
    if (round % 3 == 0)
      one.stall(std::chrono::milliseconds{round % 11 * 50});
    else
      one.advance(std::chrono::milliseconds{round % 5 * 30});
    one.run.post([&] {
      CHECK(one.run.lived() >= last);
      last = one.run.read_lived();
    });
    one.settle();
    CHECK(one.run.lived() >= last);
  }
  CHECK(one.run.stalled() > 0s);
}

TEST_CASE("timers keep their times beyond what 32 bits count in milliseconds", "[H4]") {
  constexpr std::chrono::milliseconds wrap{std::int64_t{1} << 31U};
  watched_shard one;
  std::vector<duration> gone_off;
  const auto begun = one.time.now();
  std::vector<std::unique_ptr<timer>> timers;
  for (const duration delay : {duration{wrap} - 1ms, duration{wrap}, duration{wrap} + 1ms, duration{2 * wrap} + 1ms,
                               duration{std::chrono::hours{24 * 365 * 10}}}) {
    timers.push_back(std::make_unique<timer>([&] { gone_off.push_back(one.time.now() - begun); }));
    one.run.arm(*timers.back(), delay);
  }
  one.watch(3 * wrap);
  one.advance(std::chrono::hours{24 * 365 * 11});
  CHECK(gone_off
        == std::vector<duration>{duration{wrap} - 1ms, duration{wrap}, duration{wrap} + 1ms, duration{2 * wrap} + 1ms,
                                 duration{std::chrono::hours{24 * 365 * 10}}});
  CHECK(one.ended_after == duration{3 * wrap});
}

TEST_CASE("a watchdog can be ended by what it does, and cancelled, and set anew", "[H1]") {
  stepped_shard one;
  std::unique_ptr<watchdog> dog;
  int count = 0;
  dog = std::make_unique<watchdog>(one.run, [&] {
    ++count;
    dog = nullptr;
  });
  dog->start(1s);
  dog->start(2s);
  one.advance(1500ms);
  CHECK(count == 0);
  CHECK(dog->is_running());
  one.advance(500ms);
  CHECK(count == 1);
  CHECK_FALSE(dog);
  watchdog other{one.run, [&] { ++count; }};
  other.start(1s);
  other.cancel();
  one.advance(2s);
  CHECK(count == 1);
}
