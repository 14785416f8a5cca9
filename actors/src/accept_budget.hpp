#pragma once

#include <atomic>
#include <cstdint>

namespace actorwire {

/// How many accepted connections a listener has open, over all its shards, and how many it may have. Each shard's
/// acceptor takes and gives back on its own, so that accepting needs no message between shards.
/// *Thread:* any thread.
class accept_budget {
public:
  explicit accept_budget(std::uint32_t limit) noexcept : limit_(limit) {}

  /// Takes a place; false when none is left.
  [[nodiscard]] bool try_take() noexcept {
    auto open = open_.load(std::memory_order_relaxed);
    while (open < limit_.load(std::memory_order_relaxed))
      if (open_.compare_exchange_weak(open, open + 1, std::memory_order_relaxed))
        return true;
    return false;
  }

  /// Gives a place back; returns whether there was none left before, so that someone may be waiting for it.
  bool give_back() noexcept {
    return open_.fetch_sub(1, std::memory_order_relaxed) >= limit_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] bool is_used_up() const noexcept { return open() >= limit_.load(std::memory_order_relaxed); }

  void set_limit(std::uint32_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }

  [[nodiscard]] std::uint32_t open() const noexcept { return open_.load(std::memory_order_relaxed); }

  void count_accepted() noexcept { accepted_.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] std::uint64_t accepted() const noexcept { return accepted_.load(std::memory_order_relaxed); }

private:
  std::atomic<std::uint32_t> open_{0};
  std::atomic<std::uint32_t> limit_;
  std::atomic<std::uint64_t> accepted_{0};
};

} // namespace actorwire
