// What attempts, losses and crashes of a peer lead to, and how often they may happen.

#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using test::allocated_bytes;
using test::pool_fixture;
using test::without_jitter;

TEST_CASE("a peer is in the state that what happened to it leads to", "[S1]") {
  pool_fixture with;
  const auto id = with.acquire(1);
  REQUIRE(with.state(id) == connection_state::idle);
  const auto order = with.next_dial();
  REQUIRE(with.state(id) == connection_state::resolving);
  REQUIRE(with.peers.connected(id, order.attempt, with.now));
  REQUIRE(with.state(id) == connection_state::ready);
  REQUIRE(with.peers.stats().ready == 1);
  REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::reset_by_peer(), with.now));
  REQUIRE(with.state(id) == connection_state::backoff);
}

TEST_CASE("failed attempts are counted while the next one is under way, and none while the peer is ready", "[S4]") {
  pool_fixture with;
  const auto id = with.acquire(1);
  for (std::uint32_t failures = 0; failures < 3; ++failures) {
    const auto order = with.next_dial();
    REQUIRE(order.failures == failures);
    REQUIRE(with.peers.status(id, with.now)->attempt == failures);
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now)->attempt == failures + 1);
  }
  const auto order = with.make_ready();
  REQUIRE(with.peers.status(id, with.now)->attempt == 0);
  // It was ready for too short a time to be forgiven.
  REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::reset_by_peer(), with.now)->attempt == 4);
}

TEST_CASE("the generation counts connections that became ready, attempts do not", "[S2]") {
  pool_fixture with;
  const auto id = with.acquire(1);
  std::uint64_t generation = 0;
  attempt_id last = 0;
  for (int round = 0; round < 20; ++round) {
    const auto order = with.next_dial();
    REQUIRE(order.attempt > last);
    last = order.attempt;
    if (round % 3 == 0) {
      REQUIRE(with.peers.connected(id, order.attempt, with.now) == ++generation);
      REQUIRE_FALSE(with.peers.connected(id, order.attempt, with.now));
    }
    REQUIRE(with.peers.status(id, with.now)->info.generation == generation);
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
  }
  REQUIRE(with.peers.stats().connects == generation);
  REQUIRE(with.peers.stats().losses == generation);
  REQUIRE(with.peers.stats().attempts == 20);
}

TEST_CASE("reports about an attempt that is over change nothing", "[S2]") {
  pool_fixture with;
  const auto id = with.acquire(1);
  const auto old = with.next_dial();
  REQUIRE(with.peers.ended(id, old.attempt, pool_fixture::refused(), with.now));
  const auto check = [&] {
    const auto before = with.peers.list(with.now);
    const auto figures = with.peers.stats();
    const auto timeout = with.peers.next_timeout();
    for (const auto stale : {old.attempt, attempt_id{0}, old.attempt + 1'000}) {
      REQUIRE_FALSE(with.peers.connected(id, stale, with.now));
      REQUIRE_FALSE(with.peers.ended(id, stale, pool_fixture::refused(), with.now));
      REQUIRE_FALSE(with.peers.crashed(id, stale, pool_fixture::crash(), with.now));
    }
    REQUIRE(with.peers.list(with.now) == before);
    REQUIRE(with.peers.stats() == figures);
    REQUIRE(with.peers.next_timeout() == timeout);
  };
  check();
  const auto order = with.next_dial();
  check();
  REQUIRE(with.peers.connected(id, order.attempt, with.now));
  check();
}

TEST_CASE("max_attempts leads to failed after exactly that many dials, once", "[B5][S3]") {
  for (const auto limit : {1U, 2U, 7U}) {
    pool_fixture with;
    auto policy = without_jitter();
    policy.max_attempts = limit;
    const auto id = with.acquire(1, policy);
    for (std::uint32_t attempt = 1; attempt <= limit; ++attempt) {
      const auto order = with.next_dial();
      const auto what = with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now);
      REQUIRE(what);
      REQUIRE(what->attempt == attempt);
      REQUIRE(what->state == (attempt < limit ? connection_state::backoff : connection_state::failed));
      REQUIRE(what->reason.code == (attempt < limit ? error_code::refused : error_code::attempts_exhausted));
      REQUIRE(what->reason.where == phase::connect);
      REQUIRE(what->reason.system_code == 111);
    }
    REQUIRE_FALSE(with.peers.next_timeout());
    REQUIRE(with.acquire(1, policy) == id);
    REQUIRE_FALSE(with.peers.poll_dial(with.now + 1h));
    REQUIRE(with.peers.stats().failed == 1);
    REQUIRE(with.peers.status(id, with.now)->last_error.text.find("connection refused") != std::string::npos);

    REQUIRE(with.peers.reset(id, with.now));
    REQUIRE(with.state(id) == connection_state::idle);
    for (std::uint32_t attempt = 1; attempt <= limit; ++attempt) {
      const auto order = with.next_dial();
      REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
    }
    REQUIRE(with.state(id) == connection_state::failed);
  }
}

TEST_CASE("a million failures of one peer take no memory", "[B5]") {
  pool_limits limits;
  limits.reconnects_per_second = 1e6;
  pool_fixture with{limits};
  const auto id = with.acquire(1);
  const auto reason = pool_fixture::refused();
  const auto fail_once = [&] {
    const auto order = with.next_dial();
    if (!with.peers.ended(id, order.attempt, reason, with.now) || with.peers.stats().waiting != 1)
      FAIL("attempt " << order.attempt);
  };
  for (int warm_up = 0; warm_up < 100; ++warm_up)
    fail_once();
  const auto before = allocated_bytes();
  for (int failure = 100; failure < 1'000'000; ++failure)
    fail_once();
  REQUIRE(allocated_bytes() <= before + 1'024);
  REQUIRE(with.peers.stats().attempts == 1'000'000);
  REQUIRE(with.state(id) == connection_state::backoff);
}

TEST_CASE("a peer that accepts and closes at once is dialled along the full curve", "[B4]") {
  pool_fixture with;
  const auto policy = without_jitter();
  const auto id = with.acquire(1, policy);
  auto order = with.make_ready();
  for (std::uint32_t flap = 0; flap < 20; ++flap) {
    const auto started = with.now;
    const auto what = with.peers.ended(id, order.attempt, pool_fixture::reset_by_peer(), with.now);
    REQUIRE(what);
    REQUIRE(what->attempt == flap + 1);
    order = with.make_ready();
    REQUIRE(with.now - started == delay_of(policy, flap));
  }
  with.now += policy.reset_after;
  const auto what = with.peers.ended(id, order.attempt, pool_fixture::reset_by_peer(), with.now);
  REQUIRE(what);
  REQUIRE(what->attempt == 0);
  REQUIRE(what->delay < policy.base_delay);
}

TEST_CASE("a permanent error follows on_permanent", "[B7]") {
  pool_fixture with;
  auto policy = without_jitter();
  SECTION("fail") {
    const auto id = with.acquire(1, policy);
    const auto order = with.next_dial();
    const auto what = with.peers.ended(id, order.attempt, pool_fixture::permanent(), with.now);
    REQUIRE(what);
    REQUIRE(what->state == connection_state::failed);
    REQUIRE(what->reason == pool_fixture::permanent());
    REQUIRE_FALSE(with.peers.next_timeout());
  }
  SECTION("keep_trying") {
    policy.on_permanent = permanent_error_policy::keep_trying;
    const auto id = with.acquire(1, policy);
    for (int failure = 0; failure < 50; ++failure) {
      const auto order = with.next_dial();
      const auto what = with.peers.ended(id, order.attempt, pool_fixture::permanent(), with.now);
      REQUIRE(what);
      REQUIRE(what->state == connection_state::backoff);
      REQUIRE(what->delay == policy.max_delay);
    }
  }
}

TEST_CASE("losses never consume the crash budget, crashes never consume attempts", "[B7]") {
  pool_fixture with;
  auto policy = without_jitter();
  policy.base_delay = 1ms;
  policy.max_delay = 10ms;
  SECTION("losses") {
    const auto id = with.acquire(1, policy);
    for (int loss = 0; loss < 1'000; ++loss) {
      const auto order = with.make_ready();
      REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::reset_by_peer(), with.now)->state
              == connection_state::backoff);
    }
    for (int crash = 0; crash < 5; ++crash) {
      const auto order = with.make_ready();
      REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now)->state
              == connection_state::backoff);
    }
  }
  SECTION("crashes") {
    policy.max_attempts = 2;
    const auto id = with.acquire(1, policy);
    const auto failure = with.next_dial();
    REQUIRE(with.peers.ended(id, failure.attempt, pool_fixture::refused(), with.now)->attempt == 1);
    for (int crash = 0; crash < 1'000; ++crash) {
      with.now += 6s;
      const auto order = with.next_dial();
      const auto what = with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now);
      REQUIRE(what);
      REQUIRE(what->state == connection_state::backoff);
      REQUIRE(what->attempt == 1);
    }
    REQUIRE(with.peers.stats().crashes == 1'000);
    REQUIRE(with.peers.stats().losses == 0);
  }
}

TEST_CASE("a crash is not followed by a dial at once", "[B2][B8]") {
  pool_fixture with;
  const auto id = with.acquire(1, without_jitter());
  SECTION("during the attempt") {
    const auto order = with.next_dial();
    REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now)->delay == 1s);
  }
  SECTION("soon after it became ready") {
    const auto order = with.make_ready();
    REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now)->delay == 1s);
  }
}

TEST_CASE("one crash more than crash_limit within the window leads to failed, once, and touches no sibling", "[B8]") {
  pool_fixture with;
  auto policy = without_jitter();
  policy.base_delay = 1ms;
  policy.max_delay = 1ms;
  auto patient = policy;
  patient.base_delay = patient.max_delay = std::chrono::hours{24};
  // Siblings in every condition: ready, in flight, waiting for a delay, failed.
  const std::array siblings{with.acquire(1, policy), with.acquire(2, policy), with.acquire(3, patient),
                            with.acquire(4, policy)};
  const auto ready = with.next_dial();
  (void)with.next_dial();
  const auto waiting = with.next_dial();
  const auto failed = with.next_dial();
  REQUIRE(with.peers.connected(ready.id, ready.attempt, with.now));
  REQUIRE(with.peers.ended(waiting.id, waiting.attempt, pool_fixture::refused(), with.now));
  REQUIRE(with.peers.ended(failed.id, failed.attempt, pool_fixture::permanent(), with.now));
  const auto id = with.acquire(5, policy);
  auto order = with.make_ready();
  REQUIRE(order.id == id);

  const auto of_siblings = [&] {
    std::vector<connection_status> all;
    for (const auto sibling : siblings)
      all.push_back(*with.peers.status(sibling, time_point{}));
    return all;
  };
  const auto before = of_siblings();
  REQUIRE(before[0].state == connection_state::ready);
  REQUIRE(before[1].state == connection_state::resolving);
  REQUIRE(before[2].state == connection_state::backoff);
  REQUIRE(before[3].state == connection_state::failed);

  const auto first_crash = with.now;
  for (int crash = 0; crash < 5; ++crash) {
    REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now)->state == connection_state::backoff);
    REQUIRE(of_siblings() == before);
    order = with.make_ready();
    REQUIRE(order.id == id);
  }
  SECTION("one tick before the first leaves the window it is too many") {
    with.now = first_crash + 30s - duration{1};
    const auto what = with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now);
    REQUIRE(what);
    REQUIRE(what->state == connection_state::failed);
    REQUIRE(what->reason.code == error_code::crash_limit);
    REQUIRE(what->reason.text.find("crash_limit = 5") != std::string::npos);
    REQUIRE_FALSE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now));
    REQUIRE(of_siblings() == before);
    REQUIRE(with.peers.reset(id, with.now));
    for (int crash = 0; crash < 5; ++crash) {
      order = with.make_ready();
      REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now)->state
              == connection_state::backoff);
    }
  }
  SECTION("when it has left, the crash is healed") {
    with.now = first_crash + 30s;
    REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now)->state == connection_state::backoff);
    REQUIRE(of_siblings() == before);
  }
}

TEST_CASE("every verdict has a reason with a text", "[S3]") {
  pool_fixture with;
  const auto id = with.acquire(1);
  for (int round = 0; round < 6; ++round) {
    const auto order = with.next_dial();
    const auto what = with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now);
    REQUIRE(what);
    REQUIRE(what->reason.code != error_code::none);
    REQUIRE_FALSE(what->reason.text.empty());
    REQUIRE(with.peers.status(id, with.now)->last_error == what->reason);
  }
}
