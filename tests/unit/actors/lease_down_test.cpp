// Lent and free peers that are down, and who waits for them.

#include "lease_desk.hpp"

#include <catch2/catch_test_macros.hpp>

#include <optional>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using kind = lease_step::kind;

} // namespace

TEST_CASE("a peer that is lost while it is lent stays with its owner, and is lent again when it is back", "[P2]") {
  desk at{1};
  at.ask();
  REQUIRE_FALSE(at.step());
  const auto mine = at.connect(1);
  at.book.note_away(1);
  const auto next = at.ask();
  CHECK_FALSE(at.step());
  SECTION("given back before") {
    REQUIRE_FALSE(at.give_back(mine.lease, true)->leaves);
    CHECK_FALSE(at.step());
    CHECK(at.connect(1).waiter == next);
  }
  SECTION("given back after") {
    at.book.note_ready(1, at.now);
    CHECK_FALSE(at.step());
    REQUIRE_FALSE(at.give_back(mine.lease, true)->leaves);
    CHECK(at.step()->waiter == next);
  }
  SECTION("revived after it had given up") {
    CHECK_FALSE(at.book.give_up(1).leaves);
    at.book.note_ready(1, at.now);
    REQUIRE_FALSE(at.give_back(mine.lease, true)->leaves);
    CHECK(at.step()->waiter == next);
  }
  CHECK(at.last_peer == 1);
}

TEST_CASE("a free peer that is lost is lent to nobody until it is back", "[P2]") {
  desk at{1};
  at.ask();
  REQUIRE_FALSE(at.step());
  REQUIRE(at.give_back(at.connect(1).lease, true));
  at.book.note_away(1);
  const auto next = at.ask();
  CHECK_FALSE(at.step());
  CHECK(at.connect(1).waiter == next);
}

TEST_CASE("when the last peer of a group gives up, nobody waits for it any longer", "[P3]") {
  desk at{2};
  const auto first = at.ask();
  const auto second = at.ask();
  const auto stranger = at.ask(desk::want(7));
  REQUIRE_FALSE(at.step());
  const auto one = at.book.give_up(1);
  CHECK(one.leaves);
  CHECK(one.hopeless.empty());
  const auto other = at.book.give_up(2);
  CHECK(other.leaves);
  CHECK(other.hopeless == std::vector{first, second});
  CHECK_FALSE(at.step());
  CHECK(at.book.waiter_count() == 1);
  CHECK(at.connect(3).waiter == stranger);
  CHECK_FALSE(at.book.give_up(99).leaves);
}

TEST_CASE("who does not want to wait while all are down is refused when the last of them is, and not before",
          "[P3][D7]") {
  desk at{2};
  SECTION("the first attempts") {
    const auto patient = at.ask();
    const auto hasty = at.ask(desk::impatient());
    REQUIRE_FALSE(at.step());
    at.book.note_away(1);
    CHECK_FALSE(at.step());
    at.book.note_away(2);
    const auto refused = at.step();
    REQUIRE(refused);
    CHECK(refused->what == kind::refuse);
    CHECK(refused->waiter == hasty);
    at.book.withdraw(hasty);
    CHECK_FALSE(at.step());
    CHECK(at.connect(2).waiter == patient);
  }
  SECTION("a breaker that holds the only one back") {
    const auto hasty = at.ask(desk::impatient());
    REQUIRE_FALSE(at.step());
    at.book.note_held_back(1);
    CHECK(at.step()->waiter == hasty);
  }
  SECTION("a breaker that has held the only one back, and lets it go") {
    const auto patient = at.ask();
    REQUIRE_FALSE(at.step());
    at.book.note_held_back(1);
    at.book.note_let_go(1);
    at.ask(desk::impatient());
    CHECK_FALSE(at.step());
    // What has failed of itself is down all the same.
    for (const connection_id peer : {1U, 2U}) {
      at.book.note_away(peer);
      at.book.note_held_back(peer);
      at.book.note_let_go(peer);
    }
    CHECK(at.step()->what == kind::refuse);
    CHECK(at.book.withdraw(patient));
  }
  SECTION("one that is lent, and lost") {
    desk of_one{1};
    of_one.ask();
    REQUIRE_FALSE(of_one.step());
    of_one.connect(1);
    const auto hasty = of_one.ask(desk::impatient());
    CHECK_FALSE(of_one.step());
    of_one.book.note_away(1);
    CHECK(of_one.step()->waiter == hasty);
    of_one.book.withdraw(hasty);
    of_one.book.note_ready(1, of_one.now);
    of_one.ask(desk::impatient());
    CHECK_FALSE(of_one.step());
  }
  SECTION("who comes when all are down already") {
    at.ask();
    REQUIRE_FALSE(at.step());
    at.book.note_away(1);
    const auto first = at.ask(desk::impatient());
    // Another peer is tried, because two want one.
    CHECK_FALSE(at.step());
    CHECK(at.last_peer == 2);
    at.book.note_away(2);
    CHECK(at.step()->waiter == first);
    at.book.withdraw(first);
    CHECK_FALSE(at.step());
    const auto second = at.ask(desk::impatient());
    CHECK(at.step()->waiter == second);
  }
  SECTION("one that is back") {
    const auto hasty = at.ask(desk::impatient());
    REQUIRE_FALSE(at.step());
    CHECK(at.connect(1).waiter == hasty);
    at.book.note_away(1);
    at.book.note_ready(1, at.now);
    at.ask(desk::impatient());
    CHECK_FALSE(at.step());
  }
}
