// How a connection that nobody uses ends, and comes back.

#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>

using namespace actorwire;
using namespace std::chrono_literals;
using test::pool_fixture;

namespace {

/// Peers whose connections end when nobody uses them for a minute.
struct sleepers : pool_fixture {
  explicit sleepers(const pool_limits& limits = {}) : pool_fixture{limits} { options.idle_timeout = 1min; }

  /// A peer that is connected.
  dial connect(std::uint16_t port = 1) {
    static_cast<void>(peers.acquire(server(port), options, now).value());
    return make_ready();
  }

  /// One whose connection has ended because nobody used it.
  dial connect_and_rest() {
    auto order = connect();
    REQUIRE(peers.rest(order.id));
    REQUIRE(end(order).value().state == connection_state::idle);
    return order;
  }

  std::optional<verdict> end(const dial& what, const transport_error& why = in_order()) {
    return peers.ended(what.id, what.attempt, why, now);
  }

  static transport_error in_order() {
    return make_error(error_code::closed, phase::close, origin::local, "to be connected anew");
  }

  acquire_options options;
};

} // namespace

TEST_CASE("a peer that rests is idle, and dials when it is wanted and not before", "[P5][B3]") {
  sleepers with;
  const auto order = with.connect_and_rest();
  CHECK(with.state(order.id) == connection_state::idle);
  CHECK_FALSE(with.peers.next_timeout());
  with.now += 24h;
  CHECK_FALSE(with.peers.poll_dial(with.now));
  CHECK(with.peers.stats().losses == 0);
  CHECK(with.peers.stats().connecting == 0);
  REQUIRE(with.peers.wake(order.id, with.now));
  CHECK_FALSE(with.peers.wake(order.id, with.now));
  const auto next = with.peers.poll_dial(with.now);
  REQUIRE(next);
  CHECK(next->id == order.id);
  CHECK(with.peers.connected(next->id, next->attempt, with.now) == 2);
}

TEST_CASE("what wakes a peer costs no token of the gate, however many wake at once", "[B5]") {
  sleepers with{{.max_connecting = 1'000, .reconnects_per_second = 1, .reconnect_burst = 1}};
  for (std::uint16_t port = 1; port <= 100; ++port) {
    const auto order = with.connect(port);
    REQUIRE(with.peers.rest(order.id));
    REQUIRE(with.end(order));
  }
  for (connection_id id = 1; id <= 100; ++id)
    REQUIRE(with.peers.wake(id, with.now));
  int dials = 0;
  while (with.peers.poll_dial(with.now))
    ++dials;
  CHECK(dials == 100);
}

TEST_CASE("a peer that is wanted before its connection has ended dials as soon as it has", "[P5]") {
  sleepers with;
  const auto order = with.connect();
  REQUIRE(with.peers.rest(order.id));
  REQUIRE(with.peers.wake(order.id, with.now));
  CHECK_FALSE(with.peers.poll_dial(with.now));
  CHECK(with.state(order.id) == connection_state::ready);
  REQUIRE(with.end(order));
  const auto next = with.peers.poll_dial(with.now);
  REQUIRE(next);
  CHECK(next->id == order.id);
}

TEST_CASE("a connection that breaks while it rests is no loss, and one that crashes is a crash", "[P5][B11]") {
  sleepers with;
  const auto first = with.connect();
  REQUIRE(with.peers.rest(first.id));
  const auto what = with.end(first, with.reset_by_peer());
  REQUIRE(what);
  CHECK(what->state == connection_state::idle);
  CHECK(what->reason.code == error_code::idle_timeout);
  CHECK(what->reason.text.find("idle_timeout = 60000 ms") != std::string::npos);
  CHECK(with.peers.stats().losses == 0);
  const auto second = with.connect(2);
  REQUIRE(with.peers.rest(second.id));
  const auto crashed = with.peers.crashed(second.id, second.attempt, with.crash(), with.now);
  REQUIRE(crashed);
  CHECK(crashed->state == connection_state::backoff);
  CHECK(with.peers.stats().crashes == 1);
  CHECK(with.peers.next_timeout());
}

TEST_CASE("only a connection rests, and not one that is replaced", "[P5]") {
  sleepers with;
  const auto id = with.peers.acquire(with.server(1), with.options, with.now).value().id;
  CHECK_FALSE(with.peers.rest(id));
  CHECK_FALSE(with.peers.wake(id, with.now));
  const auto order = with.make_ready();
  REQUIRE(with.peers.renew(id, 10s, with.now));
  const auto other = with.next_dial();
  REQUIRE(other.renewal_limit);
  CHECK_FALSE(with.peers.connected(other.id, other.attempt, with.now));
  CHECK_FALSE(with.peers.rest(id));
  CHECK_FALSE(with.end(order));
  // The other is there, and may rest.
  CHECK(with.peers.rest(id));
  CHECK_FALSE(with.peers.renew(id, 10s, with.now));
}

TEST_CASE("an attempt for another connection is given up when the present one rests", "[P5][B4]") {
  sleepers with;
  const auto order = with.connect();
  REQUIRE(with.peers.renew(order.id, 10s, with.now));
  const auto other = with.next_dial();
  CHECK(with.peers.stats().connecting == 1);
  REQUIRE(with.peers.rest(order.id));
  CHECK(with.peers.stats().connecting == 0);
  CHECK_FALSE(with.peers.connected(other.id, other.attempt, with.now));
  CHECK_FALSE(with.peers.ended(other.id, other.attempt, with.in_order(), with.now));
  REQUIRE(with.end(order));
  CHECK(with.state(order.id) == connection_state::idle);
}

TEST_CASE("a peer that rests closes at once, and leaves nothing to the next of its endpoint", "[P2][B10]") {
  sleepers with;
  const auto order = with.connect_and_rest();
  CHECK(with.peers.close(order.id, close_mode::drain, with.now) == connection_state::closed);
  CHECK_FALSE(with.peers.wake(order.id, with.now));
  CHECK(with.peers.remove(order.id, with.now));
  static_cast<void>(with.peers.acquire(with.server(1), with.options, with.now).value());
  CHECK(with.peers.next_timeout() <= with.now);
}

TEST_CASE("a lent peer goes by its lease, whatever idle_timeout says", "[P5]") {
  sleepers with;
  const auto shared = with.peers.acquire(with.server(1), with.options, with.now).value().id;
  const auto lent = with.peers.add(with.server(1), with.options, with.now).value();
  CHECK(with.peers.idle_timeout(shared) == 1min);
  CHECK(with.peers.idle_timeout(lent) == 0ms);
}
