#pragma once

#include <atomic>
#include <cstdint>

namespace actorwire {

/// How many clients of one listener, over all its shards, are not through with their handshake. An atomic number, because
/// each shard counts its own and wants to know of all. *Thread:* any thread.
class half_open_count {
public:
  void add() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  void remove() noexcept { count_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t get() const noexcept { return count_.load(std::memory_order_relaxed); }

private:
  std::atomic<std::uint32_t> count_{0};
};

} // namespace actorwire
