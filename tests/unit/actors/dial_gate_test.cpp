#include "seed.hpp"
#include "supervision/dial_gate.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1h};

pool_limits limits(std::uint32_t connecting, double rate, std::uint32_t burst) {
  pool_limits values;
  values.max_connecting = connecting;
  values.reconnects_per_second = rate;
  values.reconnect_burst = burst;
  return values;
}

bool pass(dial_gate& gate, dial_cause cause, time_point now) {
  const auto entered = gate.try_enter(cause, now);
  if (entered)
    gate.leave();
  return entered;
}

} // namespace

TEST_CASE("no more than max_connecting attempts are in flight, whatever their cause", "[B3]") {
  dial_gate gate{limits(3, 50.0, 50)};
  REQUIRE(gate.try_enter(dial_cause::first, start));
  REQUIRE(gate.try_enter(dial_cause::again, start));
  REQUIRE(gate.try_enter(dial_cause::first, start));
  REQUIRE_FALSE(gate.try_enter(dial_cause::first, start + 1h));
  REQUIRE_FALSE(gate.try_enter(dial_cause::again, start + 1h));
  REQUIRE_FALSE(gate.opens_at(dial_cause::first));
  REQUIRE_FALSE(gate.opens_at(dial_cause::again));
  REQUIRE(gate.in_flight() == 3);
  gate.leave();
  REQUIRE(gate.try_enter(dial_cause::again, start + 1h));
}

TEST_CASE("first dials need no token and take none", "[B3]") {
  dial_gate gate{limits(1, 1.0, 2)};
  for (int dials = 0; dials < 1'000; ++dials)
    REQUIRE(pass(gate, dial_cause::first, start));
  REQUIRE(pass(gate, dial_cause::again, start));
  REQUIRE(pass(gate, dial_cause::again, start));
  REQUIRE_FALSE(pass(gate, dial_cause::again, start));
  REQUIRE(pass(gate, dial_cause::first, start));
}

TEST_CASE("a dial that finds no slot takes no token", "[B3]") {
  dial_gate gate{limits(1, 1.0, 1)};
  REQUIRE(gate.try_enter(dial_cause::first, start));
  REQUIRE_FALSE(gate.try_enter(dial_cause::again, start));
  gate.leave();
  REQUIRE(gate.try_enter(dial_cause::again, start));
}

TEST_CASE("the gate opens exactly when it says", "[B3]") {
  for (const auto rate : {0.3, 1.0, 3.0, 7.7, 50.0, 1e6}) {
    dial_gate gate{limits(1, rate, 4)};
    auto now = start;
    for (int dials = 0; dials < 4; ++dials)
      REQUIRE(pass(gate, dial_cause::again, now));
    for (int openings = 0; openings < 100; ++openings) {
      const auto opens_at = gate.opens_at(dial_cause::again);
      REQUIRE(opens_at);
      REQUIRE(*opens_at > now);
      REQUIRE_FALSE(pass(gate, dial_cause::again, *opens_at - duration{1}));
      now = *opens_at;
      do
        REQUIRE(pass(gate, dial_cause::again, now));
      while (gate.opens_at(dial_cause::again) <= now);
    }
  }
}

TEST_CASE("who has used the tokens up waits for those of 100 ms, and gets them together", "[B3]") {
  dial_gate gate{limits(1, 50.0, 50)};
  for (int dials = 0; dials < 49; ++dials)
    REQUIRE(pass(gate, dial_cause::again, start));
  // One is left.
  CHECK(gate.opens_at(dial_cause::again).value() <= start);
  REQUIRE(pass(gate, dial_cause::again, start));
  CHECK(gate.opens_at(dial_cause::again) == start + 100ms);
  CHECK_FALSE(pass(gate, dial_cause::again, start + 70ms));
  CHECK(gate.opens_at(dial_cause::again) == start + 100ms);
  for (int dials = 0; dials < 5; ++dials)
    CHECK(pass(gate, dial_cause::again, start + 100ms));
  CHECK_FALSE(pass(gate, dial_cause::again, start + 100ms));
  CHECK(gate.opens_at(dial_cause::again) == start + 200ms);
}

TEST_CASE("one token is enough where no more come back in 100 ms, or may be there", "[B3]") {
  for (const auto& rare : {limits(1, 9.0, 50), limits(1, 1'000.0, 1)}) {
    dial_gate gate{rare};
    while (pass(gate, dial_cause::again, start))
      ;
    const auto opens_at = gate.opens_at(dial_cause::again).value();
    CHECK(opens_at <= start + 112ms);
    CHECK(pass(gate, dial_cause::again, opens_at));
    CHECK_FALSE(pass(gate, dial_cause::again, opens_at));
  }
}

TEST_CASE("a long rest gives back the burst and no more", "[B3]") {
  dial_gate gate{limits(1, 50.0, 10)};
  for (const auto rest : {1h, 2h, 24'000h}) {
    for (int dials = 0; dials < 10; ++dials)
      REQUIRE(pass(gate, dial_cause::again, start + rest));
    REQUIRE_FALSE(pass(gate, dial_cause::again, start + rest));
  }
}

TEST_CASE("in no window do more dials start than burst + rate * window", "[B3]") {
  const test::test_seed seed;
  auto engine = seed.engine();
  for (int round = 0; round < 60; ++round) {
    const auto rate = std::exponential_distribution{0.02}(engine) + 0.1;
    const auto burst = static_cast<std::uint32_t>(1 + engine() % 60);
    dial_gate gate{limits(1'000'000, rate, burst)};
    // Steps shorter and longer than the time of one token, and none at all.
    std::exponential_distribution pause{rate / 1e9 * (round % 2 == 0 ? 3.0 : 0.5)};
    std::vector<time_point> entered;
    auto now = start;
    while (entered.size() < 400) {
      if (engine() % 3 != 0)
        now += duration{static_cast<duration::rep>(pause(engine))};
      if (engine() % 50 == 0)
        now += 1h;
      if (gate.try_enter(dial_cause::again, now))
        entered.push_back(now);
    }
    for (std::size_t first = 0; first < entered.size(); ++first) {
      for (std::size_t last = first; last < entered.size(); ++last) {
        const auto seconds = std::chrono::duration<double>(entered[last] - entered[first]).count();
        if (static_cast<double>(last - first + 1) > burst + rate * seconds + 1e-6)
          FAIL("rate " << rate << ", burst " << burst << ": " << last - first + 1 << " dials in " << seconds << " s");
      }
    }
  }
}

TEST_CASE("a rate whose interval is no whole number of nanoseconds is not exceeded either", "[B3]") {
  for (const auto rate : {3.0, 6e8, 0.7e9}) {
    dial_gate gate{limits(1, rate, 1)};
    auto now = start;
    for (int dials = 1; dials <= 1'000; ++dials) {
      now = std::max(now, gate.opens_at(dial_cause::again).value());
      REQUIRE(pass(gate, dial_cause::again, now));
      REQUIRE(dials <= 1.0 + rate * std::chrono::duration<double>(now - start).count() + 1e-9);
    }
  }
}

TEST_CASE("waiting for each token in turn uses the whole rate", "[B3]") {
  dial_gate gate{limits(1, 50.0, 50)};
  auto now = start;
  int dials = 0;
  for (; now <= start + 10s; ++dials) {
    now = std::max(now, gate.opens_at(dial_cause::again).value());
    REQUIRE(pass(gate, dial_cause::again, now));
  }
  REQUIRE(dials >= 50 + 495);
}

TEST_CASE("extreme rates and bursts neither overflow nor block for ever", "[B3]") {
  constexpr auto most = std::numeric_limits<std::uint32_t>::max();
  for (const auto rate : {std::numeric_limits<double>::min(), 1e-300, 1e300, std::numeric_limits<double>::max()}) {
    for (const auto burst : {std::uint32_t{1}, most}) {
      dial_gate gate{limits(most, rate, burst)};
      REQUIRE(pass(gate, dial_cause::again, start));
      const auto opens_at = gate.opens_at(dial_cause::again);
      REQUIRE(opens_at);
      REQUIRE(pass(gate, dial_cause::again, std::max(start, *opens_at)));
    }
  }
}
