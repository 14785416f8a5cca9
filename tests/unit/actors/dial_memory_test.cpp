#include "supervision/dial_memory.hpp"

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

} // namespace

TEST_CASE("an endpoint is remembered until its time is over, however often it is asked about", "[B2]") {
  dial_memory memory;
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
  dial_memory memory;
  memory.keep(server(1), {start + 5s, 1}, start + 10s, start);
  memory.keep(server(1), {start + 2s, 7}, start + 8s, start);
  CHECK(memory.size() == 1);
  const auto known = memory.find(server(1), start + 9s);
  REQUIRE(known);
  CHECK(known->not_before == start + 5s);
  CHECK(known->failures == 7);
}

TEST_CASE("a history whose time is over adds nothing to the next one", "[B4]") {
  dial_memory memory;
  memory.keep(server(1), {start + 5s, 7}, start + 10s, start);
  memory.keep(server(1), {start + 2s, 1}, start + 20s, start + 10s);
  const auto known = memory.find(server(1), start + 10s);
  REQUIRE(known);
  CHECK(known->not_before == start + 2s);
  CHECK(known->failures == 1);
}

TEST_CASE("no more endpoints are remembered than the limit, and the next to be forgotten goes first", "[B10]") {
  dial_memory memory;
  constexpr auto count = dial_memory::endpoints_max + 10;
  for (std::size_t number = 0; number < count; ++number)
    memory.keep(server(number), {}, start + std::chrono::seconds{number + 1}, start);
  CHECK(memory.size() == dial_memory::endpoints_max);
  for (std::size_t number = 0; number < count; ++number)
    CHECK(memory.find(server(number), start).has_value() == (number >= 10));
}

TEST_CASE("those whose time is over make room before others are forgotten", "[B10]") {
  dial_memory memory;
  for (std::size_t number = 0; number < dial_memory::endpoints_max; ++number)
    memory.keep(server(number), {}, start + (number < 100 ? 1s : 1h), start);
  memory.keep(server(5'000), {}, start + 1h, start + 1s);
  CHECK(memory.size() == dial_memory::endpoints_max - 99);
}
