// What the peers of one endpoint do while its breaker is open.

#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
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

namespace {

/// Many peers of one endpoint, told apart by an option.
struct crowd : pool_fixture {
  explicit crowd(std::uint32_t breaker_failures = 3) : pool_fixture{limits_with(breaker_failures)} {}

  static pool_limits limits_with(std::uint32_t breaker_failures) {
    pool_limits limits;
    limits.breaker_failures = breaker_failures;
    limits.reconnect_burst = 1'000;
    limits.reconnects_per_second = 1'000'000.0;
    return limits;
  }

  connection_id join(std::size_t number, const reconnection_policy& policy = without_jitter()) {
    acquire_options options;
    options.reconnection = policy;
    options.transport.mtu = 1'000 + number;
    return peers.acquire(server(1), options, now).value().id;
  }

  /// Polls until somebody is to be dialled: what is due may only be sent to the end of the line.
  dial await_dial() {
    while (const auto next = peers.next_timeout()) {
      now = std::max(now, *next);
      if (auto order = peers.poll_dial(now))
        return *std::move(order);
    }
    throw std::logic_error{"nobody is ever to be dialled"};
  }

  verdict fail(const dial& order, const transport_error& reason = refused()) {
    return peers.ended(order.id, order.attempt, reason, now).value();
  }

  /// Lets as many peers dial and fail as it takes to open the breaker; the last one is due again after 1 s.
  std::vector<connection_id> open(std::size_t count) {
    std::vector<connection_id> all;
    std::vector<dial> orders;
    for (std::size_t number = 0; number < count; ++number) {
      all.push_back(join(number));
      orders.push_back(await_dial());
    }
    for (const auto& order : orders)
      fail(order);
    return all;
  }

  [[nodiscard]] bool is_open() { return peers.breaker(server(1)).has_value(); }

  std::set<connection_id> held_back() {
    std::set<connection_id> all;
    while (const auto held = peers.poll_held_back()) {
      REQUIRE(held->reason.code == error_code::breaker_open);
      all.insert(held->id);
    }
    return all;
  }
};

} // namespace

TEST_CASE("failures of whichever peers in a row open the breaker of their endpoint, one fewer does not", "[P4]") {
  crowd with;
  with.join(1);
  with.join(2);
  const auto first = with.await_dial();
  const auto second = with.await_dial();
  with.fail(first);
  with.fail(second);
  REQUIRE_FALSE(with.is_open());
  SECTION("one more opens it") {
    with.fail(with.await_dial());
    REQUIRE(with.is_open());
    REQUIRE(with.peers.stats().open_breakers == 1);
    REQUIRE(with.peers.stats().breaker_openings == 1);
    const auto change = with.peers.poll_breaker_change();
    REQUIRE(change);
    REQUIRE(change->is_open);
    REQUIRE(change->remote == pool_fixture::server(1));
    REQUIRE(change->cause == pool_fixture::refused());
  }
  SECTION("a success of another peer in between does not let it open") {
    const auto third = with.join(3);
    REQUIRE(with.peers.connected(third, with.await_dial().attempt, with.now));
    with.fail(with.await_dial());
    with.fail(with.await_dial());
    REQUIRE_FALSE(with.is_open());
  }
  SECTION("nor does what this side did, a crash, or what trying again does not cure") {
    auto policy = without_jitter();
    policy.on_permanent = permanent_error_policy::keep_trying;
    for (std::size_t number = 10; number < 20; ++number) {
      const auto id = with.join(number, policy);
      auto order = with.peers.poll_dial(with.now);
      REQUIRE(order);
      REQUIRE(order->id == id);
      if (number % 3 == 0)
        with.fail(*order, make_error(error_code::descriptor_limit, phase::connect, origin::local, "no more"));
      else if (number % 3 == 1)
        with.fail(*order, pool_fixture::permanent());
      else
        REQUIRE(with.peers.crashed(id, order->attempt, pool_fixture::crash(), with.now));
    }
    REQUIRE_FALSE(with.is_open());
  }
  SECTION("nor failures of another endpoint") {
    const auto stranger = with.acquire(7);
    const auto order = with.peers.poll_dial(with.now);
    REQUIRE(order);
    REQUIRE(order->id == stranger);
    with.fail(*order);
    REQUIRE_FALSE(with.is_open());
  }
}

TEST_CASE("a breaker that is turned off never opens", "[P4]") {
  crowd with{0};
  (void)with.open(16);
  REQUIRE_FALSE(with.is_open());
  REQUIRE(with.peers.stats().open_breakers == 0);
  with.now += 1min;
  for (int count = 0; count < 16; ++count)
    REQUIRE(with.peers.poll_dial(with.now));
}

TEST_CASE("while a breaker is open one peer at a time dials, the one that has been due the longest", "[P4]") {
  crowd with;
  const auto known = with.open(3);
  const auto opened = with.now;
  // Newcomers are due at once, in this order.
  std::vector<connection_id> waiting;
  for (std::size_t number = 10; number < 15; ++number)
    waiting.push_back(with.join(number));
  REQUIRE_FALSE(with.peers.poll_dial(with.now));
  REQUIRE(with.peers.stats().waiting == known.size() + waiting.size());
  // No sooner than the last one that failed would have come again.
  auto probe = with.await_dial();
  REQUIRE(with.now == opened + 1s);
  REQUIRE(probe.id == waiting.front());
  for (std::size_t next = 1; next < waiting.size(); ++next) {
    with.now += 10ms;
    REQUIRE_FALSE(with.peers.poll_dial(with.now));
    REQUIRE(with.peers.stats().connecting == 1);
    const auto failed_at = with.now;
    const auto again = with.fail(probe).delay;
    probe = with.await_dial();
    REQUIRE(probe.id == waiting[next]);
    REQUIRE(with.now == failed_at + again);
  }
  // Then those that had failed before, and then it begins anew.
  for (const auto id : known) {
    with.fail(probe);
    probe = with.await_dial();
    REQUIRE(probe.id == id);
  }
  with.fail(probe);
  REQUIRE(with.await_dial().id == waiting.front());
  REQUIRE(with.peers.stats().breaker_openings == 1);
}

TEST_CASE("a probe that connects closes the breaker and lets all others dial, through the gate", "[P4]") {
  crowd with;
  (void)with.open(3);
  for (std::size_t number = 10; number < 40; ++number)
    with.join(number);
  const auto probe = with.await_dial();
  REQUIRE(with.peers.connected(probe.id, probe.attempt, with.now));
  REQUIRE_FALSE(with.is_open());
  REQUIRE(with.peers.poll_breaker_change()->is_open);
  REQUIRE_FALSE(with.peers.poll_breaker_change()->is_open);
  std::vector<dial> orders;
  while (const auto order = with.peers.poll_dial(with.now))
    orders.push_back(*order);
  REQUIRE(orders.size() == pool_limits{}.max_connecting);
  REQUIRE(with.held_back().empty());
  for (std::size_t next = 0; next < orders.size(); ++next) {
    REQUIRE(with.peers.connected(orders[next].id, orders[next].attempt, with.now));
    while (const auto order = with.peers.poll_dial(with.now))
      orders.push_back(*order);
  }
  REQUIRE(orders.size() == 29 + 3);
  REQUIRE(with.peers.stats().waiting == 0);
}

TEST_CASE("an attempt that began before the breaker opened closes it when it connects", "[P4]") {
  crowd with;
  const auto slow = with.join(50);
  const auto attempt = with.await_dial().attempt;
  (void)with.open(3);
  with.join(10);
  REQUIRE_FALSE(with.peers.poll_dial(with.now));
  REQUIRE(with.peers.connected(slow, attempt, with.now));
  REQUIRE_FALSE(with.is_open());
  REQUIRE(with.await_dial().id != slow);
}

TEST_CASE("a probe that goes away lets the next one go, and nobody waits for ever", "[P4][B11]") {
  crowd with;
  const auto known = with.open(3);
  const auto first = with.join(10);
  const auto second = with.join(11);
  const auto how = GENERATE(0, 1, 2, 3, 4, 5);
  CAPTURE(how);
  // Before its time has come, or while it dials.
  auto attempt = attempt_id{0};
  if (how > 1) {
    const auto probe = with.await_dial();
    REQUIRE(probe.id == first);
    attempt = probe.attempt;
  }
  if (how == 0 || how == 2)
    REQUIRE(with.peers.remove(first, with.now));
  else if (how == 1 || how == 3)
    REQUIRE(with.peers.close(first, close_mode::abort, with.now));
  else if (how == 4)
    REQUIRE(with.peers.crashed(first, attempt, pool_fixture::crash(), with.now));
  else {
    REQUIRE(with.peers.close(first, close_mode::drain, with.now) == connection_state::draining);
    REQUIRE_FALSE(with.peers.poll_dial(with.now + 1h));
    with.fail({first, attempt, {}, {}, 0});
  }
  REQUIRE(with.is_open());
  REQUIRE(with.await_dial().id == second);
  REQUIRE(with.peers.remove(second, with.now));
  std::set<connection_id> left;
  while (left.size() < known.size()) {
    const auto probe = with.await_dial();
    if (probe.id != first)
      left.insert(probe.id);
    with.fail(probe);
  }
}

TEST_CASE("whoever comes to the head because another has to stand in line is held back as well", "[P4]") {
  pool_limits limits;
  limits.breaker_failures = 2;
  limits.reconnect_burst = 1;
  limits.reconnects_per_second = 0.001;
  pool_fixture with{limits};
  std::size_t number = 0;
  const auto join = [&](std::uint16_t port, std::uint32_t max_attempts, std::chrono::milliseconds delay) {
    acquire_options options;
    options.reconnection = without_jitter();
    options.reconnection.max_attempts = max_attempts;
    options.reconnection.base_delay = delay;
    options.transport.mtu = 1'000 + ++number;
    return with.peers.acquire(pool_fixture::server(port), options, with.now).value().id;
  };
  const auto fail = [&](const dial& order) {
    REQUIRE(with.peers.ended(order.id, order.attempt, pool_fixture::refused(), with.now));
  };
  // The only token of the gate goes to an endpoint of its own.
  join(9, 0, 1ms);
  fail(with.next_dial());
  with.next_dial();
  // One endpoint has an open breaker, its next probe may come soon, and nobody stands in line but one that is due later.
  const auto later = join(1, 0, 1'000ms);
  const auto first = with.next_dial();
  join(1, 1, 100ms);
  const auto second = with.next_dial();
  join(2, 1, 10s);
  join(2, 1, 10s);
  const auto third = with.next_dial();
  const auto fourth = with.next_dial();
  fail(first);
  fail(second);
  REQUIRE(with.peers.breaker(pool_fixture::server(1)));
  with.now += 2s;
  // A newcomer is at the head, and behind it one whose breaker opens only then.
  join(1, 0, 1'000ms);
  const auto behind = join(2, 0, 1'000ms);
  fail(third);
  fail(fourth);
  REQUIRE(with.peers.breaker(pool_fixture::server(2)));
  const auto opened = with.now;
  REQUIRE_FALSE(with.peers.poll_dial(with.now));
  const auto after = join(2, 0, 1'000ms);
  const auto probe = with.next_dial();
  REQUIRE(probe.id == behind);
  REQUIRE(with.now > opened);
  REQUIRE(with.peers.crashed(probe.id, probe.attempt, pool_fixture::crash(), with.now));
  REQUIRE(with.next_dial().id == after);
  static_cast<void>(later);
}

TEST_CASE("a parked peer that goes away is missed by nobody", "[P4]") {
  crowd with;
  (void)with.open(3);
  const auto first = with.join(10);
  const auto second = with.join(11);
  const auto third = with.join(12);
  REQUIRE(with.peers.remove(second, with.now));
  const auto probe = with.await_dial();
  REQUIRE(probe.id == first);
  with.fail(probe);
  REQUIRE(with.await_dial().id == third);
}

TEST_CASE("a reset of any peer closes the breaker", "[P4]") {
  crowd with;
  const auto known = with.open(3);
  const auto parked = with.join(10);
  const auto other = with.join(11);
  REQUIRE(with.is_open());
  REQUIRE(with.peers.reset(GENERATE_COPY(known.front(), parked, other), with.now));
  REQUIRE_FALSE(with.is_open());
  std::set<connection_id> dialled;
  while (const auto order = with.peers.poll_dial(with.now))
    dialled.insert(order->id);
  // All but those that wait for a delay of their own.
  REQUIRE(dialled.contains(parked));
  REQUIRE(dialled.contains(other));
}

TEST_CASE("a single peer dials an endpoint with an open breaker no later than without one", "[P4][B2]") {
  crowd with;
  crowd without{0};
  const auto one = with.join(1);
  const auto other = without.join(1);
  for (int attempt = 0; attempt < 30; ++attempt) {
    const auto here = with.await_dial();
    const auto there = without.await_dial();
    REQUIRE(here.id == one);
    REQUIRE(there.id == other);
    REQUIRE(with.now == without.now);
    with.fail(here);
    without.fail(there);
  }
  REQUIRE(with.is_open());
}

TEST_CASE("whoever is held back is named once after each failure, with the breaker and the last cause", "[P4][S3]") {
  crowd with;
  const auto known = with.open(3);
  REQUIRE(with.held_back() == std::set{known.back()});
  const auto newcomer = with.join(10);
  REQUIRE(with.held_back() == std::set{newcomer});
  REQUIRE(with.held_back().empty());
  const auto told = with.peers.breaker(pool_fixture::server(1)).value();
  REQUIRE(told.code == error_code::breaker_open);
  REQUIRE(told.kind == error_kind::connection);
  REQUIRE(told.retryable);
  REQUIRE(told.text
          == "the breaker of tcp://server.example:1 is open after 3 failed attempts in a row, the last one: "
             "connection refused");
}

TEST_CASE("an open breaker is told beside what a peer itself failed of", "[P4][S3]") {
  crowd with;
  const auto known = with.open(3);
  const auto newcomer = with.join(10);
  const auto old = with.peers.status(known.back(), with.now).value();
  CHECK(old.is_held_back);
  CHECK(old.last_error == pool_fixture::refused());
  const auto fresh = with.peers.status(newcomer, with.now).value();
  CHECK(fresh.is_held_back);
  CHECK(fresh.last_error.code == error_code::none);
  const auto probe = with.await_dial();
  CHECK_FALSE(with.peers.status(probe.id, with.now)->is_held_back);
  REQUIRE(with.peers.connected(probe.id, probe.attempt, with.now));
  for (const auto& status : with.peers.list(with.now))
    CHECK_FALSE(status.is_held_back);
}

TEST_CASE("whoever was held back is named once when the breaker has closed", "[P4][S3]") {
  crowd with;
  const auto known = with.open(3);
  const auto newcomer = with.join(10);
  const auto gone = with.join(11);
  REQUIRE_FALSE(with.peers.poll_let_go());
  REQUIRE(with.peers.remove(gone, with.now));
  REQUIRE(with.peers.reset(known.front(), with.now));
  REQUIRE(with.peers.poll_let_go() == known.back());
  REQUIRE(with.peers.poll_let_go() == newcomer);
  REQUIRE_FALSE(with.peers.poll_let_go());
}

TEST_CASE("a peer that connects by another endpoint closes the breaker of that one, and not of its first", "[P4]") {
  crowd with;
  (void)with.open(3);
  const auto other = pool_fixture::server(2);
  // What comes by the alternative, with a record of its own against it.
  const auto lone = with.acquire(2, without_jitter());
  for (int failure = 0; failure < 3;) {
    const auto order = with.await_dial();
    with.fail(order);
    failure += order.id == lone ? 1 : 0;
  }
  REQUIRE(with.peers.breaker(other));
  const auto versatile = with.peers.acquire(pool_fixture::server(1), {}, with.now, {other}).value().id;
  for (;;) {
    const auto order = with.await_dial();
    if (order.id == versatile) {
      REQUIRE(with.peers.connected(versatile, order.attempt, with.now, &other));
      break;
    }
    with.fail(order);
  }
  CHECK(with.is_open());
  CHECK_FALSE(with.peers.breaker(other));
  CHECK(with.state(versatile) == connection_state::ready);
  // Those who wait for the first endpoint go on, one at a time.
  const auto next = with.await_dial();
  CHECK(next.id != versatile);
  REQUIRE(with.peers.connected(next.id, next.attempt, with.now));
  if (next.id != lone)
    CHECK_FALSE(with.is_open());
}

TEST_CASE("a breaker with nobody left is remembered as long as its last peer, and holds back whoever comes", "[P4]") {
  crowd with;
  const auto policy = without_jitter();
  for (const auto id : with.open(3))
    REQUIRE(with.peers.remove(id, with.now));
  REQUIRE(with.is_open());
  SECTION("a newcomer") {
    const auto id = with.join(10);
    REQUIRE(with.held_back() == std::set{id});
    REQUIRE(with.await_dial().id == id);
  }
  SECTION("and is then forgotten") {
    with.now += policy.max_delay + 1min;
    REQUIRE_FALSE(with.peers.poll_dial(with.now));
    REQUIRE(with.peers.stats().open_breakers == 0);
  }
}
