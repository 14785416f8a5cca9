#include "limited_field.hpp"

#include <actorwire/messages/pool_limits.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

TEST_CASE("pool: connections are counted from 1 to 1,000,000") {
  const auto check = [](std::string_view path, std::uint32_t pool_limits::*member) {
    const limited_field count{path, member, 1U, 1'000'000U, "1..1000000"};
    count.check({});
    count.check_refused({}, 0);
  };
  check("pool.max_connections", &pool_limits::max_connections);
  check("pool.max_connecting", &pool_limits::max_connecting);
  check("pool.reconnect_burst", &pool_limits::reconnect_burst);
}

TEST_CASE("pool: reconnects come at 0.001 to 1,000,000 a second") {
  pool_limits limits;
  for (const double rate : {0.001, 1'000'000.0}) {
    limits.reconnects_per_second = rate;
    CHECK(validate(limits));
  }
  const auto refuse = [&](double rate, const std::string& shown) {
    limits.reconnects_per_second = rate;
    check_refused(limits, error_code::invalid_value,
                  "pool.reconnects_per_second = " + shown + ": must be 0.001..1000000");
  };
  refuse(0.0, "0");
  refuse(0.00095, "0.00095");
  refuse(1'000'000.5, "1000000.5");
  refuse(-1.0, "-1");
  refuse(std::numeric_limits<double>::quiet_NaN(), "nan");
  refuse(std::numeric_limits<double>::infinity(), "inf");
}

TEST_CASE("pool: 0 to 1,000 crashes are healed within 1 ms to 24 h") {
  limited_field{"pool.crash_limit", &pool_limits::crash_limit, 0U, 1'000U, "0..1000"}.check({});
  limited_field{"pool.crash_window", &pool_limits::crash_window, milliseconds{1}, day, any_time}.check({});
}

TEST_CASE("pool: a breaker opens after 1 to 1,000,000 failures, or never") {
  limited_field{"pool.breaker_failures", &pool_limits::breaker_failures, 0U, 1'000'000U, "0..1000000"}.check({});
}

TEST_CASE("pool: no more peers are kept free than may be lent") {
  CHECK(validate(pool_limits{.max_leased = 7, .min_idle = 7}));
  check_refused(pool_limits{.max_leased = 7, .min_idle = 8}, error_code::conflicting_values,
                "pool.min_idle = 8: must be at most pool.max_leased = 7");
}

TEST_CASE("pool: 1 to 1,024 peers are lent for the same endpoints and options, and kept for ever or 1 ms to 24 h") {
  limited_field{"pool.max_leased", &pool_limits::max_leased, 1U, 1'024U, "1..1024"}.check({});
  CHECK(validate(pool_limits{.lease_idle_timeout = 0ms}));
  limited_field{"pool.lease_idle_timeout", &pool_limits::lease_idle_timeout, milliseconds{1}, day,
                "0 (for ever) or 1..86400000 ms"}
      .check({});
}
