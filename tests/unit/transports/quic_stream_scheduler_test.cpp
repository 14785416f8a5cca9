// Which stream sends next.

#include "engine/quic/stream_scheduler.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <map>
#include <vector>

namespace actorwire::test {

namespace {

constexpr stream_priority sequential{3, false};
constexpr stream_priority incremental{3, true};

/// Who gets the next turns, when each takes one.
std::vector<std::int64_t> turns(stream_scheduler& streams, int count) {
  std::vector<std::int64_t> taken;
  for (; count > 0; --count) {
    const auto id = streams.next();
    if (!id)
      break;
    taken.push_back(*id);
    streams.rotate(*id);
  }
  return taken;
}

using ids = std::vector<std::int64_t>;

} // namespace

TEST_CASE("without streams nobody is next", "[stream_scheduler]") {
  stream_scheduler streams;
  CHECK_FALSE(streams.next());
  CHECK(streams.empty());
  streams.remove(4);
  streams.rotate(4);
  CHECK_FALSE(streams.contains(4));
}

TEST_CASE("the more urgent stream goes first, whenever it comes", "[stream_scheduler]") {
  stream_scheduler streams;
  streams.add(0, {7, true});
  streams.add(4, {3, false});
  CHECK(turns(streams, 3) == ids{4, 4, 4});
  streams.add(8, {0, true});
  CHECK(turns(streams, 2) == ids{8, 8});
  streams.remove(8);
  streams.remove(4);
  CHECK(turns(streams, 2) == ids{0, 0});
}

TEST_CASE("an urgency beyond the last counts as the last", "[stream_scheduler]") {
  stream_scheduler streams;
  streams.add(0, {7, true});
  streams.add(4, {255, true});
  CHECK(turns(streams, 4) == ids{0, 4, 0, 4});
}

TEST_CASE("streams that are not incremental go one after the other, in the order of their ids", "[stream_scheduler]") {
  stream_scheduler streams;
  for (const auto id : {8, 0, 4})
    streams.add(id, sequential);
  CHECK(turns(streams, 3) == ids{0, 0, 0});
  streams.remove(0);
  CHECK(turns(streams, 2) == ids{4, 4});
  streams.add(0, sequential);
  CHECK(turns(streams, 1) == ids{0});
}

TEST_CASE("incremental streams take turns", "[stream_scheduler]") {
  stream_scheduler streams;
  for (const auto id : {8, 0, 4})
    streams.add(id, incremental);
  CHECK(turns(streams, 6) == ids{8, 0, 4, 8, 0, 4});
  streams.remove(0);
  streams.add(0, incremental);
  CHECK(turns(streams, 3) == ids{8, 4, 0});
}

TEST_CASE("who is next stays so until the turn is over", "[stream_scheduler]") {
  stream_scheduler streams;
  streams.add(0, incremental);
  streams.add(4, incremental);
  CHECK(streams.next() == 0);
  CHECK(streams.next() == 0);
  streams.add(8, incremental);
  CHECK(streams.next() == 0);
}

TEST_CASE("streams that are not incremental take one turn together among those that are", "[stream_scheduler]") {
  stream_scheduler streams;
  streams.add(0, sequential);
  streams.add(4, incremental);
  streams.add(8, sequential);
  streams.add(12, incremental);
  CHECK(turns(streams, 7) == ids{0, 4, 12, 0, 4, 12, 0});
  streams.remove(0);
  CHECK(turns(streams, 4) == ids{4, 12, 8, 4});
}

TEST_CASE("a stream that is added again keeps its place, and moves when its priority changes", "[stream_scheduler]") {
  stream_scheduler streams;
  streams.add(0, incremental);
  streams.add(4, incremental);
  streams.add(0, incremental);
  CHECK(streams.next() == 0);
  CHECK(streams.size() == 2);
  streams.add(0, {4, true});
  CHECK(streams.next() == 4);
  streams.add(0, {2, false});
  CHECK(streams.next() == 0);
  CHECK(streams.size() == 2);
}

TEST_CASE("a stream that comes and goes gets no more turns than those that stay", "[stream_scheduler]") {
  for (const auto kind : {sequential, incremental}) {
    stream_scheduler streams;
    streams.add(0, incremental);
    streams.add(4, kind);
    std::map<std::int64_t, int> counts;
    for (int round = 0; round < 100; ++round) {
      const auto id = streams.next().value();
      ++counts[id];
      streams.rotate(id);
      if (id == 4) {
        streams.remove(4);
        streams.add(4, kind);
      }
    }
    CHECK(counts[0] == 50);
    CHECK(counts[4] == 50);
  }
}

TEST_CASE("whatever comes and goes, the most urgent is served and nobody waits beyond a round", "[stream_scheduler]") {
  const test_seed seed;
  auto chance = seed.engine();
  stream_scheduler streams;
  std::map<std::int64_t, stream_priority> known;
  for (int round = 0; round < 20'000; ++round) {
    const auto id = static_cast<std::int64_t>(4 * (chance() % 40));
    if (chance() % 3 != 0) {
      const stream_priority priority{static_cast<std::uint8_t>(chance() % 3), chance() % 2 == 0};
      streams.add(id, priority);
      known[id] = priority;
    } else {
      streams.remove(id);
      known.erase(id);
    }
    REQUIRE(streams.size() == known.size());
    REQUIRE(streams.contains(id) == known.contains(id));
    if (round % 100 != 0 || known.empty())
      continue;
    const auto urgency = std::min_element(known.begin(), known.end(), [](const auto& left, const auto& right) {
                           return left.second.urgency < right.second.urgency;
                         })->second.urgency;
    ids expected;
    auto has_sequential = false;
    for (const auto& [each, priority] : known) {
      if (priority.urgency != urgency || (!priority.incremental && has_sequential))
        continue;
      has_sequential = has_sequential || !priority.incremental;
      expected.push_back(each);
    }
    auto seen = turns(streams, static_cast<int>(expected.size()));
    std::sort(seen.begin(), seen.end());
    REQUIRE(seen == expected);
  }
}

} // namespace actorwire::test
