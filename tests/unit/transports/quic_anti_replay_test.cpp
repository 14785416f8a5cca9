// Early data are taken once.

#include "edge/quic/shared_anti_replay.hpp"
#include "engine/quic/anti_replay_store.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace actorwire::test {

namespace {

using namespace std::chrono_literals;

constexpr anti_replay_store::wall_time_point noon{1'800'000'000s};

std::span<const std::byte> key(std::string_view text) {
  return std::as_bytes(std::span{text});
}

void no_chance(std::span<std::byte> bytes) {
  std::fill(bytes.begin(), bytes.end(), std::byte{7});
}

} // namespace

TEST_CASE("a message is new once, until its time is over", "[anti_replay_store]") {
  anti_replay_store store{no_chance};
  CHECK(store.add(key("hello"), noon + 10s, noon));
  CHECK_FALSE(store.add(key("hello"), noon + 10s, noon));
  CHECK_FALSE(store.add(key("hello"), noon + 20s, noon + 9s));
  CHECK(store.add(key("other"), noon + 10s, noon));
  CHECK(store.size() == 2);
  CHECK(store.add(key("hello"), noon + 20s, noon + 10s));
  CHECK(store.size() == 1);
}

TEST_CASE("a message whose time is over is not new", "[anti_replay_store]") {
  anti_replay_store store{no_chance};
  CHECK_FALSE(store.add(key("late"), noon, noon));
  CHECK_FALSE(store.add(key("late"), noon - 1s, noon));
  CHECK(store.size() == 0);
}

TEST_CASE("a full store calls everything seen, until there is room", "[anti_replay_store]") {
  anti_replay_store store{no_chance, 100};
  for (int count = 0; count < 100; ++count)
    CHECK(store.add(key(std::to_string(count)), noon + 10s + count * 1ms, noon));
  CHECK_FALSE(store.add(key("one more"), noon + 10s, noon));
  CHECK_FALSE(store.add(key("0"), noon + 10s, noon));
  CHECK(store.size() == 100);
  CHECK(store.add(key("one more"), noon + 20s, noon + 10s));
  CHECK_FALSE(store.add(key("1"), noon + 20s, noon + 10s));
  CHECK(store.size() == 100);
}

TEST_CASE("messages are forgotten in the order of their times, not of their coming", "[anti_replay_store]") {
  anti_replay_store store{no_chance};
  CHECK(store.add(key("long"), noon + 30s, noon));
  CHECK(store.add(key("short"), noon + 10s, noon));
  CHECK(store.add(key("short"), noon + 30s, noon + 15s));
  CHECK_FALSE(store.add(key("long"), noon + 30s, noon + 15s));
}

TEST_CASE("of copies that reach several threads at once one is new", "[shared_anti_replay][C2]") {
  shared_anti_replay store{no_chance};
  std::atomic<int> fresh = 0;
  std::vector<std::thread> shards;
  for (int shard = 0; shard < 4; ++shard)
    shards.emplace_back([&] {
      for (int count = 0; count < 1'000; ++count)
        if (store.add(key(std::to_string(count)), noon + 10s, noon))
          ++fresh;
    });
  for (auto& each : shards)
    each.join();
  CHECK(fresh == 1'000);
}

} // namespace actorwire::test
