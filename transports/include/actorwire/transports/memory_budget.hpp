#pragma once

#include <atomic>
#include <cstddef>

namespace actorwire {

/// The one limit on buffer memory of a whole network; every shard's pool draws on it. *Thread:* any thread.
/// *Units:* bytes of slabs in use or pooled, of messages that were accepted for sending, and of what ngtcp2 keeps for
/// connections. At the limit `try_take` says no: reads pause and sends fail with `would_block`; nothing aborts.
class memory_budget {
public:
  explicit memory_budget(std::size_t limit) noexcept : limit_(limit) {}

  [[nodiscard]] bool try_take(std::size_t bytes) noexcept {
    auto used = used_.load(std::memory_order_relaxed);
    while (used <= limit_ && bytes <= limit_ - used)
      if (used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed))
        return true;
    return false;
  }

  /// Counts what cannot be refused, because it is there already. Nothing more is had until as much has come back.
  void take_beyond(std::size_t bytes) noexcept { used_.fetch_add(bytes, std::memory_order_relaxed); }

  void give_back(std::size_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  [[nodiscard]] std::size_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }

private:
  std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

} // namespace actorwire
