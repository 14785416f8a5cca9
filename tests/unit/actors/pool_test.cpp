#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using test::pool_fixture;

namespace {

reconnection_policy without_jitter() {
  reconnection_policy policy;
  policy.jitter = 0.0;
  return policy;
}

/// Pearson's statistic against the uniform distribution.
double chi_square(const std::vector<double>& shares, std::size_t bins) {
  std::vector<double> counts(bins);
  for (const auto share : shares) {
    REQUIRE(share >= 0.0);
    REQUIRE(share < 1.0);
    ++counts.at(static_cast<std::size_t>(share * static_cast<double>(bins)));
  }
  const auto expected = static_cast<double>(shares.size()) / static_cast<double>(bins);
  double sum = 0.0;
  for (const auto count : counts)
    sum += (count - expected) * (count - expected) / expected;
  return sum;
}

/// Exceeded by one in a thousand samples of a uniform distribution over 20 bins (19 degrees of freedom).
constexpr double critical_of_20_bins = 43.82;

std::size_t allocated_bytes() {
  return mallinfo2().uordblks;
}

} // namespace

// -- size and identity ------------------------------------------------------------------------------------------------

TEST_CASE("the pool never holds more than max_connections peers, and says which limit it is", "[P1]") {
  pool_limits limits;
  limits.max_connections = 3;
  pool_fixture with{limits};
  for (std::uint16_t port = 1; port <= 3; ++port)
    (void)with.acquire(port);
  const auto refused = with.peers.acquire(pool_fixture::server(4), {}, with.now);
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().code == error_code::pool_exhausted);
  REQUIRE(refused.error().text.find("max_connections = 3") != std::string::npos);
  REQUIRE(with.peers.size() == 3);
  SECTION("a known peer is still found") {
    REQUIRE(with.acquire(2) == 2);
  }
  SECTION("a draining peer takes its place until it is removed") {
    const auto order = with.make_ready();
    REQUIRE(with.peers.close(order.id, close_mode::drain, with.now) == connection_state::draining);
    REQUIRE_FALSE(with.peers.acquire(pool_fixture::server(4), {}, with.now));
    REQUIRE(with.peers.remove(order.id, with.now));
    REQUIRE(with.peers.acquire(pool_fixture::server(4), {}, with.now));
  }
}

TEST_CASE("concurrent acquires of one key share one peer and one dial", "[P1][B3]") {
  pool_fixture with;
  const auto id = with.acquire(1);
  for (int more = 0; more < 100; ++more)
    REQUIRE(with.acquire(1) == id);
  REQUIRE(with.peers.size() == 1);
  const auto order = with.next_dial();
  REQUIRE(order.id == id);
  for (int more = 0; more < 100; ++more) {
    REQUIRE(with.acquire(1) == id);
    REQUIRE_FALSE(with.peers.poll_dial(with.now));
  }
  REQUIRE(with.peers.connected(id, order.attempt, with.now));
  const auto again = with.peers.acquire(pool_fixture::server(1), {}, with.now);
  REQUIRE(again);
  REQUIRE(again->id == id);
  REQUIRE_FALSE(again->is_new);
  REQUIRE_FALSE(with.peers.poll_dial(with.now + 1h));
}

TEST_CASE("a different endpoint or any different option is a different peer", "[P1]") {
  pool_fixture with;
  std::set<connection_id> ids;
  for (const auto proto : {protocol::tcp, protocol::tls, protocol::quic})
    ids.insert(with.peers.acquire({proto, "server.example", 1}, {}, with.now).value().id);
  ids.insert(with.peers.acquire({protocol::tcp, "other.example", 1}, {}, with.now).value().id);
  ids.insert(with.peers.acquire({protocol::tcp, "server.example", 2}, {}, with.now).value().id);
  acquire_options options;
  options.transport.mtu = 1'400;
  ids.insert(with.peers.acquire({protocol::tcp, "server.example", 1}, options, with.now).value().id);
  options.transport.protocol_settings = quic_config{};
  ids.insert(with.peers.acquire({protocol::tcp, "server.example", 1}, options, with.now).value().id);
  options.reconnection.jitter = 0.1;
  ids.insert(with.peers.acquire({protocol::tcp, "server.example", 1}, options, with.now).value().id);
  REQUIRE(ids.size() == 8);
  REQUIRE(with.peers.size() == 8);
}

TEST_CASE("other endpoints beside the first, or in another order, are a different peer", "[P1]") {
  pool_fixture with;
  const endpoint quick{protocol::quic, "server.example", 1};
  const endpoint sure{protocol::tls, "server.example", 1};
  const endpoint plain{protocol::tcp, "server.example", 1};
  std::set<connection_id> ids;
  for (const auto& alternatives : {std::vector<endpoint>{}, {sure}, {plain}, {sure, plain}, {plain, sure}}) {
    const auto made = with.peers.acquire(quick, {}, with.now, alternatives).value();
    REQUIRE(made.is_new);
    ids.insert(made.id);
    REQUIRE_FALSE(with.peers.acquire(quick, {}, with.now, alternatives).value().is_new);
    const auto known = with.peers.alternatives(made.id);
    REQUIRE((known ? *known : std::vector<endpoint>{}) == alternatives);
  }
  ids.insert(with.peers.acquire(sure, {}, with.now, {quick}).value().id);
  REQUIRE(ids.size() == 6);
}

TEST_CASE("peers with equal options share one copy of them", "[P1]") {
  pool_fixture with;
  for (std::uint16_t port = 1; port <= 10; ++port)
    (void)with.acquire(port);
  const auto first = with.next_dial();
  for (int more = 1; more < 10; ++more)
    REQUIRE(with.next_dial().options == first.options);
  REQUIRE(with.peers.options(10) == first.options);
  REQUIRE_FALSE(with.peers.options(11));
}

TEST_CASE("a key whose peer is closing names a new peer", "[P1]") {
  pool_fixture with;
  const auto old = with.acquire(1);
  (void)with.make_ready();
  REQUIRE(with.peers.close(old, close_mode::drain, with.now) == connection_state::draining);
  const auto fresh = with.acquire(1);
  REQUIRE(fresh != old);
  REQUIRE(with.next_dial().id == fresh);
  REQUIRE(with.peers.remove(old, with.now));
  REQUIRE(with.acquire(1) == fresh);
}

TEST_CASE("a key whose peer takes no more messages names a new peer, and the old one dials on", "[P2][B2]") {
  pool_fixture with;
  const auto policy = without_jitter();
  const auto old = with.acquire(1, policy);
  const auto order = with.next_dial();
  const auto started = with.now;
  REQUIRE(with.peers.ended(old, order.attempt, pool_fixture::refused(), with.now));
  REQUIRE(with.peers.retire(old, with.now));
  REQUIRE_FALSE(with.peers.retire(old, with.now));
  REQUIRE(with.state(old) == connection_state::backoff);
  const auto fresh = with.acquire(1, policy);
  REQUIRE(fresh != old);
  // Neither dials sooner than the old one alone would have.
  for (int count = 0; count < 2; ++count) {
    const auto again = with.next_dial();
    REQUIRE(with.now == started + policy.base_delay);
    REQUIRE(with.peers.ended(again.id, again.attempt, pool_fixture::refused(), with.now));
  }
  SECTION("it may be reset") {
    REQUIRE(with.peers.reset(old, with.now));
    REQUIRE(with.next_dial().id == old);
    REQUIRE(with.now == started + policy.base_delay);
  }
  SECTION("what it learns meanwhile is known to whoever comes after both") {
    REQUIRE(with.peers.remove(fresh, with.now));
    auto last = with.now;
    for (int count = 0; count < 5; ++count) {
      const auto again = with.next_dial();
      last = with.now;
      REQUIRE(again.id == old);
      REQUIRE(with.peers.ended(old, again.attempt, pool_fixture::refused(), with.now));
    }
    REQUIRE(with.peers.remove(old, with.now));
    (void)with.acquire(1, policy);
    REQUIRE(with.peers.next_timeout() == last + delay_of(policy, 6));
  }
}

TEST_CASE("a peer that takes no more messages keeps its connection and what it proves", "[B4]") {
  pool_fixture with;
  const auto policy = without_jitter();
  const auto old = with.acquire(1, policy);
  auto order = with.next_dial();
  REQUIRE(with.peers.ended(old, order.attempt, pool_fixture::refused(), with.now));
  order = with.make_ready();
  REQUIRE(with.peers.retire(old, with.now));
  REQUIRE(with.state(old) == connection_state::ready);
  with.now += policy.reset_after;
  REQUIRE(with.peers.ended(old, order.attempt, pool_fixture::reset_by_peer(), with.now)->attempt == 0);
}

TEST_CASE("a removed peer leaves nothing behind", "[P1][B10]") {
  pool_fixture with;
  for (int round = 0; round < 100; ++round) {
    acquire_options options;
    options.transport.mtu = 1'000 + static_cast<std::size_t>(round);
    const auto id = with.peers.acquire(pool_fixture::server(1), options, with.now).value().id;
    const auto order = with.next_dial();
    if (round % 3 == 1)
      (void)with.peers.connected(id, order.attempt, with.now);
    if (round % 3 == 2)
      (void)with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now);
    REQUIRE(with.peers.remove(id, with.now));
    REQUIRE_FALSE(with.peers.remove(id, with.now));
    REQUIRE_FALSE(with.peers.next_timeout());
    const auto figures = with.peers.stats();
    REQUIRE(figures.peers + figures.ready + figures.connecting + figures.waiting + figures.failed == 0);
    REQUIRE(order.options.use_count() == 1);
  }
}

// -- dialling ---------------------------------------------------------------------------------------------------------

TEST_CASE("peers are dialled in the order in which they became due", "[B3]") {
  pool_limits limits;
  limits.max_connecting = 1;
  pool_fixture with{limits};
  for (std::uint16_t port = 1; port <= 20; ++port)
    (void)with.acquire(port);
  for (connection_id expected = 1; expected <= 20; ++expected) {
    const auto order = with.next_dial();
    REQUIRE(order.id == expected);
    REQUIRE_FALSE(with.peers.poll_dial(with.now));
    REQUIRE_FALSE(with.peers.next_timeout());
    REQUIRE(with.peers.connected(order.id, order.attempt, with.now));
  }
}

TEST_CASE("first dials pass redials that wait for a token, and the reverse holds for slots", "[B3]") {
  pool_limits limits;
  limits.reconnects_per_second = 1.0;
  limits.reconnect_burst = 1;
  limits.max_connecting = 1;
  pool_fixture with{limits};
  const auto redialled = with.acquire(1, without_jitter());
  for (int failure = 0; failure < 2; ++failure) {
    const auto order = with.next_dial();
    REQUIRE(with.peers.ended(order.id, order.attempt, pool_fixture::refused(), with.now));
  }
  // The only token went with the second dial; the third is due after it is back. Make it due now.
  REQUIRE(with.peers.reset(redialled, with.now));
  const auto fresh = with.acquire(2);
  const auto passing = with.next_dial();
  REQUIRE(passing.id == fresh);
  with.now += 1s;
  const auto late = with.acquire(3);
  REQUIRE(with.peers.connected(passing.id, passing.attempt, with.now));
  // Token and slot are there: the one that is due longer goes first.
  const auto order = with.next_dial();
  REQUIRE(order.id == redialled);
  REQUIRE(with.peers.connected(order.id, order.attempt, with.now));
  REQUIRE(with.next_dial().id == late);
}

TEST_CASE("redials do not push first dials back", "[B3]") {
  pool_limits limits;
  limits.max_connecting = 1;
  pool_fixture with{limits};
  const auto redialled = with.acquire(1, without_jitter());
  const auto failure = with.next_dial();
  REQUIRE(with.peers.ended(redialled, failure.attempt, pool_fixture::refused(), with.now));
  const auto holder = with.acquire(2);
  const auto holding = with.next_dial();
  REQUIRE(holding.id == holder);
  const auto fresh = with.acquire(3);
  with.now += 1h;
  REQUIRE(with.peers.connected(holder, holding.attempt, with.now));
  const auto order = with.next_dial();
  REQUIRE(order.id == fresh);
  REQUIRE(with.peers.connected(fresh, order.attempt, with.now));
  REQUIRE(with.next_dial().id == redialled);
}

TEST_CASE("peers that are due at the same instant are dialled in the order in which they began to wait", "[B3]") {
  pool_fixture with;
  for (std::uint16_t port = 1; port <= 10; ++port)
    (void)with.acquire(port, without_jitter());
  std::vector<dial> attempts;
  for (int peer = 0; peer < 10; ++peer)
    attempts.push_back(with.next_dial());
  std::reverse(attempts.begin(), attempts.end());
  for (const auto& attempt : attempts)
    REQUIRE(with.peers.ended(attempt.id, attempt.attempt, pool_fixture::refused(), with.now)->delay == 1s);
  for (const auto& attempt : attempts)
    REQUIRE(with.next_dial().id == attempt.id);
}

TEST_CASE("next_timeout names the instant at which a dial is to be had, not one earlier", "[B2]") {
  pool_limits limits;
  limits.reconnects_per_second = 3.0;
  limits.reconnect_burst = 2;
  pool_fixture with{limits};
  for (std::uint16_t port = 1; port <= 10; ++port)
    (void)with.acquire(port);
  for (int dials = 0; dials < 300; ++dials) {
    const auto due = with.peers.next_timeout();
    REQUIRE(due);
    if (*due > with.now) {
      REQUIRE_FALSE(with.peers.poll_dial(*due - duration{1}));
      with.now = *due;
    }
    const auto order = with.peers.poll_dial(with.now);
    REQUIRE(order);
    REQUIRE(with.peers.ended(order->id, order->attempt, pool_fixture::refused(), with.now));
  }
}

TEST_CASE("neither acquire nor a new policy shortens a delay", "[B2]") {
  pool_fixture with;
  const auto id = with.acquire(1, without_jitter());
  const auto started = with.now;
  const auto order = with.next_dial();
  const auto what = with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now + 10ms);
  REQUIRE(what);
  REQUIRE(what->delay == 990ms);
  for (; with.now < started + 1s; with.now += 10ms) {
    REQUIRE(with.acquire(1, without_jitter()) == id);
    reconnection_policy hasty;
    hasty.base_delay = 1ms;
    REQUIRE(with.peers.set_policy(id, hasty));
    REQUIRE_FALSE(with.peers.poll_dial(with.now));
  }
  REQUIRE(with.peers.poll_dial(with.now));
}

TEST_CASE("a new policy takes effect at the next delay", "[B2]") {
  pool_fixture with;
  const auto id = with.acquire(1, without_jitter());
  auto order = with.next_dial();
  auto slow = without_jitter();
  slow.base_delay = 5s;
  REQUIRE(with.peers.set_policy(id, slow));
  REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now)->delay == 5s);
  REQUIRE(with.acquire(1, without_jitter()) == id);
  order = with.next_dial();
  REQUIRE(with.peers.set_policy(id, without_jitter()));
  REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now)->delay == 1'600ms);
  REQUIRE_FALSE(with.peers.set_policy(id + 1, slow));
}

TEST_CASE("a reset lets a waiting peer dial now", "[B2][B4]") {
  pool_fixture with;
  const auto id = with.acquire(1, without_jitter());
  for (int failure = 0; failure < 5; ++failure) {
    const auto order = with.next_dial();
    REQUIRE(with.peers.ended(id, order.attempt, pool_fixture::refused(), with.now));
  }
  REQUIRE_FALSE(with.peers.poll_dial(with.now));
  REQUIRE(with.peers.reset(id, with.now));
  REQUIRE(with.peers.status(id, with.now)->attempt == 0);
  const auto order = with.peers.poll_dial(with.now);
  REQUIRE(order);
  REQUIRE(with.peers.ended(id, order->attempt, pool_fixture::refused(), with.now)->delay == 1s);
}

TEST_CASE("resets in a loop are bounded by the gate like every redial", "[B3]") {
  pool_limits limits;
  limits.reconnect_burst = 5;
  limits.reconnects_per_second = 2.0;
  pool_fixture with{limits};
  const auto id = with.acquire(1);
  int dials = 0;
  for (const auto end = with.now + 10s; with.now < end; with.now += 1ms) {
    (void)with.peers.reset(id, with.now);
    while (const auto order = with.peers.poll_dial(with.now)) {
      ++dials;
      (void)with.peers.ended(id, order->attempt, pool_fixture::refused(), with.now);
      (void)with.peers.reset(id, with.now);
    }
  }
  REQUIRE(dials <= 1 + 5 + 20);
  REQUIRE(dials >= 5 + 19);
}

// -- attempts, losses, crashes ----------------------------------------------------------------------------------------

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

// -- what is remembered of a closed peer --------------------------------------------------------------------------------

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

// -- closing ----------------------------------------------------------------------------------------------------------

TEST_CASE("closing works in every state, and no peer that closes dials again", "[B10][S1]") {
  for (const auto mode : {close_mode::drain, close_mode::flush, close_mode::abort}) {
    for (int stage = 0; stage < 5; ++stage) {
      pool_fixture with;
      const auto id = with.acquire(1);
      attempt_id attempt = 0;
      if (stage >= 1)
        attempt = with.next_dial().attempt;
      if (stage >= 2)
        REQUIRE(with.peers.connected(id, attempt, with.now));
      if (stage == 3)
        REQUIRE(with.peers.ended(id, attempt, pool_fixture::reset_by_peer(), with.now));
      if (stage == 4)
        REQUIRE(with.peers.ended(id, attempt, pool_fixture::permanent(), with.now));
      const auto has_something = mode != close_mode::abort && (stage == 1 || stage == 2);
      CAPTURE(name_of(mode), stage);
      REQUIRE(with.peers.close(id, mode, with.now)
              == (has_something ? connection_state::draining : connection_state::closed));
      REQUIRE_FALSE(with.peers.close(id, close_mode::drain, with.now));
      REQUIRE_FALSE(with.peers.reset(id, with.now));
      REQUIRE_FALSE(with.peers.next_timeout());
      if (has_something) {
        REQUIRE(with.peers.stats().connecting == (stage == 1 ? 1 : 0));
        const auto what = with.peers.ended(id, attempt, pool_fixture::reset_by_peer(), with.now);
        REQUIRE(what);
        REQUIRE(what->state == connection_state::closed);
      }
      REQUIRE(with.peers.stats().connecting == 0);
      REQUIRE_FALSE(with.peers.close(id, close_mode::abort, with.now));
      REQUIRE_FALSE(with.peers.poll_dial(with.now + 1h));
      REQUIRE(with.peers.remove(id, with.now));
    }
  }
}

TEST_CASE("an attempt in flight may still connect while the peer drains", "[S2]") {
  pool_fixture with;
  const auto id = with.acquire(1);
  const auto order = with.next_dial();
  REQUIRE(with.peers.close(id, close_mode::flush, with.now) == connection_state::draining);
  REQUIRE(with.peers.connected(id, order.attempt, with.now) == 1);
  REQUIRE(with.state(id) == connection_state::draining);
  REQUIRE(with.peers.crashed(id, order.attempt, pool_fixture::crash(), with.now)->state == connection_state::closed);
}

// -- many peers -------------------------------------------------------------------------------------------------------

TEST_CASE("a thousand peers that lose one server come back spread out and within the rate", "[B6]") {
  const auto run = [](std::uint64_t seed) {
    pool_limits limits;
    limits.max_connecting = 1'000;
    pool_fixture with{limits, seed};
    for (std::uint16_t port = 1; port <= 1'000; ++port)
      (void)with.acquire(port);
    std::vector<dial> connections;
    for (int peer = 0; peer < 1'000; ++peer)
      connections.push_back(with.make_ready());
    with.now += 1h;
    const auto lost = with.now;
    std::vector<double> spread;
    for (const auto& connection : connections) {
      const auto what = with.peers.ended(connection.id, connection.attempt, pool_fixture::reset_by_peer(), with.now);
      REQUIRE(what);
      spread.push_back(std::chrono::duration<double>(what->delay).count());
    }
    // Every redial finds the server still down; the delays of these failures are spread by the jitter.
    std::vector<double> jitter;
    std::vector<time_point> dialled;
    for (int redial = 0; redial < 1'000; ++redial) {
      const auto order = with.next_dial();
      dialled.push_back(with.now);
      const auto what = with.peers.ended(order.id, order.attempt, pool_fixture::refused(), with.now);
      REQUIRE(what);
      const auto seconds = std::chrono::duration<double>(what->delay).count();
      if (what->attempt == 1)
        jitter.push_back((seconds - 0.8) / 0.4);
    }
    REQUIRE(dialled.front() >= lost);
    for (std::size_t first = 0; first < dialled.size(); ++first) {
      for (std::size_t last = first; last < dialled.size(); ++last) {
        const auto window = std::chrono::duration<double>(dialled[last] - dialled[first]).count();
        if (static_cast<double>(last - first + 1) > 50.0 + 50.0 * window + 1e-6)
          FAIL(last - first + 1 << " dials within " << window << " s");
      }
    }
    REQUIRE(jitter.size() > 500);
    REQUIRE(chi_square(spread, 20) < critical_of_20_bins);
    REQUIRE(chi_square(jitter, 20) < critical_of_20_bins);
    REQUIRE(std::set(spread.begin(), spread.end()).size() == spread.size());
    return spread;
  };
  const auto one = run(20'240'229);
  REQUIRE(run(20'240'229) == one);
  REQUIRE(run(20'240'230) != one);
}

TEST_CASE("a peer takes no more than 400 bytes of the pool", "[P1]") {
  constexpr std::size_t count = 10'000;
  if (allocated_bytes() == 0)
    SKIP("this allocator keeps no count");
  pool_limits limits;
  limits.max_connections = count;
  limits.max_connecting = count;
  pool_fixture with{limits};
  const auto before = allocated_bytes();
  for (std::size_t peer = 0; peer < count; ++peer)
    (void)with.acquire(static_cast<std::uint16_t>(peer));
  for (std::size_t peer = 0; peer < count; ++peer)
    (void)with.make_ready();
  const auto per_peer = (allocated_bytes() - before) / count;
  CAPTURE(per_peer);
  REQUIRE(with.peers.stats().ready == count);
  REQUIRE(per_peer <= 400);
}
