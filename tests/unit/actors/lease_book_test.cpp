#include "supervision/lease_book.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

using kind = lease_step::kind;

/// A book with a clock that only the test moves; peers are numbered from 1, in the order in which they are made.
struct desk {
  explicit desk(std::uint32_t max_leased = 2, std::chrono::milliseconds idle_timeout = 5min, std::uint32_t min_idle = 0)
    : book{pool_limits{.max_leased = max_leased, .min_idle = min_idle, .lease_idle_timeout = idle_timeout}} {}

  static checkout want(std::uint16_t port = 1, std::chrono::milliseconds wait = 30s,
                       std::chrono::milliseconds hold = 5min) {
    return {{protocol::tcp, "server", port}, {}, {}, wait, hold};
  }

  waiter_id ask(const checkout& request = want(), owner_id owner = 1) { return book.ask(request, owner, now).value(); }

  static checkout impatient(std::uint16_t port = 1) {
    auto request = want(port);
    request.policy = when_down::fail;
    return request;
  }

  /// Carries out what the book wants until something else than a new peer is decided. A peer that is to be closed is closed at
  /// once.
  std::optional<lease_step> step() {
    while (const auto next = book.poll(now)) {
      if (next->what == kind::expire || next->what == kind::retire)
        book.remove(next->peer);
      if (next->what != kind::make)
        return next;
      if (places == 0) {
        book.cannot_grow();
        continue;
      }
      --places;
      book.joined(next->group, ++last_peer);
    }
    return std::nullopt;
  }

  /// Lets a peer connect and returns what comes of it, which must be a grant.
  lease_step connect(connection_id peer) {
    book.note_ready(peer, now);
    const auto next = step();
    REQUIRE(next);
    REQUIRE(next->what == kind::grant);
    REQUIRE(next->peer == peer);
    return *next;
  }

  /// Gives a lease back, and lets its peer say that it can be lent again.
  std::optional<lease_book::returned> give_back(lease_id lease, bool reuse) {
    const auto back = book.release(lease, reuse, now);
    if (back)
      book.note_cleared(back->peer, now);
    return back;
  }

  void check_is_empty() {
    CHECK(book.waiter_count() == 0);
    CHECK(book.lease_count() == 0);
    CHECK(book.peer_count() == 0);
    CHECK(book.group_count() == 0);
    CHECK_FALSE(book.next_timeout());
  }

  time_point now{1h};
  std::size_t places = 1'000;
  connection_id last_peer = 0;
  lease_book book;
};

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
    for (const connection_id peer : {1, 2}) {
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
