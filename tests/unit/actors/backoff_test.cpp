#include "seed.hpp"
#include "supervision/backoff.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1h};

long double in_nanoseconds(duration value) {
  return static_cast<long double>(std::chrono::nanoseconds{value}.count());
}

/// The curve as the documentation has it, in wider numbers and by other means than the code under test.
long double curve(const reconnection_policy& policy, std::uint64_t index) {
  const auto longest =
      std::min(static_cast<long double>(policy.max_delay.count()) * 1e6L, in_nanoseconds(longest_delay));
  const auto base = static_cast<long double>(policy.base_delay.count()) * 1e6L;
  const auto logarithm =
      std::log(base) + static_cast<long double>(index) * std::log(static_cast<long double>(policy.backoff_factor));
  return logarithm >= std::log(longest) ? longest : std::min(longest, std::exp(logarithm));
}

/// An attempt at `now` that fails after `took`; returns the distance to the start of the next.
duration distance_after_failure(backoff& delays, const reconnection_policy& policy, time_point now, duration took,
                                random_source& random) {
  delays.attempt_started(now);
  const auto due = delays.failed(policy, true, now + took, random);
  REQUIRE(due);
  return *due - now;
}

} // namespace

TEST_CASE("a delay stays within the jitter around the curve, for any policy and any attempt", "[B1]") {
  const test::test_seed seed;
  auto engine = seed.engine();
  constexpr auto huge = std::numeric_limits<std::chrono::milliseconds::rep>::max();
  const std::array bases{1ms, 7ms, 1'000ms, 86'400'000ms, std::chrono::milliseconds{huge}};
  const std::array factors{1.0, std::nextafter(1.0, 2.0), 1.6, 2.0, 1e9, 1e308, std::numeric_limits<double>::max()};
  const std::array jitters{0.0, 0.2, 0.5, std::nextafter(1.0, 0.0)};
  std::vector<std::uint64_t> indices{0, 1, 2, 3, 10, 31, 32, 63, 64, 1'000, 1'000'000, (1ULL << 32U) - 1, 1ULL << 32U};
  for (int more = 0; more < 20; ++more)
    indices.push_back(engine() >> (32U + engine() % 32U));
  random_source random{engine()};

  for (const auto base : bases) {
    for (const auto longest : {base, std::chrono::milliseconds{huge}, std::max(base, 30'000ms)}) {
      for (const auto factor : factors) {
        for (const auto index : indices) {
          reconnection_policy policy;
          policy.base_delay = base;
          policy.max_delay = longest;
          policy.backoff_factor = factor;
          const auto delay = delay_of(policy, index);
          const auto expected = curve(policy, index);
          CAPTURE(base.count(), longest.count(), factor, index, delay.count());
          REQUIRE(delay >= 0ns);
          REQUIRE(delay <= longest_delay);
          // The logarithm of the reference loses some of its digits with indices of 2^32.
          REQUIRE(std::abs(in_nanoseconds(delay) - expected) <= expected * 1e-6L + 1.0L);

          for (const auto jitter : jitters) {
            for (const auto chance : {0.0, random.uniform(), 0.5, std::nextafter(1.0, 0.0)}) {
              const auto drawn = jittered(delay, jitter, chance);
              const auto spread = in_nanoseconds(delay) * static_cast<long double>(jitter);
              CAPTURE(jitter, chance, drawn.count());
              REQUIRE(drawn >= 0ns);
              // One tick for the rounding of the spread; it never adds to the upper end.
              REQUIRE(in_nanoseconds(drawn) >= in_nanoseconds(delay) - spread - 1.0L - spread * 1e-15L);
              REQUIRE(in_nanoseconds(drawn) <= in_nanoseconds(delay) + spread + spread * 1e-15L);
              // Must not overflow, which the undefined behaviour sanitizer would tell.
              REQUIRE(start + drawn >= start);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("a policy that should not have passed validation still gives a delay within its maximum", "[B1]") {
  reconnection_policy policy;
  policy.max_delay = 10s;
  SECTION("not a number") {
    policy.backoff_factor = std::nan("");
  }
  SECTION("infinite") {
    policy.backoff_factor = std::numeric_limits<double>::infinity();
  }
  SECTION("zero") {
    policy.base_delay = 0ms;
  }
  SECTION("negative") {
    policy.base_delay = -1ms;
  }
  for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32U}) {
    REQUIRE(delay_of(policy, index) >= 0s);
    REQUIRE(delay_of(policy, index) <= 10s);
  }
  REQUIRE(jittered(10s, std::nan(""), 0.9) == 10s);
}

TEST_CASE("jitter uses its whole range", "[B1]") {
  REQUIRE(jittered(10s, 0.2, 0.0) == 8s);
  REQUIRE(jittered(10s, 0.2, 0.5) == 10s);
  REQUIRE(jittered(10s, 0.2, std::nextafter(1.0, 0.0)) > 11'999ms);
}

TEST_CASE("the delays grow by the factor up to the maximum", "[B1]") {
  reconnection_policy policy;
  policy.backoff_factor = 2.0;
  policy.max_delay = 10s;
  policy.jitter = 0.0;
  backoff delays;
  random_source random{1};
  auto now = start;
  for (const auto expected : {1s, 2s, 4s, 8s, 10s, 10s, 10s}) {
    REQUIRE(distance_after_failure(delays, policy, now, 0s, random) == expected);
    now += 1h;
  }
  REQUIRE(delays.attempts() == 7);
}

TEST_CASE("a delay counts from the start of the attempt", "[B2]") {
  reconnection_policy policy;
  policy.jitter = 0.0;
  backoff delays;
  random_source random{1};
  SECTION("a failure within the delay does not add to it") {
    REQUIRE(distance_after_failure(delays, policy, start, 300ms, random) == 1s);
  }
  SECTION("a failure that took longer is followed by an attempt at once, not in the past") {
    REQUIRE(distance_after_failure(delays, policy, start, 20s, random) == 20s);
  }
}

TEST_CASE("a peer that accepts and closes at once gets the full curve", "[B4]") {
  reconnection_policy policy;
  policy.jitter = 0.0;
  backoff delays;
  random_source random{1};
  auto now = start;
  for (std::uint32_t flap = 0; flap < 20; ++flap) {
    delays.attempt_started(now);
    delays.connected(now + 1ms);
    const auto due = delays.failed(policy, true, now + 2ms, random);
    REQUIRE(due);
    REQUIRE(*due - now == delay_of(policy, flap));
    now = *due;
  }
}

TEST_CASE("the delays start again only after the connection was ready for reset_after", "[B4]") {
  reconnection_policy policy;
  policy.jitter = 0.0;
  backoff delays;
  random_source random{1};
  for (int failure = 0; failure < 5; ++failure)
    (void)distance_after_failure(delays, policy, start, 0s, random);
  const auto ready_since = start + 3s;
  delays.attempt_started(start);
  delays.connected(ready_since);
  SECTION("one tick earlier it is the next failure") {
    const auto lost = ready_since + policy.reset_after - duration{1};
    const auto due = delays.failed(policy, true, lost, random);
    REQUIRE(due);
    REQUIRE(delays.attempts() == 6);
    REQUIRE(*due >= std::max(lost, start + delay_of(policy, 5)));
    REQUIRE(*due <= lost + delay_of(policy, 5));
  }
  SECTION("from then on it is not") {
    REQUIRE(delays.failed(policy, true, ready_since + policy.reset_after, random));
    REQUIRE(delays.attempts() == 0);
    const auto again = start + 1h;
    REQUIRE(distance_after_failure(delays, policy, again, 0s, random) == policy.base_delay);
  }
}

TEST_CASE("an explicit reset makes the next delay the base delay", "[B4]") {
  reconnection_policy policy;
  policy.jitter = 0.0;
  backoff delays;
  random_source random{1};
  for (int failure = 0; failure < 5; ++failure)
    (void)distance_after_failure(delays, policy, start, 0s, random);
  delays.reset();
  REQUIRE(distance_after_failure(delays, policy, start, 0s, random) == policy.base_delay);
}

TEST_CASE("the first reconnect after a healthy time is spread over the base delay, counted from the loss", "[B6]") {
  const reconnection_policy policy;
  random_source random{42};
  std::array<int, 10> tenths{};
  const auto lost = start + 1min;
  for (int peer = 0; peer < 10'000; ++peer) {
    backoff delays;
    delays.attempt_started(start);
    delays.connected(start);
    const auto due = delays.failed(policy, true, lost, random);
    REQUIRE(due);
    REQUIRE(*due >= lost);
    REQUIRE(*due < lost + policy.base_delay);
    ++tenths.at(static_cast<std::size_t>((*due - lost) / (policy.base_delay / 10)));
  }
  for (const auto count : tenths)
    REQUIRE(std::abs(count - 1'000) < 150);
}

TEST_CASE("a crowd that is cut before it proved healthy is spread over its present delay, counted from the loss",
          "[B6]") {
  const reconnection_policy policy;
  random_source random{42};
  for (const std::uint32_t failures : {0U, 3U}) {
    CAPTURE(failures);
    const auto present = delay_of(policy, failures);
    std::array<int, 10> tenths{};
    // Ready for longer than the delay, and shorter than `reset_after`.
    const auto lost = start + 9s;
    for (int peer = 0; peer < 10'000; ++peer) {
      backoff delays;
      for (std::uint32_t failure = 0; failure < failures; ++failure)
        (void)distance_after_failure(delays, policy, start - 1min, 0s, random);
      delays.attempt_started(start);
      delays.connected(start + 1ms);
      const auto due = delays.failed(policy, true, lost, random);
      REQUIRE(due);
      REQUIRE(*due >= lost);
      REQUIRE(*due < lost + present);
      ++tenths.at(static_cast<std::size_t>((*due - lost) / (present / 10)));
    }
    for (const auto count : tenths)
      REQUIRE(std::abs(count - 1'000) < 150);
  }
}

TEST_CASE("a loss neither shortens the delay from the start of the attempt nor waits for longer than one from itself",
          "[B1][B2]") {
  const test::test_seed seed;
  random_source random{seed.engine()()};
  const reconnection_policy policy;
  for (auto lived = 0ms; lived < policy.reset_after; lived += 7ms) {
    CAPTURE(lived.count());
    backoff delays;
    delays.attempt_started(start);
    delays.connected(start);
    const auto lost = start + lived;
    const auto due = delays.failed(policy, true, lost, random);
    REQUIRE(due);
    REQUIRE(*due >= std::max<time_point>(lost, start + 800ms));
    REQUIRE(*due <= std::max<time_point>(lost + policy.base_delay, start + 1'200ms));
  }
}

TEST_CASE("max_attempts is exact and counts the first attempt", "[B5]") {
  for (std::uint32_t limit = 1; limit <= 10; ++limit) {
    reconnection_policy policy;
    policy.max_attempts = limit;
    backoff delays;
    random_source random{1};
    std::uint32_t attempts = 0;
    for (auto now = std::optional{start}; now; ++attempts) {
      delays.attempt_started(*now);
      now = delays.failed(policy, true, *now, random);
    }
    REQUIRE(attempts == limit);
    REQUIRE(delays.attempts() == limit);
  }
}

TEST_CASE("a connection that proved healthy gives all attempts back", "[B5]") {
  reconnection_policy policy;
  policy.max_attempts = 3;
  backoff delays;
  random_source random{1};
  for (int failure = 0; failure < 2; ++failure)
    (void)distance_after_failure(delays, policy, start, 0s, random);
  delays.attempt_started(start);
  delays.connected(start);
  REQUIRE(delays.failed(policy, true, start + 1h, random));
  for (int failure = 0; failure < 2; ++failure)
    (void)distance_after_failure(delays, policy, start + 2h, 0s, random);
  delays.attempt_started(start + 3h);
  REQUIRE_FALSE(delays.failed(policy, true, start + 3h, random));
}

TEST_CASE("without max_attempts a million failures are followed by another attempt", "[B5]") {
  const reconnection_policy policy;
  backoff delays;
  random_source random{1};
  auto now = start;
  for (int failure = 0; failure < 1'000'000; ++failure) {
    delays.attempt_started(now);
    const auto due = delays.failed(policy, true, now, random);
    if (!due || *due - now > policy.max_delay * 1.2)
      FAIL("after failure " << failure);
    now = *due;
  }
  REQUIRE(delays.attempts() == 1'000'000);
}

TEST_CASE("an error that trying again does not cure ends the attempts, or slows them to the maximum", "[B7]") {
  reconnection_policy policy;
  policy.jitter = 0.0;
  backoff delays;
  random_source random{1};
  delays.attempt_started(start);
  SECTION("on_permanent is fail") {
    REQUIRE_FALSE(delays.failed(policy, false, start, random));
  }
  SECTION("on_permanent is keep_trying") {
    policy.on_permanent = permanent_error_policy::keep_trying;
    REQUIRE(delays.failed(policy, false, start + 1s, random) == start + policy.max_delay);
  }
  SECTION("on_permanent is keep_trying and the connection had been healthy") {
    policy.on_permanent = permanent_error_policy::keep_trying;
    delays.connected(start);
    REQUIRE(delays.failed(policy, false, start + 1h, random) == start + 1h + policy.max_delay);
  }
  SECTION("on_permanent is keep_trying and the delays do not grow") {
    policy.on_permanent = permanent_error_policy::keep_trying;
    policy.backoff_factor = 1.0;
    REQUIRE(delays.failed(policy, false, start, random) == start + policy.max_delay);
  }
  SECTION("max_attempts ends them too") {
    policy.on_permanent = permanent_error_policy::keep_trying;
    policy.max_attempts = 1;
    REQUIRE_FALSE(delays.failed(policy, false, start, random));
  }
}

TEST_CASE("an interruption counts no attempt and waits like a failure", "[B7]") {
  reconnection_policy policy;
  policy.jitter = 0.0;
  policy.max_attempts = 4;
  backoff delays;
  random_source random{1};
  for (int failure = 0; failure < 3; ++failure)
    (void)distance_after_failure(delays, policy, start, 0s, random);
  for (int crash = 0; crash < 10; ++crash) {
    delays.attempt_started(start);
    REQUIRE(delays.interrupted(policy, start, random) == start + delay_of(policy, 3));
    REQUIRE(delays.attempts() == 3);
  }
}
