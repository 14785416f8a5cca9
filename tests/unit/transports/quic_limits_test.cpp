// What a server lets strangers cost it.

#include "engine/quic/retry_policy.hpp"
#include "engine/quic/token_bucket.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>

namespace actorwire::test {

namespace {

using namespace std::chrono_literals;

constexpr time_point start{1h};

/// How many of so many tries succeed.
int taken(token_bucket& bucket, int tries, time_point now) {
  auto count = 0;
  for (; tries > 0; --tries)
    count += bucket.take(now) ? 1 : 0;
  return count;
}

} // namespace

TEST_CASE("a bucket starts full, and holds no more than a burst however long it rests", "[token_bucket]") {
  token_bucket bucket{10, 3};
  CHECK(taken(bucket, 5, start) == 3);
  CHECK(taken(bucket, 5, start + 1h) == 3);
}

TEST_CASE("tokens come back at the rate, and not a tick before", "[token_bucket]") {
  token_bucket bucket{10, 3};
  CHECK(taken(bucket, 3, start) == 3);
  CHECK_FALSE(bucket.take(start + 100ms - 1ns));
  CHECK(bucket.take(start + 100ms));
  CHECK_FALSE(bucket.take(start + 100ms));
  CHECK(taken(bucket, 5, start + 300ms) == 2);
}

TEST_CASE("trying in vain delays nothing", "[token_bucket]") {
  token_bucket bucket{10, 1};
  auto count = 0;
  for (auto now = start; now < start + 10s; now += 1ms)
    count += taken(bucket, 1, now);
  CHECK(count == 100);
}

TEST_CASE("time that runs backwards brings no tokens", "[token_bucket]") {
  token_bucket bucket{10, 1};
  CHECK(bucket.take(start));
  CHECK_FALSE(bucket.take(start - 1h));
  CHECK(bucket.take(start + 100ms));
}

TEST_CASE("a bucket without a burst gives nothing", "[token_bucket]") {
  token_bucket bucket{1'000, 0};
  CHECK(taken(bucket, 5, start) == 0);
  CHECK(taken(bucket, 5, start + 1h) == 0);
}

TEST_CASE("clients are asked for a Retry from the limit on, until half as many are half-open", "[retry_policy]") {
  retry_policy policy{100};
  CHECK_FALSE(policy.wants_retry(0));
  CHECK_FALSE(policy.wants_retry(99));
  CHECK(policy.wants_retry(100));
  CHECK(policy.wants_retry(51));
  CHECK_FALSE(policy.wants_retry(50));
  CHECK_FALSE(policy.wants_retry(99));
}

TEST_CASE("with a limit of nothing every client is asked for a Retry", "[retry_policy]") {
  retry_policy policy{0};
  CHECK(policy.wants_retry(0));
  CHECK(policy.wants_retry(1));
  CHECK(policy.wants_retry(0));
}

} // namespace actorwire::test
