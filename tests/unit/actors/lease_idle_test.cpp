// Peers that nobody wants: how long they stay, and how many of them.

#include "lease_desk.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using kind = lease_step::kind;

} // namespace

TEST_CASE("a peer that nobody wants for long retires, the one that has been free the longest first", "[P5]") {
  desk at{2, 1min};
  at.ask();
  at.ask();
  REQUIRE_FALSE(at.step());
  const auto one = at.connect(1);
  const auto other = at.connect(2);
  REQUIRE(at.give_back(other.lease, true));
  CHECK_FALSE(at.step());
  at.now += 10s;
  REQUIRE(at.give_back(one.lease, true));
  CHECK_FALSE(at.step());
  CHECK(at.book.next_timeout() == at.now + 50s);
  at.now += 50s;
  const auto first = at.step();
  REQUIRE(first);
  CHECK(first->what == kind::retire);
  CHECK(first->peer == 2);
  CHECK_FALSE(at.step());
  at.now += 10s;
  CHECK(at.step()->peer == 1);
  CHECK_FALSE(at.step());
  at.check_is_empty();
}

TEST_CASE("a peer that nobody waits for any more retires, connected or not", "[P5]") {
  desk at{2, 1min};
  SECTION("one that never connected") {
    const auto waiter = at.ask(desk::want(1, 10s));
    REQUIRE_FALSE(at.step());
    at.now += 10s;
    REQUIRE(at.step()->waiter == waiter);
    at.book.withdraw(waiter);
  }
  SECTION("one that was given back while it was away") {
    at.ask();
    REQUIRE_FALSE(at.step());
    const auto held = at.connect(1);
    at.book.note_away(1);
    REQUIRE(at.give_back(held.lease, true));
  }
  SECTION("one that was lost and came back meanwhile") {
    at.ask();
    REQUIRE_FALSE(at.step());
    REQUIRE(at.give_back(at.connect(1).lease, true));
    REQUIRE_FALSE(at.step());
    at.book.note_away(1);
    REQUIRE_FALSE(at.step());
    at.now += 30s;
    at.book.note_ready(1, at.now);
    REQUIRE_FALSE(at.step());
    at.now -= 30s;
  }
  REQUIRE_FALSE(at.step());
  CHECK(at.book.next_timeout() == at.now + 1min);
  at.now += 1min;
  const auto gone = at.step();
  REQUIRE(gone);
  CHECK(gone->what == kind::retire);
  CHECK(gone->peer == 1);
  CHECK_FALSE(at.step());
  at.check_is_empty();
}

TEST_CASE("a peer that somebody waits for does not retire, however long it is away", "[P5]") {
  desk at{2, 1min};
  const auto waiter = at.ask(desk::want(1, 24h));
  REQUIRE_FALSE(at.step());
  CHECK(at.book.next_timeout() == at.now + 24h);
  at.now += 1h;
  CHECK_FALSE(at.step());
  CHECK(at.connect(1).waiter == waiter);
}

TEST_CASE("one that is away and that nobody waits for makes room, too", "[P1][P3]") {
  desk at{2};
  at.places = 1;
  at.book.withdraw(at.ask(desk::want(1)));
  const auto first = at.ask(desk::want(2));
  REQUIRE_FALSE(at.step());
  at.book.withdraw(first);
  REQUIRE_FALSE(at.step());
  at.ask(desk::want(3));
  const auto gone = at.step();
  REQUIRE(gone);
  CHECK(gone->what == kind::retire);
  CHECK(gone->peer == 1);
}

TEST_CASE("without a time a free peer stays for ever", "[P5]") {
  desk at{1, 0ms};
  at.ask();
  REQUIRE_FALSE(at.step());
  REQUIRE(at.give_back(at.connect(1).lease, true));
  at.now += 1'000h;
  CHECK_FALSE(at.step());
  CHECK_FALSE(at.book.next_timeout());
}

TEST_CASE("where there is no place for another peer, one that is free elsewhere makes room", "[P1][P3]") {
  desk at{2};
  at.places = 2;
  at.ask(desk::want(1));
  at.ask(desk::want(2));
  REQUIRE_FALSE(at.step());
  const auto one = at.connect(1);
  at.connect(2);
  const auto third = at.ask(desk::want(3));
  const auto fourth = at.ask(desk::want(4));
  CHECK_FALSE(at.step());
  CHECK(at.book.is_full());
  REQUIRE(at.give_back(one.lease, true));
  const auto gone = at.step();
  REQUIRE(gone);
  CHECK(gone->what == kind::retire);
  CHECK(gone->peer == 1);
  // Nothing more is closed before that one is gone.
  CHECK_FALSE(at.step());
  at.places = 1;
  at.book.may_grow();
  CHECK_FALSE(at.step());
  CHECK(at.book.is_full());
  // The one that has waited for a place the longest gets it.
  REQUIRE(at.book.has(3));
  CHECK(at.connect(3).waiter == third);
  at.places = 1;
  at.book.may_grow();
  CHECK_FALSE(at.step());
  CHECK(at.connect(4).waiter == fourth);
}

TEST_CASE("peers that are about to close count until they have", "[P1][P2]") {
  desk at{2};
  at.ask();
  at.ask();
  REQUIRE_FALSE(at.step());
  const auto one = at.connect(1);
  at.connect(2);
  const auto next = at.ask();
  const auto later = at.ask();
  switch (GENERATE(0, 1, 2, 3)) {
    case 0:
      REQUIRE(at.book.release(one.lease, false, at.now)->leaves);
      break;
    case 1:
      at.book.leave(1);
      break;
    case 2:
      CHECK_FALSE(at.book.give_up(1).leaves);
      REQUIRE(at.book.release(one.lease, true, at.now)->leaves);
      break;
    default:
      CHECK(at.book.bury(1).peers.size() == 2);
      at.book.leave(2);
      at.ask();
      at.ask();
      at.book.remove(2);
      REQUIRE_FALSE(at.step());
      CHECK(at.last_peer == 3);
      at.book.remove(1);
      REQUIRE_FALSE(at.step());
      CHECK(at.last_peer == 4);
      return;
  }
  // What is said of it changes nothing any more.
  at.book.note_ready(1, at.now);
  at.book.note_cleared(1, at.now);
  at.book.note_away(1);
  at.book.leave(1);
  CHECK_FALSE(at.book.give_up(1).leaves);
  CHECK_FALSE(at.step());
  CHECK(at.last_peer == 2);
  CHECK(at.book.peer_count() == 1);
  CHECK(at.book.standing_of(next).leaving == 1);
  at.book.remove(1);
  CHECK_FALSE(at.step());
  CHECK(at.last_peer == 3);
  CHECK(at.connect(3).waiter == next);
  CHECK(at.book.standing_of(later).leaving == 0);
}

// -- min_idle ---------------------------------------------------------------------------------------------------------

TEST_CASE("a group that is used keeps min_idle peers free, within max_leased", "[P1][P5]") {
  desk at{4, 1min, 2};
  at.ask();
  REQUIRE_FALSE(at.step());
  CHECK(at.last_peer == 3);
  const auto one = at.connect(1);
  REQUIRE_FALSE(at.step());
  at.book.note_ready(2, at.now);
  at.book.note_ready(3, at.now);
  REQUIRE_FALSE(at.step());
  CHECK(at.last_peer == 3);
  // What is taken is made up for, as far as it may be.
  at.ask();
  CHECK(at.step()->what == kind::grant);
  REQUIRE_FALSE(at.step());
  CHECK(at.last_peer == 4);
  at.ask();
  CHECK(at.step()->what == kind::grant);
  REQUIRE_FALSE(at.step());
  CHECK(at.last_peer == 4);
  SECTION("one that is lost is not made up for: it dials") {
    REQUIRE(at.give_back(one.lease, true));
    REQUIRE_FALSE(at.step());
    at.book.note_away(1);
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == 4);
  }
  SECTION("one that is closed is") {
    at.book.remove(1);
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == 5);
  }
  SECTION("one that has given up is not, before somebody asks again") {
    CHECK(at.book.give_up(4).leaves);
    at.book.remove(4);
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == 4);
    at.book.withdraw(at.ask());
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == 5);
  }
}

TEST_CASE("free peers are kept for as long as the group is used, and min_idle of them that long after", "[P5]") {
  desk at{4, 1min, 1};
  at.ask(desk::want(1, 30s, 24h));
  at.ask(desk::want(1, 30s, 24h));
  REQUIRE_FALSE(at.step());
  const auto one = at.connect(1);
  const auto other = at.connect(2);
  at.book.note_ready(3, at.now);
  REQUIRE_FALSE(at.step());
  at.now += 1s;
  REQUIRE(at.give_back(one.lease, true));
  REQUIRE_FALSE(at.step());
  // Two are free, one lent: the one that has been free the longest goes, the last one stays while the lease lasts.
  at.now += 59s;
  const auto gone = at.step();
  REQUIRE(gone);
  CHECK(gone->what == kind::retire);
  CHECK(gone->peer == 3);
  for (int minute = 0; minute < 10; ++minute) {
    REQUIRE_FALSE(at.step());
    REQUIRE(at.book.next_timeout() > at.now);
    at.now += 29s;
  }
  REQUIRE(at.give_back(other.lease, true));
  const auto last_use = at.now;
  // The other one has been free for long, and one is enough now.
  while (const auto next = at.step())
    CHECK(next->peer == 1);
  CHECK(at.book.peer_count() == 1);
  while (at.book.peer_count() > 0) {
    at.now = at.book.next_timeout().value();
    while (const auto next = at.step())
      CHECK(next->what == kind::retire);
  }
  CHECK(at.now == last_use + 1min);
  at.check_is_empty();
}

TEST_CASE("peers that nobody waits for take no place from those who wait", "[P1][P3]") {
  desk at{4, 5min, 3};
  at.places = 3;
  at.ask(desk::want(1));
  REQUIRE_FALSE(at.step());
  CHECK(at.last_peer == 3);
  at.connect(1);
  at.book.note_ready(2, at.now);
  at.book.note_ready(3, at.now);
  const auto stranger = at.ask(desk::want(2));
  const auto gone = at.step();
  REQUIRE(gone);
  CHECK(gone->what == kind::retire);
  REQUIRE_FALSE(at.step());
  at.places = 1;
  at.book.may_grow();
  REQUIRE_FALSE(at.step());
  CHECK(at.connect(4).waiter == stranger);
}

TEST_CASE("free peers that found no place are made when there is one", "[P1][P3][P5]") {
  desk at{4, 5min, 2};
  at.places = 1;
  at.ask(desk::want(1));
  REQUIRE_FALSE(at.step());
  at.connect(1);
  REQUIRE_FALSE(at.step());
  REQUIRE(at.last_peer == 1);
  SECTION("when another peer has gone") {
    at.places = 1;
    at.book.may_grow();
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == 2);
    at.places = 2;
    at.book.may_grow();
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == 3);
  }
  SECTION("behind whoever waits for a place") {
    const auto stranger = at.ask(desk::want(2));
    REQUIRE_FALSE(at.step());
    at.places = 3;
    at.book.may_grow();
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == 4);
    CHECK(at.connect(2).waiter == stranger);
  }
  SECTION("when whoever has waited for a place waits no more") {
    const auto stranger = at.ask(desk::want(2));
    REQUIRE_FALSE(at.step());
    REQUIRE(at.book.withdraw(stranger));
    at.places = 1;
    at.book.may_grow();
    REQUIRE_FALSE(at.step());
    CHECK(at.last_peer == 2);
  }
  SECTION("unless its group is not used any more") {
    at.book.remove(1);
    REQUIRE_FALSE(at.step());
    at.places = 1;
    at.book.may_grow();
    REQUIRE_FALSE(at.step());
    at.check_is_empty();
  }
}
