#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

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
using test::allocated_bytes;
using test::pool_fixture;
using test::without_jitter;

namespace {

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

TEST_CASE("a different endpoint or any different option is a different peer", "[P1][P6]") {
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

TEST_CASE("other endpoints beside the first, or in another order, are a different peer", "[P1][P6]") {
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
