#pragma once

#include <atomic>
#include <cstdint>

namespace actorwire {

/// How many bytes a peer has accepted that are not settled, for whoever chooses between several peers. The peer's shard writes
/// it, and the supervisor's, which may be another, reads it when it is asked for a peer: a message for each byte that comes
/// and goes would cost more than a choice is worth that is a little out of date.
/// *Thread:* one writes, any reads.
class load_gauge {
public:
  void show(std::uint64_t bytes) noexcept { bytes_.store(bytes, std::memory_order_relaxed); }

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

private:
  std::atomic<std::uint64_t> bytes_{0};
};

} // namespace actorwire
