#pragma once

#include <cstddef>
#include <new>
#include <utility>

namespace actorwire {

/// A block of `Size` bytes that one queue has given back and the next one takes. Most queues are empty, and what comes
/// in leaves within the turn: all of them on a thread take turns with one block, and none asks the heap for it.
/// *Limits:* one block for each thread and size, given back when the thread ends.
/// *Thread:* any; each has a block of its own.
template <std::size_t Size>
class spare_block {
public:
  /// *Errors:* throws `std::bad_alloc`.
  [[nodiscard]] static void* take() {
    if (auto* block = std::exchange(spare, nullptr))
      return block;
    return ::operator new(Size);
  }
  /// The same, but returns null where there is no memory.
  [[nodiscard]] static void* take(const std::nothrow_t&) noexcept {
    if (auto* block = std::exchange(spare, nullptr))
      return block;
    return ::operator new(Size, std::nothrow);
  }

  /// Takes what `take` has returned; null is nothing.
  static void give_back(void* block) noexcept {
    if (spare != nullptr || is_over) {
      ::operator delete(block);
      return;
    }
    static thread_local const end_of_thread sees_to_it;
    static_cast<void>(sees_to_it);
    spare = block;
  }

private:
  /// Queues may live longer than that.
  struct end_of_thread {
    end_of_thread() noexcept {}
    ~end_of_thread() {
      is_over = true;
      ::operator delete(std::exchange(spare, nullptr));
    }
    end_of_thread(const end_of_thread&) = delete;
    end_of_thread& operator=(const end_of_thread&) = delete;
  };

  static constinit inline thread_local void* spare = nullptr;
  static constinit inline thread_local bool is_over = false;
};

} // namespace actorwire
