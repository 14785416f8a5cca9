#pragma once

#include <cassert>
#include <cstddef>
#include <utility>
#include <vector>

namespace actorwire {

/// First in, first out, in one piece of memory, and none at all while it is empty: there are many idle streams, and an
/// empty `std::deque` takes over 500 bytes for each. Elements move when it grows. *Thread:* one at a time.
template <class T>
class fifo {
public:
  void push(T value) { items_.push_back(std::move(value)); }

  /// Takes the front out.
  T pop() {
    assert(!empty());
    auto value = std::exchange(items_[first_++], T{});
    if (first_ == items_.size()) {
      // Not `= {}`: that assigns an empty list, and keeps the memory.
      items_ = std::vector<T>{};
      first_ = 0;
    } else if (2 * first_ >= items_.size() && first_ >= compact_from) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    return value;
  }

  /// Drops what is behind the first `count` elements.
  void truncate(std::size_t count) {
    assert(count <= size());
    items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(first_ + count), items_.end());
    if (count == 0) {
      items_ = std::vector<T>{};
      first_ = 0;
    }
  }

  [[nodiscard]] T& operator[](std::size_t index) { return items_[first_ + index]; }
  [[nodiscard]] const T& operator[](std::size_t index) const { return items_[first_ + index]; }
  [[nodiscard]] T& front() { return (*this)[0]; }
  [[nodiscard]] const T& front() const { return (*this)[0]; }
  [[nodiscard]] T& back() { return items_.back(); }
  [[nodiscard]] std::size_t size() const noexcept { return items_.size() - first_; }
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }

private:
  /// Moving up costs no more than the elements that were taken since it was last done, and few are not worth it.
  static constexpr std::size_t compact_from = 16;

  std::vector<T> items_;
  /// Before it are elements that were taken; never all of them.
  std::size_t first_ = 0;
};

} // namespace actorwire
