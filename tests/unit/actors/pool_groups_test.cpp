// Which of several peers of one key an acquire gets.

#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using test::allocated_bytes;
using test::pool_fixture;

namespace {

/// One key with room for several peers.
struct group : pool_fixture {
  explicit group(std::uint32_t max_per_endpoint, const pool_limits& limits = {}) : pool_fixture{limits} {
    options.max_per_endpoint = max_per_endpoint;
  }

  acquired get() { return peers.acquire(server(1), options, now).value(); }

  /// Acquires until the group is full.
  std::vector<connection_id> fill() {
    std::vector<connection_id> all;
    for (std::uint32_t count = 0; count < options.max_per_endpoint; ++count)
      all.push_back(get().id);
    return all;
  }

  std::vector<dial> connect_all() {
    std::vector<dial> orders;
    while (peers.next_timeout())
      orders.push_back(make_ready());
    return orders;
  }

  void load(connection_id id, std::uint64_t bytes) { peers.gauge(id)->show(bytes); }

  acquire_options options;
};

} // namespace

TEST_CASE(
    "acquires make peers until there are max_per_endpoint, each with a dial of its own, and share them from then on",
    "[P1][B3]") {
  group with{3};
  for (connection_id expected = 1; expected <= 3; ++expected) {
    const auto made = with.get();
    CHECK(made.is_new);
    CHECK(made.id == expected);
  }
  for (int more = 0; more < 30; ++more)
    CHECK_FALSE(with.get().is_new);
  CHECK(with.peers.size() == 3);
  CHECK(with.connect_all().size() == 3);
  CHECK_FALSE(with.get().is_new);
  // Another limit is another option, and another group.
  with.options.max_per_endpoint = 2;
  CHECK(with.get().is_new);
  CHECK(with.get().is_new);
  CHECK_FALSE(with.get().is_new);
  CHECK(with.peers.size() == 5);
}

TEST_CASE("peers that have equally much to do are handed out in turn", "[P1]") {
  group with{4};
  const auto all = with.fill();
  with.connect_all();
  for (int round = 0; round < 5; ++round)
    for (const auto id : all)
      CHECK(with.get().id == id);
}

TEST_CASE("an acquire gets the peer that has the fewest bytes to settle", "[P1]") {
  group with{3};
  with.fill();
  with.connect_all();
  with.load(1, 100);
  with.load(2, 99);
  with.load(3, 101);
  for (int more = 0; more < 10; ++more)
    CHECK(with.get().id == 2);
  with.load(2, 1'000);
  CHECK(with.get().id == 1);
  with.load(3, 0);
  CHECK(with.get().id == 3);
}

TEST_CASE("a peer that is away is handed out only while none is ready, and one that gave up only if all have", "[P1]") {
  group with{3};
  with.fill();
  const auto orders = with.connect_all();
  with.load(2, 1'000);
  with.load(3, 2'000);
  REQUIRE(with.peers.ended(1, orders[0].attempt, pool_fixture::reset_by_peer(), with.now));
  CHECK(with.get().id == 2);
  REQUIRE(with.peers.ended(2, orders[1].attempt, pool_fixture::permanent(), with.now));
  REQUIRE(with.state(2) == connection_state::failed);
  CHECK(with.get().id == 3);
  REQUIRE(with.peers.ended(3, orders[2].attempt, pool_fixture::permanent(), with.now));
  CHECK(with.get().id == 1);
  const auto again = with.next_dial();
  REQUIRE(again.id == 1);
  CHECK(with.get().id == 1);
  REQUIRE(with.peers.ended(1, again.attempt, pool_fixture::permanent(), with.now));
  // All have given up; the load decides again.
  CHECK(with.get().id == 1);
}

TEST_CASE("a peer that closes counts no longer, and the one in its place does not get everything", "[P1]") {
  group with{3};
  with.fill();
  with.connect_all();
  for (int more = 0; more < 30; ++more)
    (void)with.get();
  REQUIRE(with.peers.close(2, close_mode::drain, with.now) == connection_state::draining);
  const auto fresh = with.get();
  CHECK(fresh.is_new);
  (void)with.make_ready();
  std::multiset<connection_id> got;
  for (int more = 0; more < 30; ++more)
    got.insert(with.get().id);
  CHECK(got.count(2) == 0);
  for (const auto id : {connection_id{1}, connection_id{3}, fresh.id})
    CHECK(got.count(id) == 10);
  REQUIRE(with.peers.remove(2, with.now));
  CHECK_FALSE(with.get().is_new);
}

TEST_CASE("when the pool is full an acquire shares what its group has, and is refused if that is nothing", "[P1]") {
  pool_limits limits;
  limits.max_connections = 2;
  group with{3, limits};
  (void)with.get();
  (void)with.get();
  const auto third = with.get();
  CHECK_FALSE(third.is_new);
  CHECK(third.id == 1);
  const auto refused = with.peers.acquire(pool_fixture::server(2), with.options, with.now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::pool_exhausted);
}

TEST_CASE("a peer of a group takes no more than 450 bytes of the pool, and its lookup looks at its group alone",
          "[P1]") {
  constexpr std::size_t count = 8'000;
  constexpr std::uint32_t members = 8;
  if (allocated_bytes() == 0)
    SKIP("this allocator keeps no count");
  pool_limits limits;
  limits.max_connections = count;
  limits.max_connecting = count;
  group with{members, limits};
  const auto before = allocated_bytes();
  for (std::size_t peer = 0; peer < count; ++peer)
    (void)with.peers.acquire(pool_fixture::server(static_cast<std::uint16_t>(peer / members)), with.options, with.now);
  for (std::size_t peer = 0; peer < count; ++peer)
    (void)with.make_ready();
  const auto per_peer = (allocated_bytes() - before) / count;
  CAPTURE(per_peer);
  CHECK(with.peers.size() == count);
  CHECK(per_peer <= 450);
  std::set<connection_id> got;
  for (std::uint32_t more = 0; more < members; ++more)
    got.insert(with.peers.acquire(pool_fixture::server(77), with.options, with.now)->id);
  CHECK(got.size() == members);
  CHECK(*got.rbegin() - *got.begin() == members - 1);
}
