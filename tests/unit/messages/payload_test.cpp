#include "seed.hpp"

#include <actorwire/messages/payload.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace std::string_view_literals;

namespace {

/// A pool of one slab that notes when it comes back.
class counting_owner final : public slab_owner {
public:
  explicit counting_owner(std::string_view content) : storage_(1 + content.size() / sizeof(block) + 1) {
    memory_ = new (storage_.data()) slab;
    memory_->capacity = static_cast<std::uint32_t>(content.size());
    memory_->owner = this;
    std::memcpy(memory_->bytes(), content.data(), content.size());
  }
  counting_owner(const counting_owner&) = delete;
  counting_owner& operator=(const counting_owner&) = delete;
  ~counting_owner() { memory_->~slab(); }

  void recycle(slab* memory) noexcept override {
    if (memory == memory_)
      ++returns;
  }

  [[nodiscard]] slab& memory() noexcept { return *memory_; }
  [[nodiscard]] std::uint32_t references() const noexcept { return memory_->references.load(); }

  std::atomic<int> returns{0};

private:
  struct alignas(slab) block {
    std::byte bytes[sizeof(slab)];
  };

  std::vector<block> storage_;
  slab* memory_ = nullptr;
};

} // namespace

TEST_CASE("a new payload is empty") {
  const payload nothing;
  CHECK(nothing.empty());
  CHECK(nothing.size() == 0);
  CHECK(nothing.bytes().empty());
  CHECK(nothing.text().empty());
  CHECK(nothing == payload::copy_of(""));
}

TEST_CASE("a payload made of a copy is independent of its origin") {
  std::string origin = "hello";
  const auto copy = payload::copy_of(origin);
  origin = "HELLO";
  CHECK(copy.text() == "hello");
  CHECK(copy.size() == 5);
  CHECK(static_cast<char>(copy.bytes().back()) == 'o');
}

TEST_CASE("a payload is filled in place by whoever makes it") {
  const auto made = payload::made_by(4, [](std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{'x'}); });
  CHECK(made.text() == "xxxx");
  std::size_t offered = 1;
  const auto nothing = payload::made_by(0, [&](std::span<std::byte> bytes) { offered = bytes.size(); });
  CHECK(offered == 0);
  CHECK(nothing.empty());
}

TEST_CASE("memory of a payload is not lost when filling it throws") {
  // The leak checker of the sanitizer build sees it if it is.
  CHECK_THROWS_AS(payload::made_by(64, [](std::span<std::byte>) { throw std::runtime_error{"no bytes"}; }),
                  std::runtime_error);
}

TEST_CASE("more than 4 GiB - 1 bytes are refused before memory is asked for") {
  if constexpr (sizeof(std::size_t) > 4)
    CHECK_THROWS_AS(payload::made_by(std::size_t{1} << 32U, [](std::span<std::byte>) {}), std::length_error);
}

TEST_CASE("copies share the bytes") {
  const auto first = payload::copy_of("shared");
  const auto second = first; // NOLINT(performance-unnecessary-copy-initialization): the copy is what is tested
  CHECK(second.data() == first.data());
  CHECK(second == first);
}

TEST_CASE("a slice shares the bytes of the whole") {
  const auto whole = payload::copy_of("0123456789");
  const auto part = whole.slice(2, 5);
  CHECK(part.text() == "23456");
  CHECK(part.data() == whole.data() + 2);
  const auto inner = part.slice(1, 3);
  CHECK(inner.text() == "345");
  CHECK(inner.data() == whole.data() + 3);
  CHECK(whole.slice(0, 10) == whole);
}

TEST_CASE("an empty slice holds no memory") {
  counting_owner owner{"0123456789"};
  {
    const payload whole{owner.memory(), 0, 10};
    const auto nothing = whole.slice(10, 0);
    CHECK(nothing.empty());
    CHECK(owner.references() == 2);
  }
  CHECK(payload{}.slice(0, 0).empty());
}

TEST_CASE("a slice keeps the memory alive after the whole is gone") {
  auto whole = payload::copy_of("0123456789");
  const auto part = whole.slice(3, 4);
  whole = payload{};
  CHECK(part.text() == "3456");
}

TEST_CASE("detaching copies the bytes and gives the shared memory back") {
  counting_owner owner{"0123456789"};
  payload part{owner.memory(), 4, 3};
  owner.memory().release();
  CHECK(owner.returns == 0);
  const auto kept = part.detach();
  CHECK(kept.data() != part.data());
  part = payload{};
  CHECK(owner.returns == 1);
  CHECK(kept.text() == "456");
}

TEST_CASE("moving leaves an empty payload behind") {
  counting_owner owner{"0123456789"};
  payload from{owner.memory(), 0, 10};
  const payload to = std::move(from);
  CHECK(from.empty()); // NOLINT(bugprone-use-after-move): that state is promised
  CHECK(from.data() == nullptr);
  CHECK(from.text().empty());
  CHECK(to.text() == "0123456789");
  CHECK(owner.references() == 2);
}

TEST_CASE("assigning gives up the old memory and takes the new") {
  counting_owner first_owner{"first"};
  counting_owner second_owner{"second"};
  payload bytes{first_owner.memory(), 0, 5};
  bytes = payload{second_owner.memory(), 0, 6};
  CHECK(bytes.text() == "second");
  CHECK(first_owner.references() == 1);
  CHECK(second_owner.references() == 2);
}

TEST_CASE("assigning a payload to itself changes nothing") {
  auto bytes = payload::copy_of("same");
  auto& same = bytes;
  bytes = same;
  CHECK(bytes.text() == "same");
  bytes = std::move(same);
  CHECK(bytes.text() == "same");
}

TEST_CASE("memory goes back to its owner exactly once, with the last reference") {
  counting_owner owner{"0123456789"};
  {
    std::vector<payload> references;
    for (std::uint32_t offset = 0; offset < 10; ++offset)
      references.emplace_back(owner.memory(), offset, 1);
    CHECK(owner.references() == 11);
    owner.memory().release();
    CHECK(owner.returns == 0);
    references.erase(references.begin() + 1, references.end());
    CHECK(owner.returns == 0);
  }
  CHECK(owner.returns == 1);
}

TEST_CASE("payloads are equal when their bytes are") {
  const auto whole = payload::copy_of("abcabc");
  CHECK(whole.slice(0, 3) == whole.slice(3, 3));
  CHECK(whole.slice(0, 3) == payload::copy_of("abc"));
  CHECK(whole.slice(0, 3) != whole.slice(1, 3));
  CHECK(whole.slice(0, 3) != whole.slice(0, 2));
  CHECK(payload::copy_of("a\0b"sv) != payload::copy_of("a\0c"sv));
}

TEST_CASE("a printed payload shows its size and never its content") {
  CHECK(to_string(payload::copy_of("hunter2")) == "payload(7 bytes)");
  CHECK(to_string(payload{}) == "payload(0 bytes)");
}

TEST_CASE("threads that copy, slice and drop references give the memory back exactly once", "[C2]") {
  const test::test_seed seed;
  const std::string content = "the quick brown fox jumps over the lazy dog";
  counting_owner owner{content};
  {
    const payload shared{owner.memory(), 0, static_cast<std::uint32_t>(content.size())};
    owner.memory().release();
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (std::uint32_t index = 0; index < 4; ++index) {
      threads.emplace_back([&, mine = shared, engine = seed.engine(index)]() mutable {
        std::vector<payload> held;
        for (int step = 0; step < 20'000; ++step) {
          const auto offset = static_cast<std::uint32_t>(engine() % content.size());
          held.push_back(mine.slice(offset, static_cast<std::uint32_t>(content.size()) - offset));
          if (held.back().text() != std::string_view{content}.substr(offset))
            ++wrong;
          if (engine() % 8 == 0)
            held.clear();
        }
      });
    }
    for (auto& thread : threads)
      thread.join();
    CHECK(wrong == 0);
    CHECK(owner.returns == 0);
    CHECK(owner.references() == 1);
  }
  CHECK(owner.returns == 1);
}

TEST_CASE("threads that drop the last references at once give the memory back exactly once", "[C2]") {
  for (int round = 0; round < 200; ++round) {
    counting_owner owner{"race"};
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int index = 0; index < 3; ++index) {
      threads.emplace_back([&go, mine = payload{owner.memory(), 0, 4}]() mutable {
        while (!go.load())
          std::this_thread::yield();
        mine = payload{};
      });
    }
    owner.memory().release();
    go = true;
    for (auto& thread : threads)
      thread.join();
    REQUIRE(owner.returns == 1);
  }
}
