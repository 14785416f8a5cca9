#include "session/session_book.hpp"
#include "session_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

using kind = session_step::kind;

session_hello hello(std::uint8_t id, std::uint64_t epoch, bool resumes = false) {
  return {id_of(id), epoch, resumes, {}};
}

/// A book, and connections that do at once what it says.
class desk {
public:
  explicit desk(const session_book_limits& limits = {}) : book(limits, {}) {}

  /// What the book decides about this hello, in order, as `grant 1`, `refuse 2 not_known`, `surrender 1`, `lost`.
  std::vector<std::string> claim(const session_hello& said, session_holder who, std::string_view identity = {}) {
    book.claim(said, identity, who, now);
    return steps();
  }

  std::vector<std::string> give_back(session_holder who) {
    book.give_back(who, std::move(held.at(who)), now);
    held.erase(who);
    return steps();
  }

  std::vector<std::string> steps() {
    std::vector<std::string> seen;
    while (auto step = book.poll()) {
      const auto whom = std::to_string(step->holder);
      switch (step->what) {
        case kind::grant:
          seen.push_back("grant " + whom);
          CHECK(step->subject->state() == session_state::open);
          held[step->holder] = std::move(step->subject);
          break;
        case kind::refuse:
          seen.push_back("refuse " + whom + " " + std::string{name_of(step->welcome.answer)});
          CHECK(parse_session_welcome(0, encode(step->welcome)));
          break;
        case kind::surrender:
          seen.push_back("surrender " + whom);
          break;
        case kind::lost:
          seen.push_back("lost " + std::to_string(std::to_integer<int>(step->welcome.id.bytes().front())));
          CHECK((step->subject == nullptr || step->subject->state() == session_state::lost));
          lost.push_back(std::move(step->subject));
      }
    }
    return seen;
  }

  session_book book;
  std::map<session_holder, std::unique_ptr<session>> held;
  std::vector<std::unique_ptr<session>> lost;
  time_point now{1h};
};

using said = std::vector<std::string>;

} // namespace

TEST_CASE("a session begins with the first hello and goes on with the next", "[D8]") {
  desk at;
  CHECK(at.claim(hello(1, 1), 7) == said{"grant 7"});
  CHECK_FALSE(at.held[7]->is_resumed());
  CHECK(at.book.parked_count() == 0);
  CHECK(at.give_back(7).empty());
  CHECK(at.book.parked_count() == 1);
  CHECK(at.claim(hello(1, 2, true), 8) == said{"grant 8"});
  CHECK(at.held[8]->is_resumed());
  CHECK(at.held[8]->epoch() == 2);
  CHECK(at.book.parked_count() == 0);
  CHECK(at.book.session_count() == 1);
}

TEST_CASE("only the first connection of a client begins a session, so that none begins twice", "[D8]") {
  desk at;
  CHECK(at.claim(hello(1, 2), 7) == said{"refuse 7 not_known"});
  CHECK(at.book.session_count() == 0);
}

TEST_CASE("a session that is not known is not resumed", "[D8]") {
  desk at;
  CHECK(at.claim(hello(1, 2, true), 7) == said{"refuse 7 not_known"});
  CHECK(at.book.session_count() == 0);
}

TEST_CASE("a session is not known to another identity, whether it is parked or not", "[D8]") {
  desk at;
  CHECK(at.claim(hello(1, 1), 7, "somebody") == said{"grant 7"});
  for (const auto* other : {"somebody else", "", "some"}) {
    CHECK(at.claim(hello(1, 2, true), 8, other) == said{"refuse 8 not_known"});
    CHECK(at.claim(hello(1, 2), 9, other) == said{"refuse 9 not_known"});
  }
  at.give_back(7);
  CHECK(at.claim(hello(1, 3, true), 8, "somebody else") == said{"refuse 8 not_known"});
  // None of that has cost its owner anything.
  CHECK(at.claim(hello(1, 2, true), 8, "somebody") == said{"grant 8"});
  CHECK(at.claim(hello(2, 1), 10) == said{"grant 10"});
  CHECK(at.claim(hello(2, 2, true), 11, "somebody") == said{"refuse 11 not_known"});
}

TEST_CASE("an id that differs in one bit is not known", "[D8]") {
  desk at;
  at.claim(hello(1, 1), 7);
  at.give_back(7);
  for (std::size_t bit = 0; bit < session_id::size * 8; ++bit) {
    std::array<std::byte, session_id::size> guess{};
    std::ranges::copy(id_of(1).bytes(), guess.begin());
    guess[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
    REQUIRE(at.claim({session_id{guess}, 2, true, {}}, 8) == said{"refuse 8 not_known"});
  }
}

TEST_CASE("a newer connection is granted the session when the older one has given it back", "[D8]") {
  desk at;
  at.claim(hello(1, 1), 7);
  CHECK(at.claim(hello(1, 2, true), 8) == said{"surrender 7"});
  CHECK_FALSE(at.book.next_timeout());
  // What the older one passes on until then is in the welcome of the newer.
  CHECK(at.held[7]->handle_frame(1, data(1, "one"))->delivers);
  at.held[7]->handle_delivered(1, at.now);
  // Its client has sent that, as its hello says; so it says when it comes.
  CHECK(at.claim({id_of(1), 3, true, {0, 1, 1}}, 9) == said{"refuse 8 superseded"});
  CHECK(at.give_back(7) == said{"grant 9"});
  const auto welcome = parse_session_welcome(0, at.held[9]->poll_transmit(at.now)->body.bytes());
  REQUIRE(welcome);
  CHECK(welcome->position.delivered == 1);
  // The older connection can do nothing any more.
  CHECK_FALSE(at.held[9]->handle_frame(1, data(2, "two"))->delivers);
}

TEST_CASE("a connection that is no newer than another of its session is refused", "[D8]") {
  desk at;
  at.claim(hello(1, 1), 6);
  at.give_back(6);
  at.claim(hello(1, 2), 7);
  CHECK(at.claim(hello(1, 2), 8) == said{"refuse 8 superseded"});
  CHECK(at.claim(hello(1, 1), 8) == said{"refuse 8 superseded"});
  at.give_back(7);
  CHECK(at.claim(hello(1, 2), 8) == said{"refuse 8 superseded"});
  CHECK(at.claim(hello(1, 3, true), 8) == said{"grant 8"});
  CHECK(at.claim(hello(1, 5, true), 9) == said{"surrender 8"});
  // Nor than one that waits.
  CHECK(at.claim(hello(1, 4, true), 10) == said{"refuse 10 superseded"});
}

TEST_CASE("a connection that is gone while it waits leaves the session to the next, and the older one is told once",
          "[D8]") {
  desk at;
  at.claim(hello(1, 1), 7);
  CHECK(at.claim(hello(1, 2, true), 8) == said{"surrender 7"});
  at.book.withdraw(8, id_of(2));
  at.book.withdraw(8, id_of(1));
  CHECK(at.claim(hello(1, 3, true), 9).empty());
  at.book.withdraw(9, id_of(1));
  CHECK(at.give_back(7).empty());
  CHECK(at.book.parked_count() == 1);
  CHECK(at.claim(hello(1, 4, true), 10) == said{"grant 10"});
  CHECK(at.claim(hello(1, 5, true), 11) == said{"surrender 10"});
}

TEST_CASE("a session that has ended with its connection is forgotten, and whoever waits for it is told", "[D8]") {
  desk at;
  at.claim(hello(1, 1), 7);
  at.held[7]->abandon();
  CHECK(at.give_back(7).empty());
  CHECK(at.book.session_count() == 0);
  CHECK(at.claim(hello(1, 2, true), 8) == said{"refuse 8 not_known"});

  at.claim(hello(2, 1), 9);
  at.claim(hello(2, 2, true), 10);
  at.held[9]->abandon();
  CHECK(at.give_back(9) == said{"refuse 10 not_known"});
}

TEST_CASE("two sides that cannot have been in one session lose it, and both are told", "[D8]") {
  desk at;
  at.claim(hello(1, 1), 7);
  CHECK(at.held[7]->handle_frame(1, data(1, "one"))->delivers);
  at.give_back(7);
  CHECK(at.claim({id_of(1), 2, true, {0, 1, 0}}, 8) == said{"refuse 8 not_known", "lost 1"});
  CHECK(at.book.session_count() == 0);
  CHECK(at.book.parked_count() == 0);
}

TEST_CASE("a session without a connection is kept for its time and not longer", "[D8]") {
  session_book_limits limits;
  limits.keep = 10s;
  desk at{limits};
  at.claim(hello(1, 1), 7);
  at.claim(hello(2, 1), 8);
  REQUIRE(at.held[7]->send(payload::copy_of("one")));
  at.give_back(7);
  at.now += 1s;
  at.give_back(8);
  CHECK(at.book.next_timeout() == at.now + 9s);
  at.now += 9s - 1ns;
  at.book.handle_timeout(at.now);
  CHECK(at.steps().empty());
  at.now += 1ns;
  at.book.handle_timeout(at.now);
  CHECK(at.steps() == said{"lost 1"});
  CHECK(at.lost.back()->ranges() == session_ranges{{1, 0}, {1, 0}, {1, 1}});
  CHECK(at.book.next_timeout() == at.now + 1s);
  // Also if nobody has looked since.
  at.now += 1s;
  CHECK(at.claim(hello(2, 2, true), 9) == said{"lost 2", "refuse 9 not_known"});
  CHECK_FALSE(at.book.next_timeout());
}

TEST_CASE("a session that came back in time is kept for the whole time again", "[D8]") {
  session_book_limits limits;
  limits.keep = 10s;
  desk at{limits};
  at.claim(hello(1, 1), 7);
  at.give_back(7);
  at.now += 9s;
  at.claim(hello(1, 2, true), 8);
  at.give_back(8);
  CHECK(at.book.next_timeout() == at.now + 10s);
}

TEST_CASE("at the limit of sessions the one that was parked first goes, and nobody gets in if all are connected",
          "[D8]") {
  session_book_limits limits;
  limits.sessions_max = 3;
  desk at{limits};
  for (std::uint8_t number = 1; number <= 3; ++number)
    at.claim(hello(number, 1), number);
  CHECK(at.claim(hello(4, 1), 4) == said{"refuse 4 no_room"});
  CHECK(at.book.session_count() == 3);
  at.give_back(2);
  at.give_back(1);
  // Those that are known need no room.
  CHECK(at.claim(hello(3, 2, true), 5) == said{"surrender 3"});
  CHECK(at.claim(hello(4, 1), 4) == said{"lost 2", "grant 4"});
  CHECK(at.book.session_count() == 3);
  CHECK(at.claim(hello(1, 2, true), 6) == said{"grant 6"});
}

TEST_CASE("sessions without a connection hold no more bytes together than their limit", "[D8]") {
  session_book_limits limits;
  // Of 50 bytes each, which take 128 more.
  limits.parked_bytes_max = 2 * 178;
  desk at{limits};
  for (std::uint8_t number = 1; number <= 3; ++number) {
    at.claim(hello(number, 1), number);
    REQUIRE(at.held[number]->send(payload::copy_of(std::string(50, 'x'))));
  }
  CHECK(at.give_back(1).empty());
  CHECK(at.give_back(2).empty());
  CHECK(at.book.parked_bytes() == 2 * 178);
  CHECK(at.give_back(3) == said{"lost 1"});
  CHECK(at.book.parked_bytes() == 2 * 178);
  // One that comes back takes its bytes along, and one that is too large goes itself.
  CHECK(at.claim(hello(2, 2, true), 4) == said{"grant 4"});
  CHECK(at.book.parked_bytes() == 178);
  REQUIRE(at.held[4]->send(payload::copy_of(std::string(60, 'x'))));
  CHECK(at.give_back(4) == said{"lost 3", "lost 2"});
  CHECK(at.book.parked_bytes() == 0);
  CHECK(at.book.session_count() == 0);
}

TEST_CASE("a session whose connection is gone without giving it back is lost, and who waits for it begins another",
          "[D8]") {
  desk at;
  at.claim(hello(1, 1), 7);
  CHECK(at.claim(hello(1, 2, true), 8) == said{"surrender 7"});
  at.book.withdraw(9, id_of(1));
  CHECK(at.steps().empty());
  at.book.withdraw(7, id_of(1));
  CHECK(at.steps() == said{"refuse 8 not_known", "lost 1"});
  CHECK(at.lost == std::vector<std::unique_ptr<session>>(1));
  CHECK(at.book.session_count() == 0);
  CHECK(at.claim(hello(1, 3, true), 10) == said{"refuse 10 not_known"});
}
