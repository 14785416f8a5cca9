// The machine of one direction: what leaves it of what was put in, and how it ends.

#include "pattern.hpp"
#include "seed.hpp"
#include "tcp_fault_lane.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

using namespace std::chrono_literals;
using ending = tcp_fault_lane::ending;

constexpr auto start = tcp_fault_lane::time_point{};
constexpr auto much_later = start + 24h;

/// What leaves at `now`, piece by piece.
std::vector<std::string> pieces(tcp_fault_lane& lane, tcp_fault_lane::time_point now = much_later) {
  std::vector<std::string> all;
  for (auto piece = lane.piece(now); !piece.empty(); piece = lane.piece(now)) {
    all.emplace_back(piece);
    lane.left(piece.size());
  }
  return all;
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string whole;
  for (const auto& each : pieces)
    whole += each;
  return whole;
}

/// Puts in as much of `bytes` as is taken, and lets it leave; returns what left.
std::string carried(tcp_fault_lane& lane, std::string_view bytes) {
  std::string got;
  while (!bytes.empty() && lane.room() > 0) {
    const auto some = bytes.substr(0, lane.room());
    lane.take(some, start);
    bytes.remove_prefix(some.size());
    got += joined(pieces(lane));
  }
  return got;
}

} // namespace

TEST_CASE("a lane without faults lets everything pass, and then the end") {
  tcp_fault_lane lane{{}, {}};
  const auto bytes = pattern(1'000'000);
  CHECK(carried(lane, bytes) == bytes);
  CHECK(lane.end() == ending::none);
  lane.take_end(ending::finish);
  CHECK(lane.end() == ending::finish);
  CHECK(lane.room() == 0);
  CHECK_FALSE(lane.is_struck());
  CHECK(lane.taken() == bytes.size());
  CHECK(lane.passed() == bytes.size());
}

TEST_CASE("a lane takes no more than it may hold") {
  tcp_fault_lane lane{{}, {}};
  CHECK(lane.room() == tcp_fault_lane::held_max);
  lane.take(std::string(tcp_fault_lane::held_max, 'x'), start);
  CHECK(lane.room() == 0);
  lane.left(lane.piece(start).size());
  CHECK(lane.room() > 0);
}

TEST_CASE("a lane that is cut or reset passes what comes before the place, and then says so") {
  const auto fate = GENERATE(tcp_fate::cut, tcp_fate::reset);
  const auto at = GENERATE(0U, 1U, 100'000U);
  tcp_fault_lane lane{{.fate = fate, .at = at}, {}};
  const auto bytes = pattern(200'000);
  CHECK(lane.is_struck() == (at == 0));
  CHECK(carried(lane, bytes) == bytes.substr(0, at));
  CHECK(lane.is_struck());
  CHECK(lane.end() == (fate == tcp_fate::cut ? ending::cut : ending::reset));
}

TEST_CASE("a lane does not end before what it holds has left") {
  const auto how = GENERATE(ending::finish, ending::reset);
  tcp_fault_lane lane{{}, {}};
  lane.take("last words", start);
  lane.take_end(how);
  CHECK(lane.end() == ending::none);
  CHECK(joined(pieces(lane)) == "last words");
  CHECK(lane.end() == how);
}

TEST_CASE("a lane that swallows goes on taking, and nobody is told of anything") {
  tcp_fault_lane lane{{.fate = tcp_fate::swallow, .at = 10}, {}};
  const auto bytes = pattern(100'000);
  CHECK_FALSE(lane.is_silent());
  CHECK(carried(lane, bytes) == bytes.substr(0, 10));
  CHECK(lane.is_silent());
  CHECK(lane.taken() == bytes.size());
  CHECK(lane.passed() == 10);
  CHECK(lane.room() == tcp_fault_lane::held_max);
  lane.take_end(ending::finish);
  CHECK(lane.end() == ending::none);
}

TEST_CASE("a lane that stalls takes nothing more, and nobody is told of anything") {
  tcp_fault_lane lane{{.fate = tcp_fate::stall, .at = 10}, {}};
  const auto bytes = pattern(100'000);
  CHECK(carried(lane, bytes) == bytes.substr(0, 10));
  CHECK(lane.is_silent());
  CHECK(lane.taken() == 10);
  CHECK(lane.room() == 0);
  lane.take_end(ending::reset);
  CHECK(lane.end() == ending::none);
}

TEST_CASE("a lane that corrupts flips one bit of the byte at that place, and of no other") {
  const auto at = GENERATE(0U, 70'000U, 99'999U);
  tcp_fault_lane lane{{.fate = tcp_fate::corrupt, .at = at}, {}};
  const auto bytes = pattern(100'000);
  const auto got = carried(lane, bytes);
  REQUIRE(got.size() == bytes.size());
  for (std::size_t index = 0; index < bytes.size(); ++index)
    if (index != at)
      REQUIRE(got[index] == bytes[index]);
  CHECK(std::popcount(static_cast<unsigned char>(got[at] ^ bytes[at])) == 1);
  CHECK(lane.is_struck());
  CHECK_FALSE(lane.is_silent());
}

TEST_CASE("a fault beyond the last byte does not come about") {
  const auto fate = GENERATE(tcp_fate::cut, tcp_fate::swallow, tcp_fate::corrupt);
  tcp_fault_lane lane{{.fate = fate, .at = 101}, {}};
  CHECK(carried(lane, pattern(100)) == pattern(100));
  lane.take_end(ending::finish);
  CHECK(lane.end() == ending::finish);
  CHECK_FALSE(lane.is_struck());
}

TEST_CASE("pieces are no longer than they may be, and a seed decides how long each is", "[random]") {
  const test_seed seed;
  const auto bytes = pattern(10'000);
  const auto cut_up = [&](std::uint32_t stream) {
    tcp_fault_lane lane{{.piece_max = 100}, seed.engine(stream)};
    lane.take(bytes, start);
    return pieces(lane);
  };
  const auto once = cut_up(0);
  CHECK(joined(once) == bytes);
  CHECK(std::ranges::all_of(once, [](const std::string& each) { return !each.empty() && each.size() <= 100; }));
  CHECK(once == cut_up(0));
  CHECK(once != cut_up(1));
}

TEST_CASE("with pieces of one byte each travels alone") {
  tcp_fault_lane lane{{.piece_max = 1}, {}};
  lane.take("abc", start);
  CHECK(pieces(lane) == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("what is delayed leaves in order, and none later than the longest delay", "[random]") {
  const test_seed seed;
  tcp_fault_lane lane{{.delay_max = 100ms}, seed.engine()};
  const auto bytes = pattern(100);
  for (const auto byte : bytes)
    lane.take({&byte, 1}, start);
  CHECK(lane.piece(start - 1ms).empty());
  std::string got;
  while (const auto next = lane.next_time()) {
    REQUIRE(*next <= start + 100ms);
    const auto some = joined(pieces(lane, *next));
    REQUIRE_FALSE(some.empty());
    got += some;
  }
  CHECK(got == bytes);
  CHECK(joined(pieces(lane)).empty());
}

} // namespace actorwire::test
