// Which turns of a shard have CAF's workers told that actors outside of the shard have work.

#include "seam/outside_work.hpp"
#include "seed.hpp"
#include "stepped_shard.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <random>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// A shard whose turns have work for actors outside, which are numbers here: places in a deque of bytes, which nobody runs.
class busy_shard {
public:
  busy_shard() {
    home_.run.set_turn_work([this] {
      work_.begin_round();
      work_.end_round();
      return false;
    });
  }

  ~busy_shard() { home_.run.set_turn_work({}); }

  busy_shard(const busy_shard&) = delete;
  busy_shard& operator=(const busy_shard&) = delete;

  /// An event that the loop has at hand, whose turn has work for so many.
  void event(std::size_t actors) {
    home_.run.post([this, actors] {
      for (std::size_t count = 0; count < actors; ++count)
        work_.add(reinterpret_cast<caf::resumable*>(&places_.emplace_back()));
    });
  }

  /// Handles all events there are.
  void run() {
    while (home_.run.run_ready())
      continue;
  }

  /// Leaves it with sockets that have much to do.
  void make_busy() {
    for (int count = 0; count < 20; ++count)
      event(1);
    run();
    batches.clear();
  }

  [[nodiscard]] std::size_t added() const { return places_.size(); }

  /// The numbers of those that were handed over together.
  std::vector<std::vector<std::size_t>> batches;

  [[nodiscard]] std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> found;
    for (const auto& batch : batches)
      found.push_back(batch.size());
    return found;
  }

private:
  void take(const std::vector<caf::resumable*>& actors) {
    auto& batch = batches.emplace_back();
    for (const auto* who : actors) {
      const auto found = std::find_if(places_.begin(), places_.end(), [who](const char& place) {
        return reinterpret_cast<const caf::resumable*>(&place) == who;
      });
      batch.push_back(static_cast<std::size_t>(found - places_.begin()));
    }
  }

  stepped_shard home_;
  std::deque<char> places_;
  outside_work work_{home_.run, [this](const std::vector<caf::resumable*>& actors) { take(actors); }};
};

using sizes = std::vector<std::size_t>;

} // namespace

TEST_CASE("what one turn at a time has for outside is handed over at the end of that turn, together") {
  busy_shard shard;
  for (int count = 0; count < 100; ++count) {
    shard.event(3);
    shard.run();
  }
  CHECK(shard.sizes() == sizes(100, 3));
}

TEST_CASE("what many turns have for outside is handed over when all events at hand are handled") {
  busy_shard shard;
  shard.make_busy();
  for (int count = 0; count < 10; ++count)
    shard.event(2);
  shard.run();
  CHECK(shard.sizes() == sizes{20});
}

TEST_CASE("that many turns have work for outside is found out within a few turns") {
  busy_shard shard;
  for (int count = 0; count < 9; ++count)
    shard.event(1);
  shard.run();
  shard.batches.clear();
  for (int count = 0; count < 9; ++count)
    shard.event(1);
  shard.run();
  CHECK(shard.sizes() == sizes{9});
}

TEST_CASE("after many turns with work for outside, single ones are again handed over at the end of their turn") {
  busy_shard shard;
  shard.make_busy();
  for (int count = 0; count < 50; ++count) {
    shard.event(1);
    shard.run();
  }
  CHECK(shard.sizes() == sizes(50, 1));
  // And not after what comes behind it.
  shard.batches.clear();
  shard.event(1);
  shard.event(0);
  shard.event(1);
  shard.run();
  CHECK(shard.sizes() == sizes(2, 1));
}

TEST_CASE("no more than so many wait at once for the workers") {
  busy_shard shard;
  SECTION("of many turns") {
    shard.make_busy();
    for (std::size_t count = 0; count < outside_work::actors_max + 4; ++count)
      shard.event(2);
    shard.run();
    CHECK(shard.sizes() == sizes{outside_work::actors_max, outside_work::actors_max, 8});
  }
  SECTION("of one turn") {
    shard.event(outside_work::actors_max + 1);
    shard.run();
    CHECK(shard.sizes() == sizes{outside_work::actors_max, 1});
  }
}

TEST_CASE("nobody outside waits for more than so many turns") {
  busy_shard shard;
  shard.make_busy();
  shard.event(1);
  for (std::size_t count = 1; count < outside_work::turns_max; ++count)
    shard.event(0);
  shard.event(1);
  shard.event(1);
  shard.run();
  CHECK(shard.batches == std::vector<std::vector<std::size_t>>{{20}, {21, 22}});
}

TEST_CASE("whatever turns come, all for outside is handed over once and in order") {
  const test_seed seed;
  auto random = seed.engine();
  busy_shard shard;
  for (int round = 0; round < 300; ++round) {
    for (auto events = random() % (round % 7 == 0 ? 80 : 4); events > 0; --events)
      shard.event(random() % 3);
    shard.run();
    std::size_t next = 0;
    auto in_order = true;
    for (const auto& batch : shard.batches)
      for (const auto number : batch)
        in_order = in_order && number == next++;
    REQUIRE(in_order);
    REQUIRE(next == shard.added());
  }
}

} // namespace actorwire::test
