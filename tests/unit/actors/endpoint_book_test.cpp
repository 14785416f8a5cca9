#include "supervision/endpoint_book.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1h};

endpoint server(std::size_t number) {
  return {protocol::tcp, "server" + std::to_string(number), 1};
}

transport_error refused(const std::string& text) {
  return make_error(error_code::refused, phase::connect, origin::remote, text, 111);
}

} // namespace

TEST_CASE("an endpoint is remembered until its time is over, however often it is asked about", "[B2]") {
  endpoint_book memory{5};
  memory.keep(server(1), {start + 5s, 3}, start + 10s, start);
  SECTION("before") {
    const auto known = memory.find(server(1), start + 10s - duration{1});
    REQUIRE(known);
    CHECK(known->not_before == start + 5s);
    CHECK(known->failures == 3);
    CHECK(memory.find(server(1), start + 10s - duration{1}));
  }
  SECTION("then") {
    CHECK_FALSE(memory.find(server(1), start + 10s));
  }
  SECTION("unless it is to be forgotten before") {
    memory.forget(server(2));
    CHECK(memory.size() == 1);
    memory.forget(server(1));
    CHECK_FALSE(memory.find(server(1), start));
  }
  CHECK_FALSE(memory.find(server(2), start));
  CHECK_FALSE(memory.find(server(1), start + 10s));
  CHECK(memory.size() == 0);
}

TEST_CASE("of two histories of one endpoint the worse one counts", "[B2]") {
  endpoint_book memory{5};
  memory.keep(server(1), {start + 5s, 1}, start + 10s, start);
  memory.keep(server(1), {start + 2s, 7}, start + 8s, start);
  CHECK(memory.size() == 1);
  const auto known = memory.find(server(1), start + 9s);
  REQUIRE(known);
  CHECK(known->not_before == start + 5s);
  CHECK(known->failures == 7);
}

TEST_CASE("a history whose time is over adds nothing to the next one", "[B4]") {
  endpoint_book memory{5};
  memory.keep(server(1), {start + 5s, 7}, start + 10s, start);
  memory.keep(server(1), {start + 2s, 1}, start + 20s, start + 10s);
  const auto known = memory.find(server(1), start + 10s);
  REQUIRE(known);
  CHECK(known->not_before == start + 2s);
  CHECK(known->failures == 1);
}

TEST_CASE("no more endpoints are remembered than the limit, and the next to be forgotten goes first", "[B10]") {
  endpoint_book memory{5};
  constexpr auto count = endpoint_book::endpoints_max + 10;
  for (std::size_t number = 0; number < count; ++number)
    memory.keep(server(number), {}, start + std::chrono::seconds{number + 1}, start);
  CHECK(memory.size() == endpoint_book::endpoints_max);
  for (std::size_t number = 0; number < count; ++number)
    CHECK(memory.find(server(number), start).has_value() == (number >= 10));
}

TEST_CASE("those whose time is over make room before others are forgotten", "[B10]") {
  endpoint_book memory{5};
  for (std::size_t number = 0; number < endpoint_book::endpoints_max; ++number)
    memory.keep(server(number), {}, start + (number < 100 ? 1s : 1h), start);
  memory.keep(server(5'000), {}, start + 1h, start + 1s);
  CHECK(memory.size() == endpoint_book::endpoints_max - 99);
}

TEST_CASE("a breaker opens at exactly so many failures in a row, and a success closes it", "[P4]") {
  endpoint_book book{3};
  auto& where = book.hold(server(1));
  CHECK_FALSE(book.note_failure(where, refused("one"), start));
  CHECK_FALSE(book.note_failure(where, refused("two"), start));
  CHECK_FALSE(book.close(where));
  CHECK_FALSE(book.note_failure(where, refused("one"), start));
  CHECK_FALSE(book.note_failure(where, refused("two"), start));
  CHECK(book.open_count() == 0);
  CHECK_FALSE(book.poll_change());
  CHECK(book.note_failure(where, refused("three"), start + 1s));
  CHECK(book.open_count() == 1);
  CHECK(book.openings() == 1);
  REQUIRE(where.open);
  CHECK(where.open->not_before == start + 1s);
  const auto opened = book.poll_change();
  REQUIRE(opened);
  CHECK(opened->is_open);
  CHECK(opened->remote == server(1));
  CHECK(opened->cause == refused("three"));
  // It opens once, however often more attempts fail; the last one is what is told.
  CHECK_FALSE(book.note_failure(where, refused("four"), start));
  CHECK(where.open->not_before == start + 1s);
  const auto told = endpoint_book::describe(where);
  CHECK(told.code == error_code::breaker_open);
  CHECK(told.system_code == 111);
  CHECK(told.text == "the breaker of tcp://server1:1 is open after 4 failed attempts in a row, the last one: four");
  CHECK(book.close(where));
  CHECK(book.open_count() == 0);
  CHECK(book.openings() == 1);
  const auto closed = book.poll_change();
  REQUIRE(closed);
  CHECK_FALSE(closed->is_open);
  CHECK_FALSE(book.poll_change());
}

TEST_CASE("without a number of failures a breaker never opens", "[P4]") {
  endpoint_book book{0};
  auto& where = book.hold(server(1));
  for (int count = 0; count < 1'000; ++count)
    CHECK_FALSE(book.note_failure(where, refused("no"), start));
}

TEST_CASE("a breaker outlives its peers for as long as what they did is remembered", "[P4]") {
  endpoint_book book{1};
  auto* where = &book.hold(server(1));
  CHECK(book.note_failure(*where, refused("no"), start + 1s));
  SECTION("and no longer, if nothing is") {
    book.release(*where);
    CHECK(book.open_count() == 0);
  }
  SECTION("until it is forgotten") {
    book.keep(server(1), {start + 5s, 1}, start + 10s, start);
    CHECK(where->open->not_before == start + 5s);
    book.release(*where);
    CHECK(book.open_count() == 1);
    CHECK(book.look_up(server(1))->open);
    book.forget_until(start + 10s);
    CHECK(book.open_count() == 0);
  }
  SECTION("or as there is a peer, if that is longer") {
    book.keep(server(1), {start + 5s, 1}, start + 10s, start);
    book.forget_until(start + 10s);
    CHECK(book.open_count() == 1);
    book.release(*where);
    CHECK(book.open_count() == 0);
  }
  CHECK(book.size() == 0);
  CHECK(book.poll_change()->is_open);
  CHECK_FALSE(book.poll_change()->is_open);
}

TEST_CASE("changes of breakers that nobody asks about are bounded", "[B10]") {
  endpoint_book book{1};
  auto& where = book.hold(server(1));
  for (std::size_t count = 0; count < endpoint_book::changes_max; ++count) {
    book.note_failure(where, refused("no"), start);
    CHECK(book.close(where));
  }
  std::size_t changes = 0;
  while (book.poll_change())
    ++changes;
  CHECK(changes == endpoint_book::changes_max);
}
