#include "channel/probe_schedule.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

using step = probe_schedule::step;

/// Far from 0, and beyond what 32 bits count in milliseconds.
constexpr time_point start{std::chrono::hours{24 * 365}};

probe_policy policy_of(std::uint32_t degrade, std::uint32_t fail, bool only_when_quiet = true) {
  return {1s, 300ms, degrade, fail, only_when_quiet};
}

/// A schedule with a connection, at its next deadline each time.
struct probed {
  explicit probed(const probe_policy& policy) : schedule(policy) { schedule.begin(now, received); }

  step advance() {
    now = schedule.next_timeout().value();
    return schedule.handle_timeout(now, received);
  }
  step answer(bool is_good) { return schedule.note_answer(schedule.open_probe(), is_good, now, received); }
  /// One that is not answered: from its question, or from when it would be asked, to its end.
  step miss() {
    const auto asked = advance();
    REQUIRE((asked == step::ask || asked == step::nothing));
    return advance();
  }

  time_point now = start;
  std::uint64_t received = 0;
  probe_schedule schedule;
};

} // namespace

TEST_CASE("a prober is asked an interval after the connection is ready, and after each answer", "[H1]") {
  probed one{policy_of(1, 3)};
  CHECK(one.schedule.next_timeout() == start + 1s);
  CHECK(one.schedule.handle_timeout(start + 1s - 1ns, 0) == step::nothing);
  REQUIRE(one.advance() == step::ask);
  CHECK(one.schedule.open_probe() == 1);
  one.now += 20ms;
  CHECK(one.answer(true) == step::nothing);
  CHECK(one.schedule.next_timeout() == one.now + 1s);
  CHECK(one.schedule.successes() == 1);
  CHECK(one.schedule.round_trip() == 20ms);
  REQUIRE(one.advance() == step::ask);
  CHECK(one.schedule.open_probe() == 2);
}

TEST_CASE("who does not answer is found after exactly as many rounds as the policy says", "[H1]") {
  for (const std::uint32_t fail : {1U, 2U, 7U}) {
    probed one{policy_of(1, fail)};
    for (std::uint32_t failure = 1; failure < fail; ++failure)
      CHECK(one.miss() == step::degrade);
    CHECK(one.miss() == step::fail);
    CHECK(one.now - start == fail * (1s + 300ms));
    CHECK(one.schedule.failures() == fail);
  }
}

TEST_CASE("while an answer is open no other probe goes out, and a late one counts as a success", "[H1]") {
  probed one{policy_of(1, 0)};
  REQUIRE(one.advance() == step::ask);
  CHECK(one.advance() == step::degrade);
  CHECK(one.advance() == step::nothing);
  CHECK(one.schedule.open_probe() == 1);
  CHECK(one.advance() == step::degrade);
  CHECK(one.schedule.failures_in_a_row() == 2);
  CHECK(one.answer(true) == step::recover);
  CHECK(one.schedule.failures_in_a_row() == 0);
  CHECK(one.schedule.failures() == 2);
  REQUIRE(one.advance() == step::ask);
  CHECK(one.schedule.open_probe() == 2);
}

TEST_CASE("an error is a failure at once, and one success makes all of them good", "[H1]") {
  probed one{policy_of(2, 4)};
  const auto fail = [&] {
    REQUIRE(one.advance() == step::ask);
    return one.answer(false);
  };
  CHECK(fail() == step::nothing);
  CHECK(fail() == step::degrade);
  CHECK(fail() == step::degrade);
  REQUIRE(one.advance() == step::ask);
  CHECK(one.answer(true) == step::recover);
  CHECK(fail() == step::nothing);
  CHECK(fail() == step::degrade);
  CHECK(fail() == step::degrade);
  CHECK(fail() == step::fail);
}

TEST_CASE("while what has come is not read nobody is asked, and nothing counts", "[H1]") {
  probed one{policy_of(1, 3, false)};
  const auto look = [&] {
    one.now = one.schedule.next_timeout().value();
    return one.schedule.handle_timeout(one.now, one.received, false);
  };
  for (int count = 0; count < 10; ++count) {
    CHECK(look() == step::nothing);
    CHECK(one.schedule.next_timeout() == one.now + 1s);
  }
  CHECK(one.schedule.open_probe() == 0);
  REQUIRE(one.advance() == step::ask);
  for (int count = 0; count < 10; ++count)
    CHECK(look() == step::nothing);
  CHECK(one.schedule.open_probe() == 1);
  SECTION("an error is none") {
    CHECK(one.schedule.note_answer(1, false, one.now, one.received, false) == step::nothing);
    CHECK(one.schedule.failures() == 0);
    CHECK(one.advance() == step::ask);
    return;
  }
  SECTION("a success is one") {
    CHECK(one.schedule.note_answer(1, true, one.now, one.received, false) == step::nothing);
    CHECK(one.schedule.successes() == 1);
    return;
  }
  // It is read again, and there is time to answer.
  CHECK(one.advance() == step::nothing);
  one.schedule.note_reading(one.now + 200ms);
  CHECK(one.schedule.next_timeout() == one.now + 500ms);
  CHECK(one.advance() == step::degrade);
  const auto rest = one.schedule.next_timeout();
  one.schedule.note_reading(one.now + 200ms);
  CHECK(one.schedule.next_timeout() == rest);
}

TEST_CASE("a probe that could not be asked is as if its time had not come", "[H1]") {
  probed one{policy_of(1, 3)};
  for (int count = 0; count < 5; ++count) {
    REQUIRE(one.advance() == step::ask);
    CHECK(one.schedule.open_probe() == 1);
    one.schedule.withdraw(one.now, one.received);
    CHECK(one.schedule.open_probe() == 0);
    CHECK(one.schedule.next_timeout() == one.now + 1s);
  }
  CHECK(one.schedule.failures() == 0);
}

TEST_CASE("an answer to a probe of an earlier connection means nothing", "[H1][S2]") {
  probed one{policy_of(1, 2)};
  REQUIRE(one.advance() == step::ask);
  one.schedule.begin(one.now, 0);
  CHECK(one.schedule.note_answer(1, true, one.now, 0) == step::nothing);
  CHECK(one.schedule.note_answer(1, false, one.now, 0) == step::nothing);
  CHECK(one.schedule.note_answer(0, false, one.now, 0) == step::nothing);
  CHECK(one.schedule.successes() + one.schedule.failures() == 0);
  REQUIRE(one.advance() == step::ask);
  CHECK(one.schedule.open_probe() == 2);
  one.schedule.end();
  CHECK_FALSE(one.schedule.next_timeout());
  CHECK(one.schedule.note_answer(2, false, one.now, 0) == step::nothing);
}

TEST_CASE("nobody is asked while bytes come, and bytes that come count as an answer", "[H1][H2]") {
  probed one{policy_of(1, 2)};
  for (int round = 0; round < 10; ++round) {
    one.received += 5;
    CHECK(one.advance() == step::nothing);
    CHECK(one.schedule.open_probe() == 0);
  }
  REQUIRE(one.advance() == step::ask);
  ++one.received;
  CHECK(one.advance() == step::nothing);
  CHECK(one.schedule.failures() == 0);
  // The probe is still open, and its silence is one more.
  CHECK(one.miss() == step::degrade);
  ++one.received;
  CHECK(one.advance() == step::recover);
}

TEST_CASE("bytes that came with an error do not undo it", "[H1]") {
  probed one{policy_of(1, 2)};
  REQUIRE(one.advance() == step::ask);
  one.received += 9;
  CHECK(one.answer(false) == step::degrade);
  REQUIRE(one.advance() == step::ask);
  one.received += 9;
  CHECK(one.answer(false) == step::fail);
}

TEST_CASE("a prober is asked whatever comes if the policy says so", "[H2]") {
  probed one{policy_of(1, 2, false)};
  one.received += 9;
  REQUIRE(one.advance() == step::ask);
  one.received += 9;
  CHECK(one.advance() == step::degrade);
}

TEST_CASE("without numbers of failures nothing follows from them") {
  probed one{policy_of(0, 0)};
  for (int round = 0; round < 1'000; ++round)
    CHECK(one.miss() == step::nothing);
  CHECK(one.schedule.failures_in_a_row() == 1'000);
  CHECK(one.answer(true) == step::recover);
}

TEST_CASE("whatever answers and bytes come, a probe has at most one verdict a round, and none without a reason",
          "[random][H1][H2]") {
  const test_seed seed;
  auto chance = seed.engine();
  const auto draw = [&chance](int below) { return std::uniform_int_distribution{0, below - 1}(chance); };
  const auto stories = seed_count(1'000);
  for (std::uint64_t story = 0; story < stories; ++story) {
    const auto degrade = static_cast<std::uint32_t>(draw(4));
    const auto fail = draw(3) == 0 ? 0U : std::max(degrade, 1U) + static_cast<std::uint32_t>(draw(4));
    probed one{policy_of(degrade, fail, draw(2) == 0)};
    std::uint32_t in_a_row = 0;
    std::uint64_t asked = 0;
    auto is_degraded = false;
    for (int turn = 0; turn < 200; ++turn) {
      const auto open = one.schedule.open_probe();
      const auto failures = one.schedule.failures();
      const auto heard = draw(4) == 0;
      one.received += heard ? 1U : 0U;
      auto came = step::nothing;
      if (open != 0 && draw(3) == 0) {
        one.now = std::min(one.now + std::chrono::milliseconds{draw(200)}, *one.schedule.next_timeout());
        came = one.answer(draw(2) == 0);
      } else if (open != 0 && draw(20) == 0) {
        one.schedule.begin(one.now, one.received);
        in_a_row = 0;
        is_degraded = false;
        continue;
      } else {
        came = one.advance();
      }
      CHECK(one.schedule.failures() - failures <= 1);
      in_a_row = one.schedule.failures() > failures ? in_a_row + 1 : one.schedule.failures_in_a_row();
      CHECK(one.schedule.failures_in_a_row() == in_a_row);
      if (came == step::ask) {
        CHECK(open == 0);
        CHECK(one.schedule.open_probe() == ++asked);
      }
      CHECK((came == step::fail) == (fail != 0 && in_a_row >= fail && one.schedule.failures() > failures));
      if (came == step::degrade) {
        CHECK((degrade != 0 && in_a_row >= degrade));
        is_degraded = true;
      }
      if (came == step::recover)
        is_degraded = false;
      if (is_degraded)
        CHECK(in_a_row > 0);
      if (came == step::fail) {
        one.schedule.begin(one.now, one.received);
        in_a_row = 0;
        is_degraded = false;
      }
      REQUIRE(one.schedule.next_timeout());
      CHECK(*one.schedule.next_timeout() > one.now);
    }
  }
}
