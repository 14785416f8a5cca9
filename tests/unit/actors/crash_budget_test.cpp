#include "supervision/crash_budget.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1h};

} // namespace

TEST_CASE("as many crashes as the limit are healed and one more is not", "[B8]") {
  crash_budget budget;
  for (int crash = 0; crash < 5; ++crash)
    REQUIRE(budget.spend(5, 30s, start + crash * 1s));
  REQUIRE_FALSE(budget.spend(5, 30s, start + 5s));
}

TEST_CASE("a crash counts until exactly one window later", "[B8]") {
  crash_budget budget;
  REQUIRE(budget.spend(2, 30s, start));
  REQUIRE(budget.spend(2, 30s, start + 29s));
  SECTION("one tick before it still does") {
    REQUIRE_FALSE(budget.spend(2, 30s, start + 30s - duration{1}));
  }
  SECTION("then it does not") {
    REQUIRE(budget.spend(2, 30s, start + 30s));
    REQUIRE_FALSE(budget.spend(2, 30s, start + 59s - duration{1}));
  }
}

TEST_CASE("crashes that are slower than the budget are healed for ever", "[B8]") {
  crash_budget budget;
  for (int crash = 0; crash < 10'000; ++crash)
    REQUIRE(budget.spend(5, 30s, start + crash * 6s));
}

TEST_CASE("a limit of zero heals no crash", "[B8]") {
  crash_budget budget;
  REQUIRE_FALSE(budget.spend(0, 30s, start));
}

TEST_CASE("a reset forgets all crashes", "[B8]") {
  crash_budget budget;
  for (int crash = 0; crash < 5; ++crash)
    REQUIRE(budget.spend(5, 30s, start));
  budget.reset();
  for (int crash = 0; crash < 5; ++crash)
    REQUIRE(budget.spend(5, 30s, start));
  REQUIRE_FALSE(budget.spend(5, 30s, start));
}
