#include "limited_field.hpp"

#include <actorwire/messages/reconnection_policy.hpp>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

TEST_CASE("reconnection: any number of attempts may be allowed") {
  for (const auto attempts : {0U, 1U, std::numeric_limits<std::uint32_t>::max()}) {
    reconnection_policy policy;
    policy.max_attempts = attempts;
    CHECK(validate(policy));
  }
}

TEST_CASE("reconnection: delays are 1 ms to 24 h") {
  reconnection_policy policy;
  policy.max_delay = day;
  limited_field{"reconnection.base_delay", &reconnection_policy::base_delay, milliseconds{1}, day, any_time}.check(
      policy);
  policy.base_delay = 1ms;
  limited_field{"reconnection.max_delay", &reconnection_policy::max_delay, milliseconds{1}, day, any_time}.check(
      policy);
}

TEST_CASE("reconnection: the first delay is not longer than the longest") {
  reconnection_policy policy;
  policy.base_delay = policy.max_delay = 1s;
  CHECK(validate(policy));
  policy.base_delay = 1'001ms;
  check_refused(policy, error_code::conflicting_values,
                "reconnection.base_delay = 1001 ms: must be at most reconnection.max_delay = 1000 ms");
}

TEST_CASE("reconnection: delays grow by a factor of 1 to 100") {
  reconnection_policy policy;
  for (const double factor : {1.0, 100.0}) {
    policy.backoff_factor = factor;
    CHECK(validate(policy));
  }
  const auto refuse = [&](double factor, const std::string& shown) {
    policy.backoff_factor = factor;
    check_refused(policy, error_code::invalid_value, "reconnection.backoff_factor = " + shown + ": must be 1..100");
  };
  refuse(0.99, "0.99");
  refuse(100.5, "100.5");
  refuse(0.0, "0");
  refuse(-2.0, "-2");
  refuse(std::nextafter(1.0, 0.0), "0.9999999999999999");
  refuse(std::numeric_limits<double>::quiet_NaN(), "nan");
  refuse(std::numeric_limits<double>::infinity(), "inf");
  refuse(-std::numeric_limits<double>::infinity(), "-inf");
  refuse(std::numeric_limits<double>::lowest(), "-1.7976931348623157e+308");
}

TEST_CASE("reconnection: jitter is a share from 0 to below 1") {
  reconnection_policy policy;
  for (const double jitter : {0.0, 0.5, std::nextafter(1.0, 0.0)}) {
    policy.jitter = jitter;
    CHECK(validate(policy));
  }
  const auto refuse = [&](double jitter, const std::string& shown) {
    policy.jitter = jitter;
    check_refused(policy, error_code::invalid_value,
                  "reconnection.jitter = " + shown + ": must be at least 0 and below 1");
  };
  refuse(1.0, "1");
  refuse(-0.1, "-0.1");
  refuse(std::numeric_limits<double>::quiet_NaN(), "nan");
  refuse(std::numeric_limits<double>::infinity(), "inf");
}

TEST_CASE("reconnection: delays start again after 0 to 24 h") {
  limited_field{"reconnection.reset_after", &reconnection_policy::reset_after, milliseconds{0}, day, "0..86400000 ms"}
      .check({});
}

TEST_CASE("reconnection: the answer to permanent errors is one of the named ones") {
  reconnection_policy policy;
  policy.on_permanent = permanent_error_policy::keep_trying;
  CHECK(validate(policy));
  policy.on_permanent = static_cast<permanent_error_policy>(200);
  check_refused(policy, error_code::invalid_value, "reconnection.on_permanent = 200: must be one of fail, keep_trying");
}
