// What the pool remembers of an endpoint whose peer was closed, so that acquiring it anew is no way around its delays.

#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using test::pool_fixture;
using test::without_jitter;

TEST_CASE("a peer acquired anew waits as long as the one that was closed would have", "[B2][P2]") {
  pool_fixture with;
  const auto policy = without_jitter();
  auto id = with.acquire(1, policy);
  auto order = with.next_dial();
  const auto started = with.now;
  const auto close_and_acquire = [&] {
    REQUIRE(with.peers.remove(id, with.now));
    id = with.acquire(1, policy);
  };
  SECTION("before its attempt has ended") {
    with.now += 10ms;
    close_and_acquire();
    REQUIRE(with.peers.next_timeout() == started + policy.base_delay);
  }
  SECTION("while it waits") {
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
    for (int count = 0; count < 10; ++count) {
      with.now += 7ms;
      close_and_acquire();
      REQUIRE(with.peers.next_timeout() == started + policy.base_delay);
    }
  }
  SECTION("after it gave up") {
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::permanent(), with.now));
    close_and_acquire();
    REQUIRE(with.peers.next_timeout() == started + delay_of(policy, 1));
  }
  SECTION("after its actor crashed too often") {
    for (int crash = 0; crash < 5; ++crash) {
      REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now));
      order = with.next_dial();
    }
    REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now)->state == connection_state::failed);
    close_and_acquire();
    REQUIRE(with.peers.next_timeout() == with.now + policy.base_delay);
  }
  SECTION("soon after an unhealthy connection that had failed before") {
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
    (void)with.make_ready();
    const auto ready = with.now;
    close_and_acquire();
    REQUIRE(with.peers.next_timeout() == ready + delay_of(policy, 1));
  }
  SECTION("unless it is reset") {
    close_and_acquire();
    REQUIRE(with.peers.reset(id, with.now));
    REQUIRE(with.peers.next_timeout() <= with.now);
  }
  REQUIRE(with.state(id) == connection_state::idle);
  REQUIRE(with.peers.status(id, with.now)->attempt == 0);
}

TEST_CASE("an endpoint that is acquired with several options waits as long for each", "[B2][B3]") {
  pool_limits limits;
  limits.reconnect_burst = 1;
  limits.reconnects_per_second = 0.001;
  pool_fixture with{limits};
  const auto policy = without_jitter();
  acquire_options other;
  other.reconnection = policy;
  other.transport.mtu = 1'400;
  const auto old = with.acquire(1, policy);
  const auto order = with.next_dial();
  const auto started = with.now;
  REQUIRE(with.peers.ended(old, order.attempt, pool_fixture::refused(), with.now));
  REQUIRE(with.peers.remove(old, with.now));
  const auto first = with.acquire(1, policy);
  const auto second = with.peers.acquire(pool_fixture::server(1), other, with.now).value().id;
  REQUIRE(first != second);
  REQUIRE_FALSE(with.peers.poll_dial(with.now));
  REQUIRE(with.next_dial().id == first);
  REQUIRE(with.now == started + policy.base_delay);
  // There is but one token.
  REQUIRE_FALSE(with.peers.poll_dial(with.now));
  REQUIRE(with.next_dial().id == second);
  REQUIRE(with.now - started >= 1'000s);
}

TEST_CASE("what is remembered of an endpoint is forgotten for every options alike", "[B4]") {
  pool_limits limits;
  limits.reconnect_burst = 1;
  limits.reconnects_per_second = 0.001;
  pool_fixture with{limits};
  auto policy = without_jitter();
  policy.max_delay = 1h;
  acquire_options other;
  other.reconnection = policy;
  other.transport.mtu = 1'400;
  auto id = with.acquire(1, policy);
  auto order = with.next_dial();
  REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
  REQUIRE(with.peers.remove(id, with.now));
  id = with.acquire(1, policy);
  SECTION("when a connection proved healthy and was lost") {
    order = with.make_ready();
    with.now += policy.reset_after;
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::reset_by_peer(), with.now));
  }
  SECTION("when the actor of a healthy connection crashed") {
    order = with.make_ready();
    with.now += policy.reset_after;
    REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now));
  }
  SECTION("when a healthy connection was closed") {
    (void)with.make_ready();
    with.now += policy.reset_after;
    REQUIRE(with.peers.remove(id, with.now));
  }
  SECTION("when a peer was reset") {
    REQUIRE(with.peers.reset(id, with.now));
    REQUIRE(with.next_dial().id == id);
  }
  // The only token is taken, so it is dialled at once only if it is a first one.
  const auto fresh = with.peers.acquire(pool_fixture::server(1), other, with.now).value().id;
  const auto next = with.peers.poll_dial(with.now);
  REQUIRE(next);
  REQUIRE(next->id == fresh);
}

TEST_CASE("the delays of an endpoint grow on, whoever is its peer, and max_attempts counts for each", "[B4][B5]") {
  pool_fixture with;
  auto policy = without_jitter();
  policy.max_attempts = 3;
  auto started = with.now;
  for (std::uint32_t failures = 0; failures < 12; failures += 3) {
    const auto id = with.acquire(1, policy);
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
      const auto order = with.next_dial();
      if (failures + attempt > 1)
        REQUIRE(with.now - started >= delay_of(policy, failures + attempt - 2));
      started = with.now;
      const auto what = with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now);
      REQUIRE(what->attempt == attempt);
      REQUIRE(what->state == (attempt < 3 ? connection_state::backoff : connection_state::failed));
    }
    REQUIRE(with.peers.remove(id, with.now));
  }
}

TEST_CASE("a peer acquired anew is dialled at once when its connection had worked or its endpoint has rested", "[B4]") {
  pool_limits limits;
  limits.reconnect_burst = 1;
  limits.reconnects_per_second = 0.001;
  pool_fixture with{limits};
  const auto policy = without_jitter();
  auto id = with.acquire(1, policy);
  auto order = with.next_dial();
  SECTION("it had proved healthy: nothing is remembered, and the dial is a first one") {
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
    order = with.make_ready();
    with.now += policy.reset_after;
    REQUIRE(with.peers.remove(id, with.now));
    (void)with.acquire(1, policy);
    REQUIRE(with.peers.poll_dial(with.now));
  }
  SECTION("it had been ready: there is no delay, but each dial takes a token") {
    REQUIRE(with.peers.connected(id, order.attempt, with.now));
    REQUIRE(with.peers.remove(id, with.now));
    id = with.acquire(1, policy);
    order = with.make_ready();
    REQUIRE(order.id == id);
    REQUIRE(with.peers.remove(id, with.now));
    (void)with.acquire(1, policy);
    REQUIRE_FALSE(with.peers.poll_dial(with.now));
  }
  SECTION("it has rested for max_delay after its delay was over") {
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
    REQUIRE(with.peers.remove(id, with.now));
    with.now += policy.base_delay + policy.max_delay;
    (void)with.acquire(1, policy);
    REQUIRE(with.peers.poll_dial(with.now));
  }
}

TEST_CASE("an endpoint whose delays do not grow is remembered for max_delay all the same", "[B4]") {
  pool_limits limits;
  limits.reconnect_burst = 1;
  limits.reconnects_per_second = 0.001;
  pool_fixture with{limits};
  auto policy = without_jitter();
  policy.backoff_factor = 1.0;
  acquire_options other;
  other.reconnection = policy;
  other.transport.mtu = 1'400;
  const auto id = with.acquire(1, policy);
  const auto order = with.next_dial();
  REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
  REQUIRE(with.peers.remove(id, with.now));
  with.now += policy.base_delay + policy.max_delay - duration{1};
  (void)with.acquire(1, policy);
  REQUIRE(with.peers.acquire(pool_fixture::server(1), other, with.now));
  REQUIRE(with.peers.poll_dial(with.now));
  // Both count as redials, and there is but one token.
  REQUIRE_FALSE(with.peers.poll_dial(with.now));
}

TEST_CASE("an attempt that fails while its peer drains is held against the endpoint", "[B2]") {
  pool_fixture with;
  const auto policy = without_jitter();
  const auto old = with.acquire(1, policy);
  const auto order = with.next_dial();
  REQUIRE(with.peers.close(old, close_mode::drain, with.now) == connection_state::draining);
  const auto end = [&](const transport_error& reason) {
    REQUIRE(with.peers.ended(old, order.attempt, reason, with.now)->state == connection_state::closed);
    (void)with.acquire(1, policy);
    return *with.peers.next_timeout() - with.now;
  };
  SECTION("a refusal") {
    REQUIRE(end(pool_fixture::refused()) == delay_of(policy, 1));
  }
  SECTION("but not its own end") {
    REQUIRE(end(make_error(error_code::closed, phase::close, origin::local, "closed")) == policy.base_delay);
  }
}

TEST_CASE("a connection that its server spoils while nobody has it is held against the endpoint as a loss is", "[B4]") {
  pool_fixture with;
  const auto policy = without_jitter();
  for (std::uint32_t round = 0; round < 8; ++round) {
    const auto id = with.acquire(1, policy);
    static_cast<void>(with.make_ready());
    const auto ready = with.now;
    with.peers.note_spoilt(id, with.now);
    // It is not to be told twice, nor of one that closes.
    REQUIRE(with.peers.close(id, close_mode::drain, with.now));
    with.peers.note_spoilt(id, with.now);
    REQUIRE(with.peers.remove(id, with.now));
    const auto next = with.acquire(1, policy);
    REQUIRE(with.peers.next_timeout() == ready + delay_of(policy, round + 1));
    REQUIRE(with.peers.remove(next, with.now));
  }
  // One that has lasted speaks for its endpoint.
  const auto id = with.acquire(1, policy);
  static_cast<void>(with.make_ready());
  with.now += policy.reset_after;
  with.peers.note_spoilt(id, with.now);
  REQUIRE(with.peers.close(id, close_mode::drain, with.now));
  REQUIRE(with.peers.remove(id, with.now));
  with.acquire(1, policy);
  CHECK(with.peers.next_timeout() <= with.now);
  CHECK(with.peers.stats().losses == 0);
}
