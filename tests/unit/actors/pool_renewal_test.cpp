// How a connection is replaced by another that is ready before it ends.

#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using test::pool_fixture;
using test::without_jitter;

namespace {

/// Peers whose connections last an hour.
struct mortals : pool_fixture {
  explicit mortals(const pool_limits& limits = {}, std::uint64_t seed = 1) : pool_fixture{limits, seed} {
    options.max_lifetime = 1h;
    options.reconnection = without_jitter();
  }

  connection_id join(std::uint16_t port = 1) { return peers.acquire(server(port), options, now).value().id; }

  /// A peer that is connected.
  dial connect(std::uint16_t port = 1) {
    join(port);
    return make_ready();
  }

  void end(const dial& what, const transport_error& reason = reset_by_peer()) {
    REQUIRE_FALSE(peers.ended(what.id, what.attempt, reason, now));
  }

  void check_is_ready(std::uint64_t generation) {
    const auto all = peers.list(now);
    REQUIRE(all.size() == 1);
    CHECK(all.front().state == connection_state::ready);
    CHECK(all.front().info.generation == generation);
    CHECK(all.front().attempt == 0);
    const auto figures = peers.stats();
    CHECK(figures.ready == 1);
    CHECK(figures.losses == 0);
    CHECK(figures.crashes == 0);
    CHECK(figures.connects == generation);
    CHECK(figures.renewals == generation - 1);
  }

  acquire_options options;
};

} // namespace

TEST_CASE("a connection that has lasted its time stays until another is ready, and is no loss then", "[P5][S2]") {
  mortals with;
  const auto first = with.connect();
  const auto began = with.now;
  CHECK_FALSE(first.renewal_limit);
  const auto second = with.next_dial();
  CHECK(with.now >= began + 54min);
  CHECK(with.now <= began + 66min);
  CHECK(second.id == first.id);
  CHECK(second.attempt > first.attempt);
  CHECK(second.renewal_limit == with.options.transport.operation_timeout);
  CHECK(with.peers.stats().connecting == 1);
  with.check_is_ready(1);
  CHECK_FALSE(with.peers.connected(second.id, second.attempt, with.now));
  CHECK(with.peers.stats().connecting == 0);
  with.check_is_ready(1);
  CHECK_FALSE(with.peers.next_timeout());
  with.now += 5s;
  with.end(first);
  with.check_is_ready(2);
  // What is said of the old one changes nothing any more.
  with.end(first);
  CHECK_FALSE(with.peers.crashed(first.id, first.attempt, pool_fixture::crash(), with.now));
  CHECK_FALSE(with.peers.connected(first.id, first.attempt, with.now));
  with.check_is_ready(2);
  const auto third = with.next_dial();
  CHECK(third.renewal_limit);
  CHECK(with.now > began + 2h - 12min);
}

TEST_CASE("a replacement that fails leaves the connection as it is, and comes again by the delays of its own",
          "[P5][B4][P4]") {
  mortals with;
  const auto first = with.connect();
  auto started = time_point::min();
  for (std::uint32_t failure = 0; failure < 20; ++failure) {
    const auto order = with.next_dial();
    REQUIRE(order.renewal_limit);
    REQUIRE(order.failures == failure);
    if (failure > 0)
      REQUIRE(with.now == started + delay_of(with.options.reconnection, failure - 1));
    started = with.now;
    if (failure % 3 == 0)
      REQUIRE_FALSE(with.peers.crashed(order.id, order.attempt, pool_fixture::crash(), with.now));
    else
      with.end(order, failure % 3 == 1 ? pool_fixture::refused() : pool_fixture::permanent());
    with.check_is_ready(1);
    REQUIRE_FALSE(with.peers.breaker(pool_fixture::server(1)));
  }
  const auto last = with.next_dial();
  REQUIRE_FALSE(with.peers.connected(last.id, last.attempt, with.now));
  with.end(first);
  with.check_is_ready(2);
  // None of it is held against the peer.
  const auto lost = with.peers.ended(last.id, last.attempt, pool_fixture::reset_by_peer(), with.now);
  REQUIRE(lost);
  CHECK(lost->attempt == 0);
  CHECK(lost->delay <= with.options.reconnection.base_delay);
}

TEST_CASE("a limit of attempts does not end the attempts for another connection", "[P5][B5]") {
  mortals with;
  with.options.reconnection.max_attempts = 2;
  const auto first = with.connect();
  for (int failure = 0; failure < 10; ++failure)
    with.end(with.next_dial(), pool_fixture::permanent());
  const auto order = with.next_dial();
  with.peers.connected(order.id, order.attempt, with.now);
  with.end(first);
  with.check_is_ready(2);
}

TEST_CASE("a connection that is lost while another is dialled is a loss, and the other attempt is over", "[P5][B3]") {
  mortals with;
  const auto first = with.connect();
  const auto second = with.next_dial();
  SECTION("while the attempt is in flight") {
    const auto what = with.peers.ended(first.id, first.attempt, pool_fixture::reset_by_peer(), with.now);
    REQUIRE(what);
    CHECK(what->state == connection_state::backoff);
    CHECK(with.peers.stats().connecting == 0);
    CHECK(with.peers.stats().losses == 1);
    CHECK_FALSE(with.peers.connected(second.id, second.attempt, with.now));
    with.end(second);
  }
  SECTION("when the other is lost before it is used, and no more has come") {
    with.peers.connected(second.id, second.attempt, with.now);
    with.end(second);
    with.check_is_ready(1);
    CHECK(with.next_dial().renewal_limit);
    CHECK(with.peers.stats().connecting == 1);
    const auto what = with.peers.ended(first.id, first.attempt, pool_fixture::reset_by_peer(), with.now);
    REQUIRE(what);
    CHECK(what->state == connection_state::backoff);
    CHECK(with.peers.stats().connecting == 0);
    CHECK(with.peers.stats().losses == 1);
  }
  const auto third = with.next_dial();
  CHECK_FALSE(third.renewal_limit);
  REQUIRE(with.peers.connected(third.id, third.attempt, with.now) == 2);
}

TEST_CASE("a replacement that is lost before it is used is an attempt that failed", "[P5][B4]") {
  mortals with;
  const auto first = with.connect();
  auto order = with.next_dial();
  for (std::uint32_t failure = 0; failure < 10; ++failure) {
    REQUIRE(order.failures == failure);
    REQUIRE_FALSE(with.peers.connected(order.id, order.attempt, with.now));
    with.end(order);
    REQUIRE(with.peers.stats().connecting == 0);
    with.check_is_ready(1);
    const auto started = with.now;
    order = with.next_dial();
    REQUIRE(order.renewal_limit);
    REQUIRE(with.now == started + delay_of(with.options.reconnection, failure));
  }
  REQUIRE_FALSE(with.peers.connected(order.id, order.attempt, with.now));
  with.end(first);
  with.check_is_ready(2);
}

TEST_CASE("one that is lost while the peer closes is not replaced", "[P5][B10]") {
  mortals with;
  const auto first = with.connect();
  const auto second = with.next_dial();
  with.peers.connected(second.id, second.attempt, with.now);
  REQUIRE(with.peers.close(first.id, close_mode::drain, with.now) == connection_state::draining);
  with.end(second);
  CHECK_FALSE(with.peers.next_timeout());
  CHECK(with.peers.ended(first.id, first.attempt, pool_fixture::reset_by_peer(), with.now)->state
        == connection_state::closed);
}

TEST_CASE("a peer that has ended does not count a replacement that it has not used", "[P5]") {
  mortals with;
  const auto first = with.connect();
  const auto second = with.next_dial();
  with.peers.connected(second.id, second.attempt, with.now);
  REQUIRE(with.peers.close(first.id, close_mode::drain, with.now) == connection_state::draining);
  with.peers.drop_replacement(first.id);
  CHECK(with.peers.ended(first.id, first.attempt, pool_fixture::reset_by_peer(), with.now)->state
        == connection_state::closed);
  with.end(second);
  CHECK(with.peers.stats().connects == 1);
  CHECK(with.peers.stats().renewals == 0);
  CHECK(with.peers.stats().connecting == 0);
}

TEST_CASE("closing ends the attempt for another connection, and keeps one that is ready already", "[P5][B10][D1]") {
  mortals with;
  const auto first = with.connect();
  const auto second = with.next_dial();
  const auto stands_by = GENERATE(true, false);
  if (stands_by)
    with.peers.connected(second.id, second.attempt, with.now);
  SECTION("in order") {
    REQUIRE(with.peers.close(first.id, close_mode::drain, with.now) == connection_state::draining);
    CHECK(with.peers.stats().connecting == 0);
    if (stands_by) {
      with.end(first);
      CHECK(with.state(first.id) == connection_state::draining);
      CHECK(with.peers.ended(second.id, second.attempt, pool_fixture::reset_by_peer(), with.now)->state
            == connection_state::closed);
    } else {
      CHECK(with.peers.ended(first.id, first.attempt, pool_fixture::reset_by_peer(), with.now)->state
            == connection_state::closed);
    }
  }
  SECTION("at once") {
    REQUIRE(with.peers.close(first.id, close_mode::abort, with.now) == connection_state::closed);
  }
  SECTION("without a word") {
    // It is removed below.
  }
  REQUIRE(with.peers.remove(first.id, with.now));
  CHECK(with.peers.stats().connecting == 0);
  CHECK_FALSE(with.peers.next_timeout());
  CHECK_FALSE(with.peers.poll_dial(with.now + 24h));
}

TEST_CASE("peers without a connection are dialled before those that have one, and renewals go through the gate",
          "[P5][B3]") {
  pool_limits limits;
  limits.max_connecting = 1;
  limits.reconnects_per_second = 1.0;
  limits.reconnect_burst = 1;
  mortals with{limits};
  std::vector<dial> old;
  for (std::uint16_t port = 1; port <= 3; ++port)
    old.push_back(with.connect(port));
  with.now += 2h;
  const auto fresh = with.join(4);
  const auto first = with.next_dial();
  CHECK(first.id == fresh);
  CHECK_FALSE(with.peers.poll_dial(with.now));
  REQUIRE(with.peers.connected(first.id, first.attempt, with.now));
  const auto one = with.next_dial();
  CHECK(one.renewal_limit);
  CHECK_FALSE(with.peers.poll_dial(with.now));
  with.peers.connected(one.id, one.attempt, with.now);
  // It takes its place first.
  CHECK_FALSE(with.peers.poll_dial(with.now));
  with.end(*std::ranges::find(old, one.id, &dial::id));
  const auto started = with.now;
  const auto other = with.next_dial();
  CHECK(other.renewal_limit);
  CHECK(with.now == started + 1s);
}

TEST_CASE("no more connections stand by than may connect at once, and all are renewed in their turn", "[P1][P5]") {
  pool_limits limits;
  limits.max_connecting = 3;
  mortals with{limits};
  constexpr std::uint16_t count = 10;
  std::vector<dial> connections;
  for (std::uint16_t port = 1; port <= count; ++port)
    connections.push_back(with.connect(port));
  for (const auto& each : connections)
    REQUIRE(with.peers.renew(each.id, 1h, with.now));
  std::vector<dial> replacements;
  const auto dial_due = [&] {
    while (const auto order = with.peers.poll_dial(with.now)) {
      REQUIRE(order->renewal_limit);
      REQUIRE_FALSE(with.peers.connected(order->id, order->attempt, with.now));
      replacements.push_back(*order);
    }
  };
  dial_due();
  REQUIRE(replacements.size() == 3);
  CHECK(with.peers.stats().connecting == 0);
  // Only an event can change that.
  CHECK_FALSE(with.peers.next_timeout());
  // A loss finds a place all the same.
  const auto lost =
      with.peers.ended(connections.back().id, connections.back().attempt, pool_fixture::reset_by_peer(), with.now);
  REQUIRE(lost);
  const auto again = with.next_dial();
  CHECK_FALSE(again.renewal_limit);
  REQUIRE(with.peers.connected(again.id, again.attempt, with.now));
  std::size_t replaced = 0;
  while (replaced < replacements.size()) {
    // One comes for each that has taken its place.
    const auto& done = replacements[replaced++];
    const auto old = std::ranges::find(connections, done.id, &dial::id);
    REQUIRE(old != connections.end());
    if (replaced % 2 == 0) {
      // Or whose peer is closed before.
      REQUIRE(with.peers.close(done.id, close_mode::abort, with.now));
    } else {
      with.end(*old);
    }
    dial_due();
    CHECK(replacements.size() == std::min<std::size_t>(replaced + 3, count - 1));
  }
  CHECK(replaced == count - 1);
}

TEST_CASE("while the breaker of its endpoint is open no connection is renewed", "[P5][P4]") {
  pool_limits limits;
  limits.breaker_failures = 1;
  limits.reconnect_burst = 1'000;
  mortals with{limits};
  const auto first = with.connect();
  const auto due = with.peers.next_timeout().value();
  auto other = with.options;
  other.transport.mtu = 1'400;
  const auto sibling = with.peers.acquire(pool_fixture::server(1), other, with.now).value().id;
  // It fails until long after the connection was to be renewed.
  auto attempts = 0;
  dial last;
  for (;;) {
    with.now = with.peers.next_timeout().value();
    const auto order = with.peers.poll_dial(with.now);
    if (!order)
      continue;
    REQUIRE(order->id == sibling);
    last = *order;
    ++attempts;
    if (with.now >= due + 1h)
      break;
    REQUIRE(with.peers.ended(order->id, order->attempt, pool_fixture::refused(), with.now));
  }
  REQUIRE(attempts > 100);
  REQUIRE(with.peers.breaker(pool_fixture::server(1)));
  REQUIRE(with.peers.connected(last.id, last.attempt, with.now));
  const auto healed = with.now;
  dial order;
  do
    order = with.next_dial();
  while (order.id != first.id);
  CHECK(order.renewal_limit);
  CHECK(with.now <= healed + with.options.reconnection.max_delay);
}

TEST_CASE("the breaker of an endpoint by which a peer is not connected does not keep it from being renewed",
          "[P5][P4]") {
  pool_limits limits;
  limits.breaker_failures = 1;
  mortals with{limits};
  const std::vector<endpoint> alternatives{pool_fixture::server(2), pool_fixture::server(3)};
  const auto id = with.peers.acquire(pool_fixture::server(1), with.options, with.now, alternatives).value().id;
  const auto first = with.next_dial();
  REQUIRE(with.peers.connected(id, first.attempt, with.now, &alternatives[1]) == 1);
  const auto due = with.peers.next_timeout().value();
  // One that fails opens the breaker of the first, or of the one that carries the peer.
  const auto port = GENERATE(std::uint16_t{1}, std::uint16_t{3});
  auto other = with.options;
  other.transport.mtu = 1'400;
  with.now = due - 1ms;
  const auto sibling = with.peers.acquire(pool_fixture::server(port), other, with.now).value().id;
  const auto attempt = with.peers.poll_dial(with.now).value();
  REQUIRE(attempt.id == sibling);
  with.now = due;
  REQUIRE(with.peers.ended(sibling, attempt.attempt, pool_fixture::refused(), with.now));
  REQUIRE(with.peers.breaker(pool_fixture::server(port)));
  const auto order = with.peers.poll_dial(with.now);
  REQUIRE(order.has_value() == (port == 1));
  if (order)
    CHECK((order->id == id && order->renewal_limit));
}

TEST_CASE("a renewal that is asked for begins at once, and once more where an attempt had begun", "[P5]") {
  mortals with;
  with.options.max_lifetime = 0ms;
  SECTION("of a connection") {
    const auto first = with.connect();
    CHECK_FALSE(with.peers.next_timeout());
    REQUIRE(with.peers.renew(first.id, 7s, with.now));
    const auto second = with.peers.poll_dial(with.now).value();
    CHECK(second.renewal_limit == 7s);
    SECTION("and again while the attempt is in flight") {
      REQUIRE(with.peers.renew(first.id, 8s, with.now));
      CHECK_FALSE(with.peers.poll_dial(with.now));
      with.peers.connected(second.id, second.attempt, with.now);
      with.end(first);
      with.check_is_ready(2);
      const auto third = with.peers.poll_dial(with.now).value();
      CHECK(third.renewal_limit == 8s);
      with.peers.connected(third.id, third.attempt, with.now);
      with.end(second);
      with.check_is_ready(3);
      CHECK_FALSE(with.peers.next_timeout());
    }
    SECTION("and again while the other stands by") {
      with.peers.connected(second.id, second.attempt, with.now);
      REQUIRE(with.peers.renew(first.id, 8s, with.now));
      with.end(first);
      CHECK(with.peers.poll_dial(with.now).value().renewal_limit == 8s);
    }
    SECTION("and again after the attempt has failed once") {
      REQUIRE(with.peers.renew(first.id, 8s, with.now));
      with.end(second, pool_fixture::refused());
      const auto third = with.next_dial();
      with.peers.connected(third.id, third.attempt, with.now);
      with.end(first);
      with.check_is_ready(2);
      CHECK_FALSE(with.peers.next_timeout());
    }
  }
  SECTION("of what comes of an attempt") {
    const auto id = with.join();
    const auto first = with.next_dial();
    REQUIRE(with.peers.renew(id, 7s, with.now));
    CHECK_FALSE(with.peers.next_timeout());
    SECTION("that succeeds") {
      REQUIRE(with.peers.connected(id, first.attempt, with.now) == 1);
      CHECK(with.peers.poll_dial(with.now).value().renewal_limit == 7s);
    }
    SECTION("that fails, so that the next is a new one anyway") {
      REQUIRE(with.peers.ended(id, first.attempt, pool_fixture::refused(), with.now));
      (void)with.make_ready();
      CHECK_FALSE(with.peers.next_timeout());
    }
  }
  SECTION("of a peer that has nothing to renew") {
    const auto id = with.join();
    CHECK_FALSE(with.peers.renew(id, 7s, with.now));
    CHECK_FALSE(with.peers.renew(4'711, 7s, with.now));
    (void)with.make_ready();
    CHECK_FALSE(with.peers.next_timeout());
  }
}

TEST_CASE("connections that began at one moment are renewed over a fifth of their lifetime", "[P5][B6]") {
  pool_limits limits;
  limits.max_connecting = 1'000;
  mortals with{limits, 20'240'301};
  for (std::uint16_t port = 1; port <= 1'000; ++port)
    (void)with.connect(port);
  const auto began = with.now;
  std::vector<double> shares;
  for (int count = 0; count < 1'000; ++count) {
    const auto order = with.next_dial();
    REQUIRE(order.renewal_limit);
    shares.push_back((std::chrono::duration<double>(with.now - began) / 1h - 0.9) / 0.2);
    with.peers.connected(order.id, order.attempt, with.now);
  }
  for (const auto quarter : {0.0, 0.25, 0.5, 0.75}) {
    const auto count =
        std::ranges::count_if(shares, [&](double share) { return share >= quarter && share < quarter + 0.25; });
    CHECK(count > 180);
    CHECK(count < 330);
  }
}

TEST_CASE("how long a peer has been healthy goes on when its connection is replaced", "[P5][B4]") {
  mortals with;
  with.options.max_lifetime = 1s;
  with.options.reconnection.reset_after = 10s;
  with.join();
  auto order = with.next_dial();
  REQUIRE(with.peers.ended(order.id, order.attempt, pool_fixture::refused(), with.now));
  auto present = with.make_ready();
  const auto ready = with.now;
  while (with.now < ready + 10s) {
    order = with.next_dial();
    with.peers.connected(order.id, order.attempt, with.now);
    with.end(present);
    present = order;
  }
  CHECK(with.peers.ended(present.id, present.attempt, pool_fixture::reset_by_peer(), with.now)->attempt == 0);
}
