#include <actorwire/transports/buffer_pool.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#  define ACTORWIRE_ADDRESSES_ARE_WATCHED 1
#elif defined(__has_feature)
#  if __has_feature(address_sanitizer)
#    define ACTORWIRE_ADDRESSES_ARE_WATCHED 1
#  endif
#endif
#if defined(ACTORWIRE_ADDRESSES_ARE_WATCHED)
#  include <sanitizer/asan_interface.h>
#endif

using namespace actorwire;

namespace {

// Under AddressSanitizer the pool keeps nothing, so that a use after release is seen.
#if defined(ACTORWIRE_ADDRESSES_ARE_WATCHED)
constexpr bool pool_keeps_slabs = false;
#else
constexpr bool pool_keeps_slabs = true;
#endif

using size_class = buffer_pool::size_class;

constexpr std::size_t small_size = buffer_pool::slab_sizes[0];
constexpr std::size_t large_size = buffer_pool::slab_sizes[1];

/// What a receiver of bytes does with a slab: wraps a part of it and drops its own reference.
payload filled(slab* memory, std::uint32_t size, std::byte value) {
  std::memset(memory->bytes(), static_cast<int>(value), size);
  payload view{*memory, 0, size};
  memory->release();
  return view;
}

} // namespace

TEST_CASE("a slab has the capacity of its class and one reference") {
  buffer_pool pool{std::make_shared<memory_budget>(1U << 20U)};
  auto* small = pool.take(size_class::small);
  auto* large = pool.take(size_class::large);
  REQUIRE(small != nullptr);
  REQUIRE(large != nullptr);
  CHECK(small->capacity == small_size);
  CHECK(large->capacity == large_size);
  CHECK(small->references == 1);
  CHECK(large->references == 1);
  std::memset(small->bytes(), 1, small->capacity);
  std::memset(large->bytes(), 2, large->capacity);
  small->release();
  large->release();
}

TEST_CASE("a released slab is handed out again with one reference") {
  auto budget = std::make_shared<memory_budget>(1U << 20U);
  buffer_pool pool{budget};
  auto* first = pool.take(size_class::small);
  REQUIRE(first != nullptr);
  first->retain();
  first->release();
  first->release();
  auto* second = pool.take(size_class::small);
  REQUIRE(second != nullptr);
  CHECK(second->references == 1);
  CHECK(budget->used() == small_size);
  if (pool_keeps_slabs)
    CHECK(second == first);
  second->release();
}

TEST_CASE("under AddressSanitizer nobody may touch a slab that was given back, from its first byte to its last",
          "[F3]") {
#if defined(ACTORWIRE_ADDRESSES_ARE_WATCHED)
  auto budget = std::make_shared<memory_budget>(1U << 20U);
  buffer_pool pool{budget};
  for (const auto wanted : {size_class::small, size_class::large}) {
    auto* memory = pool.take(wanted);
    REQUIRE(memory != nullptr);
    const auto size = memory->capacity;
    auto* bytes = memory->bytes();
    auto whole = filled(memory, size, std::byte{42});
    auto part = whole.slice(100, 10);
    whole = {};
    // A part of it keeps all of it.
    CHECK(__asan_region_is_poisoned(bytes, size) == nullptr);
    part = {};
    for (std::uint32_t offset = 0; offset < size; ++offset)
      REQUIRE(__asan_address_is_poisoned(bytes + offset));
    // Nor what they know of each other.
    CHECK(__asan_address_is_poisoned(memory));
    auto* next = pool.take(wanted);
    REQUIRE(next != nullptr);
    CHECK(__asan_region_is_poisoned(next->bytes(), size) == nullptr);
    next->release();
  }
  CHECK(budget->used() == 0);
#else
  SKIP("there is no AddressSanitizer to ask");
#endif
}

TEST_CASE("slabs in use are never handed out twice", "[F3]") {
  buffer_pool pool{std::make_shared<memory_budget>(1U << 20U)};
  std::set<slab*> in_use;
  for (int round = 0; round < 3; ++round) {
    while (in_use.size() < 20) {
      auto* taken = pool.take(size_class::small);
      REQUIRE(taken != nullptr);
      REQUIRE(in_use.insert(taken).second);
    }
    for (int count = 0; count < 7; ++count) {
      auto victim = in_use.begin();
      auto* released = *victim;
      in_use.erase(victim);
      released->release();
    }
  }
  for (auto* each : in_use)
    each->release();
}

TEST_CASE("taking fails at the memory limit and succeeds again after a release", "[F3]") {
  auto budget = std::make_shared<memory_budget>(3 * small_size);
  buffer_pool pool{budget};
  std::array<slab*, 3> taken{};
  for (auto& each : taken) {
    each = pool.take(size_class::small);
    REQUIRE(each != nullptr);
  }
  CHECK(pool.take(size_class::small) == nullptr);
  CHECK(pool.take(size_class::large) == nullptr);
  CHECK(budget->used() == 3 * small_size);
  taken[1]->release();
  taken[1] = pool.take(size_class::small);
  CHECK(taken[1] != nullptr);
  for (auto* each : taken)
    if (each != nullptr)
      each->release();
}

TEST_CASE("memory that waits on one shelf gives way to a request of the other at the limit") {
  auto budget = std::make_shared<memory_budget>(large_size);
  buffer_pool pool{budget};
  std::vector<slab*> small;
  for (int count = 0; count < 4; ++count)
    small.push_back(pool.take(size_class::small));
  CHECK(pool.take(size_class::large) == nullptr);
  for (auto* each : small) {
    REQUIRE(each != nullptr);
    each->release();
  }
  auto* large = pool.take(size_class::large);
  REQUIRE(large != nullptr);
  CHECK(budget->used() == large_size);
  large->release();
}

TEST_CASE("pools that share a budget share its limit", "[F3]") {
  auto budget = std::make_shared<memory_budget>(2 * small_size);
  buffer_pool one{budget};
  buffer_pool other{budget};
  auto* first = one.take(size_class::small);
  auto* second = other.take(size_class::small);
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  CHECK(one.take(size_class::small) == nullptr);
  CHECK(other.take(size_class::small) == nullptr);
  first->release();
  second->release();
}

TEST_CASE("trimming frees all but a reserve of 128 KiB for each size and leaves slabs in use alone", "[F3]") {
  auto budget = std::make_shared<memory_budget>(16U << 20U);
  buffer_pool pool{budget};
  std::vector<slab*> taken;
  for (int count = 0; count < 40; ++count) {
    taken.push_back(pool.take(size_class::small));
    taken.push_back(pool.take(size_class::large));
  }
  auto kept = filled(pool.take(size_class::small), 100, std::byte{42});
  CHECK(budget->used() == 40 * (small_size + large_size) + small_size);
  pool.trim();
  CHECK(budget->used() == 40 * (small_size + large_size) + small_size);
  for (auto* each : taken) {
    REQUIRE(each != nullptr);
    each->release();
  }
  // Half of what came back lies on the owner's list, half on the return list; both are trimmed.
  auto* again = pool.take(size_class::small);
  REQUIRE(again != nullptr);
  again->release();
  pool.trim();
  CHECK(budget->used() == (pool_keeps_slabs ? 2 * (128U << 10U) + small_size : small_size));
  CHECK(kept.bytes()[99] == std::byte{42});
  pool.trim();
  CHECK(budget->used() == (pool_keeps_slabs ? 2 * (128U << 10U) + small_size : small_size));
}

TEST_CASE("a payload outlives its pool and gives its memory back to the budget", "[F3]") {
  auto budget = std::make_shared<memory_budget>(1U << 20U);
  payload survivor;
  {
    buffer_pool pool{budget};
    survivor = filled(pool.take(size_class::large), 1'000, std::byte{7});
    filled(pool.take(size_class::small), 1, std::byte{1});
  }
  CHECK(budget->used() == large_size);
  CHECK(survivor.bytes()[999] == std::byte{7});
  survivor = {};
  CHECK(budget->used() == 0);
}

TEST_CASE("payloads that programs make do not count against the budget") {
  auto budget = std::make_shared<memory_budget>(small_size);
  buffer_pool pool{budget};
  auto received = filled(pool.take(size_class::small), 10, std::byte{3});
  auto own = received.detach();
  received = {};
  pool.trim();
  auto used_by_pool = pool_keeps_slabs ? small_size : 0;
  CHECK(budget->used() == used_by_pool);
  CHECK(own.size() == 10);
}

TEST_CASE("slabs given back by other threads while the pool dies are all freed exactly once", "[F3][C2]") {
  constexpr int rounds = 60;
  constexpr int releasers = 3;
  for (int round = 0; round < rounds; ++round) {
    auto budget = std::make_shared<memory_budget>(8U << 20U);
    std::mutex guard;
    std::deque<payload> handed_over;
    std::atomic<bool> no_more{false};
    std::vector<std::thread> threads;
    std::atomic<std::size_t> corrupt{0};
    for (int index = 0; index < releasers; ++index)
      threads.emplace_back([&] {
        for (;;) {
          // Read before looking: what is handed over before the last word is still found.
          const auto last = no_more.load();
          payload held;
          {
            std::lock_guard lock{guard};
            if (!handed_over.empty()) {
              held = std::move(handed_over.front());
              handed_over.pop_front();
            }
          }
          if (held.empty()) {
            if (last)
              return;
            std::this_thread::yield();
            continue;
          }
          auto copy = held;
          const auto first = held.bytes().front();
          held = {};
          corrupt += copy.bytes().back() != first;
        }
      });

    std::size_t produced = 0;
    {
      buffer_pool pool{budget};
      for (int count = 0; count < 300; ++count) {
        auto* memory = pool.take(count % 3 == 0 ? size_class::large : size_class::small);
        if (memory == nullptr)
          continue;
        ++produced;
        auto bytes = filled(memory, 512, static_cast<std::byte>(count));
        std::lock_guard lock{guard};
        handed_over.push_back(std::move(bytes));
        if (count % 50 == 49)
          pool.trim();
      }
    }
    no_more = true;
    for (auto& each : threads)
      each.join();
    CHECK(produced > 0);
    CHECK(corrupt == 0);
    REQUIRE(budget->used() == 0);
  }
}
