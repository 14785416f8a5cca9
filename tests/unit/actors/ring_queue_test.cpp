#include "delivery/ring_queue.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <utility>

using actorwire::ring_queue;
using actorwire::test::test_seed;

namespace {

/// A number that counts how many of its kind hold one; a number that was moved away counts no more.
class counted {
public:
  static inline int alive = 0;

  explicit counted(int value) : value_(std::make_unique<int>(value)) { ++alive; }
  counted(counted&& other) noexcept : value_(std::move(other.value_)) {}
  counted& operator=(counted&& other) noexcept {
    counted taken{std::move(other)};
    std::swap(value_, taken.value_);
    return *this;
  }
  ~counted() {
    if (value_ != nullptr)
      --alive;
  }

  [[nodiscard]] int value() const { return *value_; }

private:
  std::unique_ptr<int> value_;
};

/// A queue of `size` numbers from 0 on, whose front lies `offset` places into the block.
ring_queue<counted> queue_at(int offset, int size) {
  ring_queue<counted> queue;
  // One number stays in front, so that the block is not given back in between.
  for (int step = 0; step < offset; ++step) {
    queue.push_back(counted{-1});
    if (queue.size() > 1)
      queue.pop_front();
  }
  const auto fillers = queue.size();
  for (int value = 0; value < size; ++value) {
    queue.push_back(counted{value});
    if (value == 0 && fillers > 0)
      queue.pop_front();
  }
  return queue;
}

bool holds_numbers(const ring_queue<counted>& queue, int from, int to) {
  if (queue.size() != static_cast<std::size_t>(to - from))
    return false;
  for (int value = from; value < to; ++value)
    if (queue[static_cast<std::size_t>(value - from)].value() != value)
      return false;
  return true;
}

} // namespace

TEST_CASE("an empty ring queue holds no memory", "[ring_queue]") {
  ring_queue<counted> queue;
  CHECK(sizeof(queue) <= 24);
  CHECK(queue.empty());
  CHECK(queue.capacity() == 0);

  queue.push_back(counted{1});
  CHECK(queue.capacity() == ring_queue<counted>::capacity_min);
  queue.pop_front();
  CHECK(queue.capacity() == 0);
}

TEST_CASE("a ring queue gives elements in the order they came, wherever its front lies", "[ring_queue]") {
  for (int offset = 0; offset < 9; ++offset)
    for (int size = 1; size < 20; ++size) {
      CAPTURE(offset, size);
      auto queue = queue_at(offset, size);
      REQUIRE(holds_numbers(queue, 0, size));
      REQUIRE(queue.front().value() == 0);
      REQUIRE(queue.back().value() == size - 1);
      for (int value = 0; value < size; ++value)
        REQUIRE(queue.take_front().value() == value);
      REQUIRE(queue.empty());
    }
  CHECK(counted::alive == 0);
}

TEST_CASE("a ring queue shortened from the back keeps its front", "[ring_queue]") {
  for (int offset = 0; offset < 5; ++offset)
    for (int size = 1; size < 40; ++size)
      for (int kept = 0; kept <= size; ++kept) {
        CAPTURE(offset, size, kept);
        auto queue = queue_at(offset, size);
        queue.truncate(static_cast<std::size_t>(kept));
        REQUIRE(holds_numbers(queue, 0, kept));
        REQUIRE(counted::alive == kept);
      }
}

TEST_CASE("an element is taken from any place, and the others keep their order", "[ring_queue]") {
  for (int offset = 0; offset < 8; ++offset)
    for (int size = 1; size < 10; ++size)
      for (int index = 0; index < size; ++index) {
        CAPTURE(offset, size, index);
        auto queue = queue_at(offset, size);
        REQUIRE(queue.take(static_cast<std::size_t>(index)).value() == index);
        REQUIRE(queue.size() == static_cast<std::size_t>(size - 1));
        for (int left = 0; left < size - 1; ++left)
          REQUIRE(queue[static_cast<std::size_t>(left)].value() == (left < index ? left : left + 1));
        REQUIRE(counted::alive == size - 1);
      }
}

TEST_CASE("an element is put in at any place, and the others keep their order", "[ring_queue]") {
  for (int offset = 0; offset < 8; ++offset)
    for (int size = 1; size < 10; ++size)
      for (int index = 0; index <= size; ++index) {
        CAPTURE(offset, size, index);
        auto queue = queue_at(offset, size);
        queue.insert(static_cast<std::size_t>(index), counted{100});
        REQUIRE(queue.size() == static_cast<std::size_t>(size + 1));
        for (int place = 0; place <= size; ++place)
          REQUIRE(queue[static_cast<std::size_t>(place)].value()
                  == (place == index  ? 100
                      : place < index ? place
                                      : place - 1));
        REQUIRE(counted::alive == size + 1);
      }
}

TEST_CASE("a ring queue gives the memory of a burst back while it drains", "[ring_queue]") {
  ring_queue<int> queue;
  for (int value = 0; value < 1'000; ++value)
    queue.push_back(value);
  CHECK(queue.capacity() == 1'024);
  for (int value = 0; value < 1'000; ++value) {
    REQUIRE(queue.take_front() == value);
    const auto enough = std::max<std::size_t>(queue.size() * 8, ring_queue<int>::capacity_min);
    REQUIRE(queue.capacity() <= (queue.empty() ? 0 : enough));
  }
}

TEST_CASE("a ring queue does not swing between two capacities", "[ring_queue]") {
  for (std::size_t size = 1; size < 300; ++size) {
    CAPTURE(size);
    ring_queue<int> queue;
    for (std::size_t index = 0; index < 1'000; ++index)
      queue.push_back(0);
    while (queue.size() > size)
      queue.pop_front();
    queue.push_back(0);
    const auto capacity = queue.capacity();
    for (int step = 0; step < 4; ++step) {
      queue.pop_front();
      REQUIRE(queue.capacity() == capacity);
      queue.push_back(0);
      REQUIRE(queue.capacity() == capacity);
    }
  }
}

TEST_CASE("a moved ring queue takes everything along", "[ring_queue]") {
  auto source = queue_at(3, 10);
  ring_queue<counted> target{std::move(source)};
  CHECK(holds_numbers(target, 0, 10));
  source = queue_at(0, 2);
  CHECK(holds_numbers(source, 0, 2));

  target = std::move(source);
  CHECK(holds_numbers(target, 0, 2));
  CHECK(counted::alive == 2);
}

TEST_CASE("an element of a full ring queue may be appended to it", "[ring_queue]") {
  ring_queue<int> queue;
  for (int value = 7; value < 11; ++value)
    queue.push_back(value);
  REQUIRE(queue.size() == queue.capacity());
  queue.push_back(queue.front());
  CHECK(queue.back() == 7);
  CHECK(queue.front() == 7);
}

TEST_CASE("a ring queue behaves like a deque", "[ring_queue]") {
  const test_seed seed;
  auto chance = seed.engine();
  ring_queue<counted> queue;
  std::deque<int> model;
  int next = 0;
  int target = 0;
  for (int step = 0; step < 100'000; ++step) {
    if (step % 200 == 0)
      target = static_cast<int>(chance() % 150);
    const auto grows = chance() % 150 > (static_cast<int>(model.size()) < target ? 50U : 100U);
    if (grows) {
      queue.push_back(counted{next});
      model.push_back(next++);
    } else if (chance() % 500 == 0) {
      const auto kept = model.empty() ? 0 : chance() % model.size();
      queue.truncate(kept);
      model.resize(kept);
    } else if (!model.empty()) {
      REQUIRE(queue.take_front().value() == model.front());
      model.pop_front();
    }
    REQUIRE(queue.size() == model.size());
    REQUIRE(counted::alive == static_cast<int>(model.size()));
    if (!model.empty()) {
      const auto index = chance() % model.size();
      REQUIRE(queue[index].value() == model[index]);
    }
  }
  queue.clear();
  CHECK(counted::alive == 0);
}
