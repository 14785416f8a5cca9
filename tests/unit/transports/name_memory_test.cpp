#include "engine/name_memory.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1h};

std::vector<ip_address> at(const std::string& numeric) {
  return {parse_ip_address(numeric).value()};
}

} // namespace

TEST_CASE("a name is remembered for exactly ten minutes from the question", "[P6]") {
  name_memory all;
  all.remember("a", at("192.0.2.1"), start);
  CHECK(all.recall("a", start + 10min) == at("192.0.2.1"));
  CHECK_FALSE(all.recall("a", start + 10min + 1ns));
  CHECK(all.size() == 0);
  CHECK_FALSE(all.recall("a", start));
}

TEST_CASE("to recall a name does not make what is known of it any younger", "[P6]") {
  name_memory all;
  all.remember("a", at("192.0.2.1"), start);
  CHECK(all.recall("a", start + 9min));
  CHECK_FALSE(all.recall("a", start + 11min));
}

TEST_CASE("of two answers the later one is remembered", "[P6]") {
  name_memory all;
  all.remember("a", at("192.0.2.1"), start + 1s);
  all.remember("a", at("192.0.2.2"), start);
  CHECK(all.size() == 1);
  CHECK(all.recall("a", start + 10min) == at("192.0.2.2"));
  CHECK_FALSE(all.recall("a", start + 10min + 1ns));
}

TEST_CASE("a name that is known not to exist is forgotten, and no other", "[P6]") {
  name_memory all;
  all.remember("a", at("192.0.2.1"), start);
  all.remember("b", at("192.0.2.2"), start);
  all.forget("a");
  all.forget("c");
  CHECK_FALSE(all.recall("a", start + 1s));
  CHECK(all.recall("b", start + 1s) == at("192.0.2.2"));
}

TEST_CASE("of more names than fit, the one that was used longest ago is forgotten", "[P6]") {
  name_memory all;
  for (std::size_t count = 0; count < name_memory::names_max; ++count)
    all.remember("n" + std::to_string(count), at("192.0.2.1"), start);
  CHECK(all.size() == name_memory::names_max);
  CHECK(all.recall("n0", start));
  all.remember("n1", at("192.0.2.1"), start);
  all.remember("new", at("192.0.2.2"), start);
  CHECK(all.size() == name_memory::names_max);
  CHECK_FALSE(all.recall("n2", start));
  for (const auto* kept : {"n0", "n1", "n3", "new"}) {
    CAPTURE(kept);
    CHECK(all.recall(kept, start));
  }
}
