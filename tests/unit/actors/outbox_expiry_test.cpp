// Messages whose time is over.

#include "outbox_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <optional>

using namespace actorwire;
using namespace actorwire::test;

TEST_CASE("a negative ttl is refused", "[outbox][D6]") {
  outbox_fixture f;
  CHECK(f.refusal_of("a", {.ttl = -1ms}) == error_code::invalid_value);
}

TEST_CASE("a message expires at the end of its ttl and not a tick before", "[outbox][D6]") {
  for (const auto is_ready : {false, true}) {
    CAPTURE(is_ready);
    outbox_fixture f;
    if (is_ready)
      f.ready();
    f.must_accept("a", {.ttl = 5ms});
    CHECK(f.box.next_timeout() == f.now + 5ms);
    CHECK(f.box.expire(f.now + 5ms - 1ns, f.told) == loss{});
    CHECK(f.box.expire(f.now + 5ms, f.told) == loss{.not_sent = {1, 1}});
    CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::expired}});
    CHECK(f.box.totals().not_sent == tally{1, 1});
    CHECK(f.box.next_timeout() == std::nullopt);
    CHECK(f.box.is_flushed());
  }
}

TEST_CASE("a message without ttl ages only without a connection", "[outbox][D6]") {
  outbox_fixture f;
  f.must_accept("a");
  CHECK(f.box.next_timeout() == f.now + 10s);
  f.now += 9s;
  f.ready();
  f.now += 1h;
  CHECK(f.box.expire(f.now, f.told) == loss{});
  CHECK(f.box.next_timeout() == std::nullopt);

  f.lose();
  CHECK(f.box.next_timeout() == f.now + 10s);
  f.now += 4s;
  f.must_accept("b");
  CHECK(f.box.expire(f.now + 6s, f.told) == loss{.not_sent = {1, 1}});
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::expired}});
  CHECK(f.box.next_timeout() == f.now + 10s);
}

TEST_CASE("a ttl counts from acceptance, through any number of connections", "[outbox][D6]") {
  outbox_fixture f;
  const auto accepted_at = f.now;
  f.must_accept("a", {.ttl = 30s});
  for (int connection = 0; connection < 3; ++connection) {
    f.now += 5s;
    CHECK(f.ready() == loss{});
    f.now += 4s;
    f.lose();
    CHECK(f.box.next_timeout() == accepted_at + 30s);
  }
  CHECK(f.box.expire(accepted_at + 30s, f.told) == loss{.not_sent = {1, 1}});
}

TEST_CASE("what has expired does not leave when a connection comes back", "[outbox][D6]") {
  outbox_fixture f;
  f.must_accept("a");
  f.now += 1s;
  f.must_accept("b");
  f.now += 9s;
  CHECK(f.ready() == loss{.not_sent = {1, 1}});
  CHECK(f.told.take() == expected{{1, 1, outcome::not_sent, error_code::expired}});
  CHECK(f.take_all() == "b");
}

TEST_CASE("a message of which a byte left does not expire, those behind it do", "[outbox][D3][D6]") {
  outbox_fixture f{framing_mode::line};
  f.ready();
  f.must_accept("ab", {.ttl = 1ms});
  f.must_accept("cd", {.ttl = 1ms});
  f.must_accept("ef");
  f.take(1);
  CHECK(f.box.expire(f.now + 1h, f.told) == loss{.not_sent = {1, 2}});
  CHECK(f.told.take() == expected{{2, 2, outcome::not_sent, error_code::expired}});
  CHECK(f.take_all() == "b\nef\n");
}

TEST_CASE("a message in flight does not expire", "[outbox][D4][D6]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("a", {.wanted = outcome::acked, .ttl = 1ms});
  f.take_all();
  CHECK(f.box.next_timeout() == std::nullopt);
  CHECK(f.box.expire(f.now + 1h, f.told) == loss{});
  f.box.acknowledged(1, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked, error_code::none}});
}

TEST_CASE("the longest ttl does not wrap around", "[outbox][D6]") {
  outbox_fixture f;
  f.must_accept("a", {.ttl = std::chrono::milliseconds::max()});
  CHECK(f.box.next_timeout() == std::nullopt);
  CHECK(f.box.expire(f.now + 24h * 365 * 100, f.told) == loss{});
}

TEST_CASE("a timeout that came too early moves on to the exact time", "[outbox]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("a", {.ttl = 1ms});
  f.must_accept("b", {.ttl = 9ms});
  f.take(1);
  f.told.clear();
  CHECK(f.box.next_timeout() <= f.now + 9ms);
  CHECK(f.box.expire(f.now + 1ms, f.told) == loss{});
  CHECK(f.box.next_timeout() == f.now + 9ms);
}
