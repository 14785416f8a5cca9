#pragma once

#include "delivery/spare_block.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace actorwire {

/// A first-in-first-out queue in a single block of memory, used as a ring. It is made for queues that are empty most of
/// the time and deep now and then: empty it holds no memory at all, where `std::deque` holds 576 bytes, and a block that
/// a burst has blown up is given back while the queue drains. The smallest block is passed on from one queue to another,
/// see `spare_block`.
///
/// Both ends are amortised constant time. The capacity is a power of two; it doubles when full and drops to a quarter
/// when an eighth of it is used, so that no sequence of calls makes it swing. References stay valid until the next call
/// that adds or removes.
/// *Errors:* `push_back` throws `std::bad_alloc` and has then changed nothing; removing never throws.
template <class T>
class ring_queue {
  static_assert(std::is_nothrow_move_constructible_v<T>, "moving elements to another block must not fail half-way");
  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__, "asking for more takes the slow way through malloc");

public:
  /// The smallest block; it holds this many elements.
  static constexpr std::uint32_t capacity_min = 4;

  ring_queue() noexcept = default;

  ring_queue(ring_queue&& other) noexcept
    : slots_(std::exchange(other.slots_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      head_(std::exchange(other.head_, 0)),
      size_(std::exchange(other.size_, 0)) {}

  ring_queue& operator=(ring_queue&& other) noexcept {
    ring_queue taken{std::move(other)};
    swap(taken);
    return *this;
  }

  ring_queue(const ring_queue&) = delete;
  ring_queue& operator=(const ring_queue&) = delete;

  ~ring_queue() { clear(); }

  void swap(ring_queue& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(capacity_, other.capacity_);
    std::swap(head_, other.head_);
    std::swap(size_, other.size_);
  }

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// How many elements the block has room for; 0 without a block.
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  /// The element `index` places behind the front.
  [[nodiscard]] T& operator[](std::size_t index) noexcept {
    assert(index < size_);
    return *slot(static_cast<std::uint32_t>(index));
  }
  [[nodiscard]] const T& operator[](std::size_t index) const noexcept {
    assert(index < size_);
    return *slot(static_cast<std::uint32_t>(index));
  }
  [[nodiscard]] T& front() noexcept { return (*this)[0]; }
  [[nodiscard]] const T& front() const noexcept { return (*this)[0]; }
  [[nodiscard]] T& back() noexcept { return (*this)[size() - 1]; }
  [[nodiscard]] const T& back() const noexcept { return (*this)[size() - 1]; }

  /// Appends `value`; taken by value, so that an element of this queue may be appended to it.
  void push_back(T value) {
    if (size_ == capacity_)
      grow();
    std::construct_at(slot(size_), std::move(value));
    ++size_;
  }

  /// Appends an element that is made in its place, of what is no element of this queue, and returns it.
  template <class... Args>
  T& emplace_back(Args&&... args) {
    static_assert(std::is_nothrow_constructible_v<T, Args...>);
    if (size_ == capacity_)
      grow();
    auto* made = std::construct_at(slot(size_), std::forward<Args>(args)...);
    ++size_;
    return *made;
  }

  /// Adds `value` in front of the element `index` places behind the front; those before it move.
  void insert(std::size_t index, T value) {
    static_assert(std::is_nothrow_move_assignable_v<T>);
    assert(index <= size_);
    if (size_ == capacity_)
      grow();
    head_ = (head_ - 1) & (capacity_ - 1);
    ++size_;
    if (index == 0) {
      std::construct_at(slot(0), std::move(value));
      return;
    }
    std::construct_at(slot(0), std::move((*this)[1]));
    for (std::size_t next = 1; next < index; ++next)
      (*this)[next] = std::move((*this)[next + 1]);
    (*this)[index] = std::move(value);
  }

  void pop_front() noexcept {
    assert(!empty());
    std::destroy_at(slot(0));
    head_ = (head_ + 1) & (capacity_ - 1);
    --size_;
    shrink();
  }

  /// Removes the front and returns it.
  [[nodiscard]] T take_front() noexcept {
    T taken{std::move(front())};
    pop_front();
    return taken;
  }

  /// Removes the element `index` places behind the front and returns it. The others keep their order; those on the shorter
  /// side of it move.
  [[nodiscard]] T take(std::size_t index) noexcept {
    static_assert(std::is_nothrow_move_assignable_v<T>);
    T taken{std::move((*this)[index])};
    if (index < size_ / 2) {
      for (; index > 0; --index)
        (*this)[index] = std::move((*this)[index - 1]);
      pop_front();
    } else {
      for (; index + 1 < size_; ++index)
        (*this)[index] = std::move((*this)[index + 1]);
      truncate(index);
    }
    return taken;
  }

  /// Removes from the back what is beyond the first `count` elements.
  void truncate(std::size_t count) noexcept {
    assert(count <= size_);
    while (size_ > count)
      std::destroy_at(slot(--size_));
    shrink();
  }

  /// Removes everything and gives the memory back.
  void clear() noexcept { truncate(0); }

private:
  using smallest_block = spare_block<capacity_min * sizeof(T)>;

  [[nodiscard]] T* slot(std::uint32_t index) const noexcept { return slots_ + ((head_ + index) & (capacity_ - 1)); }

  void grow() {
    const auto capacity = capacity_ == 0 ? capacity_min : capacity_ * 2;
    assert(capacity > capacity_);
    move_to(static_cast<T*>(capacity == capacity_min ? smallest_block::take() : ::operator new(capacity * sizeof(T))),
            capacity);
  }

  void shrink() noexcept {
    if (size_ == 0) {
      release();
    } else if (capacity_ > capacity_min && size_ <= capacity_ / 8) {
      const auto capacity = std::max(capacity_ / 4, capacity_min);
      // Without memory for a smaller block the larger one serves as well: removing must not fail.
      void* memory = capacity == capacity_min ? smallest_block::take(std::nothrow)
                                              : ::operator new(capacity * sizeof(T), std::nothrow);
      if (memory != nullptr)
        move_to(static_cast<T*>(memory), capacity);
    }
  }

  void move_to(T* slots, std::uint32_t capacity) noexcept {
    const auto size = size_;
    for (std::uint32_t index = 0; index < size; ++index) {
      std::construct_at(slots + index, std::move(*slot(index)));
      std::destroy_at(slot(index));
    }
    release();
    slots_ = slots;
    capacity_ = capacity;
    size_ = size;
  }

  /// Forgets the block, whose elements are gone already.
  void release() noexcept {
    if (capacity_ == capacity_min)
      smallest_block::give_back(slots_);
    else
      ::operator delete(slots_);
    slots_ = nullptr;
    capacity_ = 0;
    head_ = 0;
    size_ = 0;
  }

  T* slots_ = nullptr;
  std::uint32_t capacity_ = 0;
  std::uint32_t head_ = 0;
  std::uint32_t size_ = 0;
};

static_assert(sizeof(ring_queue<int>) <= 24);

} // namespace actorwire
