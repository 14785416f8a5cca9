// What an outbox tells of how messages leave it.

#include "outbox_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

struct departed {
  time_point accepted_at;
  departure how;

  friend bool operator==(const departed&, const departed&) = default;

  friend std::ostream& operator<<(std::ostream& out, const departed& told) {
    return out << static_cast<int>(told.how) << " of " << told.accepted_at.time_since_epoch().count();
  }
};

class departures final : public departure_observer {
public:
  void note_departure(time_point accepted_at, departure how) noexcept override { all_.push_back({accepted_at, how}); }

  [[nodiscard]] std::vector<departed> take() { return std::exchange(all_, {}); }

private:
  std::vector<departed> all_;
};

/// An outbox of bytes without frames whose departures are observed, and a clock that each message moves by a second.
struct observed_outbox {
  std::uint64_t accept(std::string_view text, send_options options = {}) {
    now += 1s;
    const auto taken = box.accept(payload::copy_of(text), options, ticket{1}, now, told);
    REQUIRE(taken);
    return taken->sequence;
  }
  void accept_until_next_sample() {
    while (!ledger.samples_next()) {
      accept("x");
      box.handed_over(1, told);
    }
  }
  void ready() { box.connection_ready(now, told); }

  time_point now{1'000s};
  flow_limits limits;
  departures seen;
  outbox_ledger ledger{limits, &seen};
  outbox<ticket> box{ledger, framing_config{.mode = framing_mode::none}};
  answers told;
};

} // namespace

TEST_CASE("the first message and each 16th after it are samples, wherever they wait and whatever becomes of others",
          "[outbox]") {
  observed_outbox f;
  outbox<ticket> other{f.ledger, framing_config{.mode = framing_mode::none}};
  f.ready();
  std::ignore = other.connection_ready(f.now, f.told);
  std::vector<departed> expected;
  for (std::uint64_t sequence = 1; sequence <= 100; ++sequence) {
    const auto is_sample = sequence == 1 || sequence == 17 || sequence == 33 || sequence == 49 || sequence == 65
                        || sequence == 81 || sequence == 97;
    REQUIRE(f.ledger.samples_next() == is_sample);
    if (sequence % 5 == 0) {
      f.ledger.drop(1);
      continue;
    }
    auto& box = sequence % 3 == 0 ? other : f.box;
    f.now += 1s;
    REQUIRE(box.accept(payload::copy_of("x"), {}, ticket{1}, f.now, f.told));
    box.handed_over(1, f.told);
    // One that was dropped never waited.
    if (is_sample && sequence % 5 != 0)
      expected.push_back({f.now, departure::whole});
  }
  CHECK(f.seen.take() == expected);
}

TEST_CASE("a sample that leaves in parts is told of with its first byte and with its last", "[outbox]") {
  observed_outbox f;
  f.ready();
  f.accept("abcd");
  const auto accepted_at = f.now;
  f.accept("efgh");
  f.box.handed_over(1, f.told);
  CHECK(f.seen.take() == std::vector{departed{accepted_at, departure::begun}});
  f.box.handed_over(2, f.told);
  CHECK(f.seen.take().empty());
  f.box.handed_over(1, f.told);
  CHECK(f.seen.take() == std::vector{departed{accepted_at, departure::completed}});
  f.box.handed_over(4, f.told);
  CHECK(f.seen.take().empty());
}

TEST_CASE("a sample that expires or is given up is told of, and one that was torn is not told of again", "[outbox]") {
  observed_outbox f;
  f.accept("abcd", {.ttl = 5s});
  auto accepted_at = f.now;
  f.now += 5s;
  CHECK(f.box.expire(f.now, f.told).not_sent.messages == 1);
  CHECK(f.seen.take() == std::vector{departed{accepted_at, departure::given_up}});

  f.ready();
  f.accept_until_next_sample();
  f.accept("abcd");
  accepted_at = f.now;
  f.box.handed_over(1, f.told);
  CHECK(f.seen.take() == std::vector{departed{accepted_at, departure::begun}});
  CHECK(f.box.connection_lost(f.now, reset_by_peer(), f.told).maybe_sent.messages == 1);
  CHECK(f.seen.take().empty());

  f.ready();
  f.accept_until_next_sample();
  f.accept("abcd");
  accepted_at = f.now;
  CHECK(f.box.abandon(closed_by_user(), f.told).not_sent.messages == 1);
  CHECK(f.seen.take() == std::vector{departed{accepted_at, departure::given_up}});
}

TEST_CASE("a sample that outlives a connection is told of once, with the time since it was accepted", "[outbox]") {
  observed_outbox f;
  f.ready();
  f.accept("abcd", {.wanted = outcome::acked});
  const auto accepted_at = f.now;
  std::ignore = f.box.connection_lost(f.now, reset_by_peer(), f.told);
  CHECK(f.seen.take().empty());
  f.now += 3s;
  f.ready();
  f.box.handed_over(4, f.told);
  CHECK(f.seen.take() == std::vector{departed{accepted_at, departure::whole}});
  f.box.acknowledged(4, f.told);
  CHECK(f.seen.take().empty());
}

TEST_CASE("a sample that goes for a newer message has left the queue, and one that never was in it has not",
          "[outbox]") {
  observed_outbox f;
  f.limits.queue_messages = 1;
  f.limits.overflow = overflow_policy::drop_oldest;
  f.accept("oldest");
  auto accepted_at = f.now;
  f.accept("newer");
  CHECK(f.seen.take() == std::vector{departed{accepted_at, departure::given_up}});

  f.limits.overflow = overflow_policy::drop_newest;
  while (!f.ledger.samples_next())
    f.accept("does not fit");
  f.accept("does not fit, and would be a sample");
  CHECK(f.seen.take().empty());

  f.ready();
  f.box.handed_over(f.box.unwritten_bytes(), f.told);
  f.limits.overflow = overflow_policy::conflate;
  f.accept_until_next_sample();
  send_options about_it;
  about_it.key = 7;
  f.accept("a state", about_it);
  accepted_at = f.now;
  f.accept("a newer state", about_it);
  CHECK(f.seen.take() == std::vector{departed{accepted_at, departure::given_up}});
}

TEST_CASE("a sample that is more urgent than what waits is told of when it leaves", "[outbox]") {
  observed_outbox f;
  f.ready();
  f.accept("ab");
  const auto accepted_at = f.now;
  send_options urgent;
  urgent.priority = 3;
  for (int count = 0; count < 15; ++count)
    f.accept("c", urgent);
  f.accept("de", urgent);
  const auto urgent_accepted_at = f.now;
  f.box.handed_over(16, f.told);
  CHECK(f.seen.take() == std::vector{departed{urgent_accepted_at, departure::begun}});
  f.box.handed_over(3, f.told);
  CHECK(f.seen.take()
        == std::vector{departed{urgent_accepted_at, departure::completed}, departed{accepted_at, departure::whole}});
}
