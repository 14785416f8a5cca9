#pragma once

#include "memory_tally.hpp"

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <cstddef>

namespace actorwire {

/// Where ngtcp2 has the memory of one connection from: the heap, and counted. What a peer sends that cannot be handed on,
/// because something before it is missing, is kept there, up to the connection's window and more.
///
/// The first `uncounted_max` bytes do not count, so that idle connections do not use the limit up that is for their data.
/// *Thread:* one at a time. *Lifetime:* outlives the `ngtcp2_conn` that is made with it, stays where it is.
class quic_heap {
public:
  /// More than a connection takes whose peer keeps to the order.
  static constexpr std::size_t uncounted_max = std::size_t{64} << 10U;

  explicit quic_heap(memory_tally& tally) noexcept;

  quic_heap(const quic_heap&) = delete;
  quic_heap& operator=(const quic_heap&) = delete;

  [[nodiscard]] const ngtcp2_mem* get() const noexcept { return &functions_; }
  /// Bytes that are counted.
  [[nodiscard]] std::size_t counted() const noexcept { return held_ - std::min(held_, uncounted_max); }

private:
  static void* allocate(std::size_t size, void* self);
  static void* allocate_zeros(std::size_t count, std::size_t size, void* self);
  static void* reallocate(void* memory, std::size_t size, void* self);
  static void release(void* memory, void* self);

  /// `taken` and `given` bytes more and less are held.
  void note(std::size_t taken, std::size_t given) noexcept;

  memory_tally& tally_;
  std::size_t held_ = 0;
  ngtcp2_mem functions_;
};

} // namespace actorwire
