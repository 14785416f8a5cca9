#include "pool_world.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using test::pool_world;
using test::pool_world_settings;

namespace {

pool_world_settings random_settings(std::mt19937_64& engine) {
  pool_world_settings settings;
  settings.keys = static_cast<std::uint16_t>(1 + engine() % 30);
  settings.endpoints = engine() % 2 == 0 ? settings.keys : static_cast<std::uint16_t>(1 + engine() % settings.keys);
  settings.limits.breaker_failures = static_cast<std::uint32_t>(engine() % 6);
  settings.limits.max_connections = static_cast<std::uint32_t>(1 + engine() % 40);
  settings.limits.max_connecting = static_cast<std::uint32_t>(1 + engine() % 8);
  settings.limits.reconnect_burst = static_cast<std::uint32_t>(1 + engine() % 20);
  settings.limits.reconnects_per_second = 0.5 + static_cast<double>(engine() % 1'000) / 10.0;
  settings.limits.crash_limit = static_cast<std::uint32_t>(engine() % 6);
  settings.policy.base_delay = std::chrono::milliseconds{1 + engine() % 2'000};
  settings.policy.max_delay = settings.policy.base_delay + std::chrono::milliseconds{engine() % 60'000};
  settings.policy.backoff_factor = 1.0 + static_cast<double>(engine() % 300) / 100.0;
  settings.policy.jitter = static_cast<double>(engine() % 100) / 100.0;
  settings.policy.reset_after = std::chrono::milliseconds{engine() % 20'000};
  settings.policy.max_attempts = engine() % 2 == 0 ? 0 : static_cast<std::uint32_t>(1 + engine() % 10);
  settings.policy.on_permanent = engine() % 2 == 0 ? permanent_error_policy::fail : permanent_error_policy::keep_trying;
  return settings;
}

} // namespace

TEST_CASE("whatever network and users do, every dial, verdict and state is as promised",
          "[B1][B2][B3][B4][B5][B6][B7][B8][S1][S2][S3][P1][P4]") {
  const test::test_seed seed;
  auto engine = seed.engine();
  std::vector<double> spread;
  const auto rounds = test::seed_count(1'000);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    const auto settings = random_settings(engine);
    pool_world around{settings, seed.engine(round + 1)};
    // Most find what they find early; some go on for long.
    around.run(round % 10 == 0 ? 500 : 100);
    around.check_rate();
    spread.insert(spread.end(), around.spread().begin(), around.spread().end());
  }
  // B6: no quarter of the delay gets many more of the losses than another; 6 sigma, and one for small numbers.
  const auto total = static_cast<double>(spread.size());
  for (const auto quarter : {0.0, 0.25, 0.5, 0.75}) {
    const auto count = std::count_if(spread.begin(), spread.end(),
                                     [&](double share) { return share >= quarter && share < quarter + 0.25; });
    REQUIRE(std::abs(static_cast<double>(count) - total / 4) <= 6 * std::sqrt(total * 3 / 16) + 1);
  }
}

TEST_CASE("when the network becomes good, every peer is ready within its longest delay and one attempt", "[B11]") {
  const test::test_seed seed;
  auto engine = seed.engine();
  const auto rounds = test::seed_count(1'000);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const bool has_wide_gate = round % 2 == 0;
    CAPTURE(has_wide_gate, round);
    auto settings = random_settings(engine);
    settings.limits.max_connections = 40;
    settings.limits.crash_limit = 1'000'000;
    settings.policy.max_attempts = 0;
    settings.policy.on_permanent = permanent_error_policy::keep_trying;
    // Users here neither close, nor lower the bound by a reset.
    settings.users_close = false;
    settings.users_reset = false;
    const auto longest = std::chrono::duration_cast<duration>(
        std::max(settings.policy.max_delay, settings.policy.base_delay * 2) * (1.0 + settings.policy.jitter));
    constexpr duration latency = 100ms;
    // Those behind a breaker follow one that has connected.
    auto bound = longest + settings.attempt_timeout + latency * 2;
    if (has_wide_gate) {
      settings.limits.max_connecting = 1'000;
      settings.limits.reconnects_per_second = 1e6;
      settings.limits.reconnect_burst = 1'000;
    } else {
      // Each peer ahead in the queue adds its token and its share of a slot; the slots may all be taken by attempts that
      // run into their timeout.
      const auto tokens = std::chrono::duration<double>(settings.keys / settings.limits.reconnects_per_second);
      // Tokens come back in portions of 100 ms.
      bound += 100ms + settings.attempt_timeout + std::chrono::duration_cast<duration>(tokens)
             + latency * (settings.keys / settings.limits.max_connecting + 1);
    }
    pool_world around{settings, seed.engine(round + 1)};
    // Most find what they find early; some go on for long, with either gate.
    around.run(round % 10 < 2 ? 250 : 100);
    around.heal(latency);
    around.run_until(around.now() + bound);
    REQUIRE(around.count_not_ready() == 0);
    around.check_rate();
  }
}
