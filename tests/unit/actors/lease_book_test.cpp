// Who is lent a peer, who waits for one, and how leases and waits end.

#include "lease_desk.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using kind = lease_step::kind;

} // namespace

TEST_CASE("whoever checks out gets a peer as soon as one is connected, and nobody else gets it", "[P2]") {
  desk at;
  const auto first = at.ask();
  const auto second = at.ask();
  REQUIRE_FALSE(at.step());
  REQUIRE(at.last_peer == 2);
  const auto one = at.connect(2);
  CHECK(one.waiter == first);
  CHECK_FALSE(at.step());
  const auto other = at.connect(1);
  CHECK(other.waiter == second);
  CHECK(other.lease != one.lease);
  CHECK(at.book.lease_count() == 2);
  CHECK(at.book.granted() == 2);
}

TEST_CASE("a peer that is given back goes to the one who has waited the longest", "[P2][P3]") {
  desk at{1};
  at.ask();
  REQUIRE_FALSE(at.step());
  auto present = at.connect(1);
  std::vector<waiter_id> line;
  for (int count = 0; count < 5; ++count)
    line.push_back(at.ask());
  REQUIRE_FALSE(at.step());
  for (const auto next : line) {
    const auto back = at.give_back(present.lease, true);
    REQUIRE(back);
    CHECK(back->peer == 1);
    CHECK_FALSE(back->leaves);
    const auto granted = at.step();
    REQUIRE(granted);
    REQUIRE(granted->what == kind::grant);
    CHECK(granted->waiter == next);
    CHECK(granted->peer == 1);
    present = *granted;
  }
  CHECK(at.last_peer == 1);
}

TEST_CASE("a peer that was given back is lent to nobody before it says that it can be, and never if it closes",
          "[P2]") {
  desk at{1};
  at.ask();
  REQUIRE_FALSE(at.step());
  const auto held = at.connect(1);
  const auto next = at.ask();
  REQUIRE_FALSE(at.step());
  REQUIRE(at.book.release(held.lease, true, at.now));
  REQUIRE_FALSE(at.step());
  SECTION("it says so") {
    at.book.note_cleared(1, at.now);
    CHECK(at.step()->waiter == next);
  }
  SECTION("it says so after its connection was lost and came back") {
    at.book.note_away(1);
    at.book.note_ready(1, at.now);
    CHECK_FALSE(at.step());
    at.book.note_cleared(1, at.now);
    CHECK(at.step()->waiter == next);
  }
  SECTION("it says so while its connection is lost") {
    at.book.note_away(1);
    at.book.note_cleared(1, at.now);
    CHECK_FALSE(at.step());
    CHECK(at.connect(1).waiter == next);
  }
  SECTION("it closes") {
    at.book.remove(1);
    at.book.note_cleared(1, at.now);
    CHECK_FALSE(at.step());
    CHECK(at.connect(2).waiter == next);
  }
}

TEST_CASE("a lease ends once: given back twice, or after its time, it is not known any more", "[P2]") {
  desk at;
  at.ask();
  REQUIRE_FALSE(at.step());
  const auto mine = at.connect(1);
  CHECK_FALSE(at.give_back(mine.lease + 1, true));
  SECTION("given back") {
    REQUIRE(at.give_back(mine.lease, true));
  }
  SECTION("over") {
    at.now += 5min;
    const auto expired = at.step();
    REQUIRE(expired);
    CHECK(expired->what == kind::expire);
    CHECK(expired->lease == mine.lease);
    CHECK(expired->peer == 1);
  }
  SECTION("gone with its peer") {
    at.book.remove(1);
  }
  SECTION("gone with its owner") {
    CHECK(at.book.bury(1).peers == std::vector<connection_id>{1});
  }
  CHECK_FALSE(at.give_back(mine.lease, true));
  CHECK(at.book.lease_count() == 0);
}

TEST_CASE("a lease ends exactly when its time is over", "[P3]") {
  desk at;
  at.ask(desk::want(1, 30s, 10s));
  REQUIRE_FALSE(at.step());
  at.now += 3s;
  at.connect(1);
  CHECK(at.book.next_timeout() == at.now + 10s);
  at.now += 10s - duration{1};
  CHECK_FALSE(at.step());
  at.now += duration{1};
  CHECK(at.step()->what == kind::expire);
  CHECK_FALSE(at.step());
  at.check_is_empty();
}

TEST_CASE("a wait ends exactly when its time is over, and whoever comes behind moves up", "[P3]") {
  desk at{1};
  at.ask();
  REQUIRE_FALSE(at.step());
  const auto held = at.connect(1);
  const auto hasty = at.ask(desk::want(1, 1s));
  const auto patient = at.ask(desk::want(1, 2s));
  REQUIRE_FALSE(at.step());
  CHECK(at.book.next_timeout() == at.now + 1s);
  at.now += 1s - duration{1};
  CHECK_FALSE(at.step());
  at.now += duration{1};
  const auto refused = at.step();
  REQUIRE(refused);
  CHECK(refused->what == kind::refuse);
  CHECK(refused->waiter == hasty);
  const auto group = at.book.standing_of(hasty);
  CHECK(group.leased == 1);
  CHECK(group.away == 0);
  CHECK(at.book.withdraw(hasty));
  CHECK_FALSE(at.book.withdraw(hasty));
  CHECK_FALSE(at.step());
  REQUIRE(at.give_back(held.lease, true));
  CHECK(at.step()->waiter == patient);
}

TEST_CASE("who wants to wait no time gets what is free, or is refused at once, and a peer is made for the next",
          "[P3]") {
  desk at;
  const auto first = at.ask(desk::want(1, 0ms));
  const auto refused = at.step();
  REQUIRE(refused);
  CHECK(refused->what == kind::refuse);
  CHECK(refused->waiter == first);
  CHECK(at.book.standing_of(first).somebody_away == 1);
  at.book.withdraw(first);
  CHECK_FALSE(at.step());
  at.book.note_ready(1, at.now);
  CHECK_FALSE(at.step());
  const auto second = at.ask(desk::want(1, 0ms));
  const auto granted = at.step();
  REQUIRE(granted);
  CHECK(granted->what == kind::grant);
  CHECK(granted->waiter == second);
}

TEST_CASE("as many peers are made as are wanted, and no more than may be", "[P1]") {
  desk at{3};
  for (int count = 0; count < 10; ++count) {
    at.ask();
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == std::min<std::size_t>(3, static_cast<std::size_t>(count) + 1));
  }
  // Other endpoints, other options, and another order are others.
  at.ask(desk::want(2));
  auto options = desk::want();
  options.options.transport.mtu = 1'400;
  at.ask(options);
  auto alternatives = desk::want();
  alternatives.alternatives = {{protocol::tcp, "server", 9}};
  at.ask(alternatives);
  REQUIRE_FALSE(at.step());
  CHECK(at.last_peer == 6);
  CHECK(at.book.group_count() == 4);
  CHECK(at.book.peer_count() == 6);
}

TEST_CASE("a peer that is not to be used again, or has given up, leaves with its lease", "[P2]") {
  desk at{1};
  at.ask();
  REQUIRE_FALSE(at.step());
  const auto mine = at.connect(1);
  auto reuse = false;
  SECTION("not to be used") {}
  SECTION("given up") {
    const auto left = at.book.give_up(1);
    CHECK_FALSE(left.leaves);
    CHECK(left.hopeless.empty());
    reuse = true;
  }
  const auto next = at.ask();
  CHECK_FALSE(at.step());
  const auto back = at.give_back(mine.lease, reuse);
  REQUIRE(back);
  CHECK(back->leaves);
  CHECK_FALSE(at.book.has(1));
  // It takes its place until it is closed.
  CHECK_FALSE(at.step());
  CHECK(at.last_peer == 1);
  CHECK(at.book.standing_of(next).leaving == 1);
  at.book.remove(1);
  CHECK_FALSE(at.step());
  CHECK(at.connect(2).waiter == next);
}

TEST_CASE("the end of an owner frees its places in all lines and takes back all that it had", "[P2][S5]") {
  desk at{1};
  at.ask(desk::want(1), 7);
  at.ask(desk::want(2), 8);
  REQUIRE_FALSE(at.step());
  at.connect(1);
  at.connect(2);
  const auto waiting = at.ask(desk::want(2), 7);
  const auto next = at.ask(desk::want(1), 8);
  CHECK_FALSE(at.step());
  CHECK(at.book.knows(7));
  const auto left = at.book.bury(7);
  CHECK(left.waiters == std::vector{waiting});
  CHECK(left.peers == std::vector<connection_id>{1});
  CHECK_FALSE(at.book.knows(7));
  CHECK(at.book.poll_former_owner() == owner_id{7});
  CHECK_FALSE(at.book.poll_former_owner());
  CHECK(at.book.bury(7).peers.empty());
  // Its place is taken by a new peer when it is closed.
  CHECK_FALSE(at.step());
  CHECK(at.last_peer == 2);
  at.book.remove(1);
  CHECK_FALSE(at.step());
  CHECK(at.connect(3).waiter == next);
}

TEST_CASE("an owner that has had its last is named once, unless it comes again", "[S5]") {
  desk at;
  const auto first = at.ask();
  at.book.withdraw(first);
  const auto second = at.ask();
  CHECK_FALSE(at.book.poll_former_owner());
  at.book.withdraw(second);
  CHECK(at.book.poll_former_owner() == owner_id{1});
  CHECK_FALSE(at.book.poll_former_owner());
}

TEST_CASE("no more than 1,024 checkouts wait", "[B10]") {
  desk at{1};
  for (std::size_t count = 0; count < lease_book::waiters_max; ++count)
    at.ask(desk::want(static_cast<std::uint16_t>(1 + count % 10)));
  CHECK_FALSE(at.book.ask(desk::want(), 1, at.now));
  CHECK_FALSE(at.step());
  at.connect(1);
  CHECK(at.book.ask(desk::want(), 1, at.now));
  CHECK(at.book.withdraw_all().size() == lease_book::waiters_max);
  CHECK(at.book.waiter_count() == 0);
}

TEST_CASE("groups that nobody needs are forgotten, however many there were", "[B10]") {
  desk at{1};
  at.places = 0;
  for (std::uint16_t port = 1; port <= 5'000; ++port) {
    const auto waiter = at.ask(desk::want(port));
    CHECK_FALSE(at.step());
    CHECK(at.book.withdraw(waiter));
    CHECK_FALSE(at.step());
  }
  while (at.book.poll_former_owner())
    continue;
  at.check_is_empty();
}
