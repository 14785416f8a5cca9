// What leaves before there is a connection (0-RTT), and what becomes of it.

#include "outbox_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

using namespace actorwire;
using namespace actorwire::test;

namespace {

constexpr send_options twice{.wanted = outcome::written, .idempotent = true};

/// What an attempt could take, of which it takes `count` bytes.
std::string lend(test_outbox& box, std::size_t count) {
  std::string taken;
  while (taken.size() < count) {
    std::array<outgoing, 4> pieces;
    const auto used = box.gather_early(pieces);
    std::string bytes;
    for (std::size_t index = 0; index < used; ++index)
      bytes.append(reinterpret_cast<const char*>(pieces[index].data), pieces[index].size);
    REQUIRE(!bytes.empty());
    bytes.resize(std::min(bytes.size(), count - taken.size()));
    box.lend(bytes.size());
    taken += bytes;
  }
  return taken;
}

bool offers_nothing_early(const test_outbox& box) {
  std::array<outgoing, 4> pieces;
  return box.gather_early(pieces) == 0;
}

} // namespace

TEST_CASE("only what may arrive twice leaves early, and nothing behind the first that may not", "[outbox]") {
  for (const auto framing : all_framings) {
    outbox_fixture f{framing};
    f.must_accept("ask", twice);
    f.must_accept("again", twice);
    f.must_accept("pay");
    f.must_accept("ask more", twice);
    const auto early = wire_of("ask", framing) + wire_of("again", framing);
    CHECK(lend(f.box, early.size()) == early);
    CHECK(offers_nothing_early(f.box));
  }
}

TEST_CASE("what left early is settled when there is a connection, and the rest follows it", "[outbox]") {
  outbox_fixture f;
  const auto first = f.must_accept("ask", twice);
  auto acked = twice;
  acked.wanted = outcome::acked;
  const auto second = f.must_accept("again", acked);
  f.must_accept("pay");
  lend(f.box, 8);
  CHECK(f.told.take().empty());
  CHECK(f.box.totals().written.messages == 0);
  f.ready();
  CHECK(f.told.take() == expected{{1, first, outcome::written}});
  CHECK(offered_by(f.box, 8) == "pay");
  f.box.acknowledged(8, f.told);
  CHECK(f.told.take() == expected{{2, second, outcome::acked}});
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("a message of which a part left early goes on where it stopped", "[outbox]") {
  outbox_fixture f;
  f.must_accept("ask", twice);
  f.must_accept("something long", twice);
  lend(f.box, 5);
  f.ready();
  CHECK(offered_by(f.box, 8) == "mething long");
  CHECK(f.box.started_rest() == 12);
}

TEST_CASE("what left early with an attempt that failed leaves whole with the next", "[outbox]") {
  outbox_fixture f;
  f.must_accept("ask", twice);
  f.must_accept("something long", twice);
  lend(f.box, 5);
  f.box.early_lost();
  CHECK(f.told.take().empty());
  CHECK(lend(f.box, 17) == "asksomething long");
  f.box.early_lost();
  f.ready();
  CHECK(offered_by(f.box, 8) == "asksomething long");
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("what left early does not expire until its attempt has failed", "[outbox]") {
  outbox_fixture f;
  auto brief = twice;
  brief.ttl = 10ms;
  const auto first = f.must_accept("ask", brief);
  const auto second = f.must_accept("again", brief);
  lend(f.box, 2);
  CHECK(f.box.expire(f.now + 20ms, f.told) == loss{.not_sent = {1, 5}});
  CHECK(f.told.take() == expected{{2, second, outcome::not_sent, error_code::expired}});
  f.box.early_lost();
  REQUIRE(f.box.next_timeout());
  CHECK(*f.box.next_timeout() <= f.now + 20ms);
  CHECK(f.box.expire(f.now + 20ms, f.told) == loss{.maybe_sent = {1, 3}});
  CHECK(f.told.take() == expected{{1, first, outcome::maybe_sent, error_code::expired}});
}

TEST_CASE("what left early with an attempt that failed expires when it would have without", "[outbox]") {
  outbox_fixture f;
  f.must_accept("ask", twice);
  auto patient = twice;
  patient.ttl = 60s;
  f.must_accept("again", patient);
  const auto due = f.now + f.limits.queue_age;
  CHECK(f.box.next_timeout() == due);
  lend(f.box, 8);
  CHECK(f.box.expire(due, f.told) == loss{});
  CHECK_FALSE(f.box.next_timeout());
  f.box.early_lost();
  CHECK(f.box.next_timeout() == due);
}

TEST_CASE("what left early and is given up may have arrived", "[outbox]") {
  outbox_fixture f;
  f.must_accept("ask", twice);
  f.must_accept("again", twice);
  f.must_accept("pay");
  lend(f.box, 4);
  const auto lost = f.box.abandon(closed_by_user(), f.told);
  CHECK(lost == loss{.not_sent = {1, 3}, .maybe_sent = {2, 8}});
  CHECK(f.box.pending() == tally{});
  CHECK(f.box.unwritten_bytes() == 0);
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("what left early with an attempt that failed may have arrived, however it ends", "[outbox][D4]") {
  outbox_fixture f;
  f.must_accept("ask", twice);
  f.must_accept("again", twice);
  f.must_accept("not lent", twice);
  // Of the second one a part.
  lend(f.box, 4);
  f.box.early_lost();
  // Nor does it matter that a later attempt takes less, or nothing at all.
  lend(f.box, 1);
  f.box.early_lost();
  const loss truth{.not_sent = {1, 8}, .maybe_sent = {2, 8}};
  SECTION("it expires") {
    CHECK(f.box.expire(f.now + f.limits.queue_age, f.told) == truth);
    CHECK(f.told.take()
          == expected{{1, 1, outcome::maybe_sent, error_code::expired},
                      {2, 2, outcome::maybe_sent, error_code::expired},
                      {3, 3, outcome::not_sent, error_code::expired}});
  }
  SECTION("it expires at the very moment when there is a connection") {
    f.now += f.limits.queue_age;
    CHECK(f.ready() == truth);
  }
  SECTION("it is given up while there is no connection") {
    CHECK(f.box.abandon(closed_by_user(), f.told) == truth);
  }
  SECTION("it is given up by a connection that has taken none of it yet") {
    CHECK(f.ready() == loss{});
    CHECK(f.box.abandon(closed_by_user(), f.told) == truth);
  }
  CHECK(f.box.pending() == tally{});
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("what left early twice and then for certain is settled by that alone", "[outbox][D4]") {
  outbox_fixture f;
  f.must_accept("ask", twice);
  lend(f.box, 3);
  f.box.early_lost();
  f.ready();
  CHECK(f.take_all() == "ask");
  CHECK(f.told.take() == expected{{1, 1, outcome::written}});
  // The next one has nothing of it.
  f.must_accept("another");
  CHECK(f.box.abandon(closed_by_user(), f.told) == loss{.not_sent = {1, 7}});
}
