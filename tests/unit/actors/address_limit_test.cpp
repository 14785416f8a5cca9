#include "address_limit.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace actorwire;

namespace {

const auto here = address_group_of("192.0.2.1");
const auto there = address_group_of("192.0.2.2");

} // namespace

TEST_CASE("an address takes as many places as it may have, and one more is refused and counted") {
  const auto all = std::make_shared<address_limit>(2U);
  const auto first = all->share_of(here);
  const auto second = all->share_of(here);
  const auto third = all->share_of(here);
  CHECK(first->take());
  CHECK(second->take());
  CHECK_FALSE(third->take());
  CHECK(all->refused() == 1);
  CHECK(all->share_of(there)->take());
}

TEST_CASE("a place is given back with the last that holds it, and an address without any is not kept") {
  const auto all = std::make_shared<address_limit>(1U);
  auto held = all->share_of(here);
  auto held_too = held;
  CHECK(held->take());
  CHECK(all->size() == 1);
  held = nullptr;
  CHECK_FALSE(all->share_of(here)->take());
  held_too = nullptr;
  CHECK(all->size() == 0);
  CHECK(all->share_of(here)->take());
}

TEST_CASE("a place that was never taken is not given back") {
  const auto all = std::make_shared<address_limit>(1U);
  const auto taken = all->share_of(here);
  CHECK(taken->take());
  {
    const auto refused = all->share_of(here);
    CHECK_FALSE(refused->take());
  }
  { const auto untouched = all->share_of(here); }
  CHECK_FALSE(all->share_of(here)->take());
  CHECK(all->size() == 1);
}

TEST_CASE("to take a place twice counts once") {
  const auto all = std::make_shared<address_limit>(2U);
  auto one = all->share_of(here);
  CHECK(one->take());
  CHECK(one->take());
  const auto other = all->share_of(here);
  CHECK(other->take());
  // Whoever has his place keeps it when there is no other.
  CHECK(one->take());
  CHECK(one->is_to_be_had());
  CHECK(all->refused() == 0);
}

TEST_CASE("to ask for a place takes none, and counts as refused where there is none") {
  const auto all = std::make_shared<address_limit>(1U);
  const auto asked = all->share_of(here);
  CHECK(asked->is_to_be_had());
  CHECK(all->size() == 0);
  const auto taken = all->share_of(here);
  CHECK(taken->take());
  CHECK_FALSE(asked->is_to_be_had());
  CHECK(all->refused() == 1);
}

TEST_CASE("places outlive whoever made them") {
  auto all = std::make_shared<address_limit>(1U);
  const auto held = all->share_of(here);
  CHECK(held->take());
  all = nullptr;
}

TEST_CASE("however many threads take places of one address, there are never more than it may have", "[C2]") {
  constexpr std::uint32_t most = 3;
  const auto all = std::make_shared<address_limit>(most);
  std::atomic<std::uint32_t> held{0};
  std::atomic<bool> has_exceeded{false};
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      for (int round = 0; round < 5'000; ++round) {
        const auto one = all->share_of(here);
        const auto other = all->share_of(here);
        for (const auto* each : {&one, &other})
          if ((*each)->take()) {
            if (++held > most)
              has_exceeded = true;
          } else {
            ++refused;
          }
        // Before they are given back, so that nobody else is counted beside them.
        held -= static_cast<std::uint32_t>(one->is_taken()) + static_cast<std::uint32_t>(other->is_taken());
      }
    });
  for (auto& each : threads)
    each.join();
  CHECK_FALSE(has_exceeded);
  CHECK(all->refused() == refused);
  CHECK(all->size() == 0);
}
