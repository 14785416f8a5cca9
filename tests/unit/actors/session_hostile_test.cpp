#include "seed.hpp"
#include "session/session.hpp"
#include "session/session_book.hpp"
#include "session_fixture.hpp"

#include <actorwire/messages/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

/// One session whose peer says whatever comes to its mind, and a program that believes what it is told.
class besieged {
public:
  explicit besieged(std::mt19937_64 chance) : chance_(std::move(chance)), machine_(id_of(1), limits()) {}

  void run(int steps) {
    for (auto step = 0; step < steps; ++step) {
      something_happens();
      REQUIRE(machine_.sending().buffer().message_count() <= limits().replay_messages);
      REQUIRE(machine_.receiving().received() == got_);
      REQUIRE(machine_.receiving().delivered() <= got_);
      if (is_over(machine_.state())) {
        check_ranges();
        return;
      }
    }
  }

private:
  static session_limits limits() {
    session_limits made;
    made.replay_messages = 6;
    made.ack_messages = 2;
    return made;
  }

  std::uint64_t below(std::uint64_t bound) { return chance_() % bound; }

  /// Most are near what could be meant.
  std::uint64_t some_number(std::uint64_t near) {
    switch (below(8)) {
      case 0:
        return chance_();
      case 1:
        return 0;
      default:
        return near + below(3) - std::min<std::uint64_t>(near, below(3));
    }
  }

  session_position some_position() { return {some_number(sent_), some_number(got_ + 1), some_number(got_)}; }

  session_frame some_frame() {
    switch (below(8)) {
      case 0:
        return acknowledgement(some_number(confirmed_ + 1));
      case 1:
        return {frame_kind::goodbye, some_number(confirmed_),
                payload::copy_of(encode(session_goodbye{some_number(sent_)}))};
      case 2:
      case 3:
        return frame_of({static_cast<session_answer>(below(5)), id_of(below(9) == 0 ? 2 : 1),
                         machine_.epoch() + below(8) / 7, below(2) == 0 ? session_position{} : some_position()});
      case 4: {
        auto wild = data(some_number(1), std::string(static_cast<std::size_t>(below(60)), 'x'));
        wild.kind = static_cast<frame_kind>(below(256));
        return wild;
      }
      default:
        return data(some_number(got_ + 1), "x");
    }
  }

  void something_happens() {
    const auto is_free = machine_.state() == session_state::fresh || machine_.state() == session_state::broken;
    switch (below(16)) {
      case 0:
        if (is_free)
          machine_.handle_connected();
        return;
      case 1:
      case 2:
        if (is_free) {
          session_hello hello{id_of(1), machine_.epoch() + 1 + below(3), below(2) == 0, some_position()};
          if (const auto confirmed = machine_.handle_hello(hello))
            note(*confirmed);
          else
            REQUIRE(is_over(machine_.state()));
        }
        return;
      case 3:
      case 4:
        if (const auto number = machine_.send(payload::copy_of("x")))
          REQUIRE(*number == ++accepted_);
        return;
      case 5:
      case 6:
        if (const auto frame = machine_.poll_transmit(now_); frame && frame->kind == frame_kind::data) {
          REQUIRE(frame->number <= accepted_);
          REQUIRE(frame->number > confirmed_);
          sent_ = std::max(sent_, frame->number);
        }
        return;
      case 7:
        machine_.handle_delivered(below(got_ + 1), now_);
        now_ += 1ms;
        return;
      case 8:
        machine_.handle_disconnected(machine_.epoch() - std::min<std::uint64_t>(machine_.epoch(), below(2)));
        return;
      case 9:
        if (below(40) == 0)
          below(2) == 0 ? machine_.forget() : machine_.abandon();
        else if (below(20) == 0)
          machine_.finish();
        return;
      default:
        hear(some_frame());
    }
  }

  void hear(const session_frame& frame) {
    const auto was = machine_.state();
    const auto epoch = machine_.epoch() - std::min<std::uint64_t>(machine_.epoch(), below(8) / 7);
    const auto progress = machine_.handle_frame(epoch, frame);
    if (!progress) {
      REQUIRE(progress.error().code == error_code::malformed);
      REQUIRE(machine_.state() == session_state::broken);
      return;
    }
    if (epoch != machine_.epoch() || (was != session_state::open && was != session_state::offered)) {
      REQUIRE_FALSE(progress->delivers);
      REQUIRE(machine_.state() == was);
    }
    REQUIRE(progress->has_moved == (machine_.state() != was));
    if (progress->delivers)
      REQUIRE(frame.number == ++got_);
    note(progress->confirmed);
  }

  void note(const number_range& confirmed) {
    if (confirmed.empty())
      return;
    REQUIRE(confirmed.first == confirmed_ + 1);
    REQUIRE(confirmed.last <= sent_);
    confirmed_ = confirmed.last;
  }

  void check_ranges() {
    const auto& ranges = machine_.ranges();
    REQUIRE(ranges.delivered == number_range{1, confirmed_});
    REQUIRE(ranges.maybe_delivered.first == confirmed_ + 1);
    REQUIRE(ranges.maybe_delivered.last <= sent_);
    REQUIRE(ranges.not_delivered == number_range{ranges.maybe_delivered.last + 1, accepted_});
  }

  std::mt19937_64 chance_;
  session machine_;
  time_point now_{1h};
  std::uint64_t accepted_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t confirmed_ = 0;
  std::uint64_t got_ = 0;
};

} // namespace

TEST_CASE("whatever a peer says, messages are passed on once and in order, and nothing is confirmed that was not sent",
          "[D8]") {
  const test_seed seed;
  const auto rounds = seed_count(2'000);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    besieged{seed.engine(round)}.run(200);
  }
}

TEST_CASE("whatever is said to a book, each session has one holder and each claim one answer", "[D8]") {
  const test_seed seed;
  const auto rounds = seed_count(1'000);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    auto chance = seed.engine(round);
    session_book_limits limits;
    limits.sessions_max = 3;
    limits.keep = 20ms;
    session_book book{limits, {}};
    std::map<session_holder, std::unique_ptr<session>> held;
    std::map<session_holder, session_id> waiting;
    session_holder last = 0;
    time_point now{1h};
    for (auto step = 0; step < 200; ++step) {
      switch (chance() % 6) {
        case 0:
        case 1:
        case 2: {
          const session_hello hello{id_of(static_cast<std::uint8_t>(1 + chance() % 4)),
                                    chance() % 3 == 0 ? 1 : 1 + chance() % 30,
                                    chance() % 2 == 0,
                                    {chance() % 2, 1 + chance() % 2, chance() % 2}};
          waiting[++last] = hello.id;
          book.claim(hello, chance() % 4 == 0 ? "b" : "a", last, now);
          break;
        }
        case 3:
          if (!held.empty()) {
            auto node = held.extract(std::next(held.begin(), static_cast<std::ptrdiff_t>(chance() % held.size())));
            book.give_back(node.key(), std::move(node.mapped()), now);
          }
          break;
        case 4:
          if (!waiting.empty()) {
            const auto gone = std::next(waiting.begin(), static_cast<std::ptrdiff_t>(chance() % waiting.size()));
            book.withdraw(gone->first, gone->second);
            waiting.erase(gone);
          }
          break;
        default:
          now += std::chrono::milliseconds{chance() % 10};
          book.handle_timeout(now);
      }
      while (auto decided = book.poll()) {
        switch (decided->what) {
          case session_step::kind::grant:
            REQUIRE(waiting.erase(decided->holder) == 1);
            for (const auto& [holder, other] : held)
              REQUIRE(other->id() != decided->subject->id());
            held.emplace(decided->holder, std::move(decided->subject));
            break;
          case session_step::kind::refuse:
            REQUIRE(waiting.erase(decided->holder) == 1);
            break;
          case session_step::kind::surrender:
            REQUIRE(held.contains(decided->holder));
            break;
          case session_step::kind::lost:
            REQUIRE(is_over(decided->subject->state()));
        }
      }
      REQUIRE(book.session_count() == held.size() + book.parked_count());
      REQUIRE(book.session_count() <= limits.sessions_max);
      // Only those wait whose session another has.
      for (const auto& [who, id] : waiting)
        REQUIRE(
            std::any_of(held.begin(), held.end(), [&id = id](const auto& entry) { return entry.second->id() == id; }));
    }
  }
}
