// The slab that the connections of a shard share, within the memory limit and at it.

#include "edge/receive_slab.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace actorwire::test {

namespace {

constexpr std::uint32_t slab_size = buffer_pool::slab_sizes[0];

/// A shard's slab, and the budget that it draws on.
struct shared_slab {
  explicit shared_slab(std::size_t limit) : budget(std::make_shared<memory_budget>(limit)), pool(budget) {}

  /// Reads so many bytes, and returns what a program gets; nothing where reading pauses.
  payload read(std::uint32_t size, char value = 'x') {
    const auto space = slab_of_shard().prepare(pool);
    if (space.memory == nullptr)
      return {};
    REQUIRE(space.size >= size);
    std::memset(space.data(), value, size);
    payload bytes{*space.memory, space.offset, size};
    slab_of_shard().commit(size);
    return bytes;
  }

  receive_slab& slab_of_shard() { return boost::asio::use_service<receive_slab>(loop); }

  std::shared_ptr<memory_budget> budget;
  buffer_pool pool;
  boost::asio::io_context loop;
};

} // namespace

TEST_CASE("at the memory limit a shard reads into one slab beyond it, and into no other", "[receive_slab]") {
  shared_slab with{1U << 20U};
  REQUIRE(with.budget->try_take(1U << 20U));
  const auto first = with.read(50, 'a');
  CHECK(first.text() == std::string(50, 'a'));
  CHECK(with.budget->used() == (1U << 20U) + slab_size);
  auto most = with.read(slab_size / 4 * 3, 'b');
  CHECK(most.size() == slab_size / 4 * 3);
  // Somebody has what was read into it.
  CHECK(with.read(1).empty());
  CHECK(with.budget->used() == (1U << 20U) + slab_size);
  most = {};
  CHECK(with.read(1).empty());
  CHECK(first.text() == std::string(50, 'a'));
}

TEST_CASE("the slab beyond the memory limit is read into again when nobody has anything in it", "[receive_slab]") {
  shared_slab with{1U << 20U};
  REQUIRE(with.budget->try_take(1U << 20U));
  for (auto round = 0; round < 100; ++round)
    CHECK(with.read(slab_size / 4 * 3).size() == slab_size / 4 * 3);
  CHECK(with.budget->used() == (1U << 20U) + slab_size);
}

TEST_CASE("a shard that has read beyond the memory limit goes on within it, and at the next time is given no more",
          "[receive_slab]") {
  shared_slab with{1U << 20U};
  REQUIRE(with.budget->try_take(1U << 20U));
  const auto held = with.read(slab_size);
  CHECK(held.size() == slab_size);
  with.budget->give_back(1U << 20U);
  const auto within = with.read(slab_size);
  CHECK(within.size() == slab_size);
  CHECK(with.budget->used() == 2 * slab_size);
  REQUIRE(with.budget->try_take((1U << 20U) - 2 * slab_size));
  CHECK(with.read(1).empty());
  CHECK(with.budget->used() == 1U << 20U);
}

} // namespace actorwire::test
