#pragma once

#include "fifo.hpp"
#include "receive_arena.hpp"

#include <actorwire/messages/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace actorwire {

/// The receiving half of a stream: what has arrived in order and was not read.
///
/// What is read soon is handed on where it has arrived, in memory that all connections share, and is not copied again. What
/// is not read soon gets memory of its own, so that however it came a byte that waits takes little more than a byte, and
/// keeps no memory of others.
///
/// Life: `append` as packets are handled, `take` by whoever reads, and `settle` when those who read at once have done so.
/// *Thread:* that of the arena.
class stream_input {
public:
  /// Appends bytes. *Errors:* throws `std::bad_alloc`.
  void append(receive_arena& arena, std::span<const std::byte> bytes);

  /// Takes up to `bytes_max` bytes out, as many as lie in one piece; empty when nothing is there.
  [[nodiscard]] payload take(std::size_t bytes_max);

  /// Whoever reads at once has done so: what is left moves out of shared memory, unless it fills a good part of that.
  /// *Errors:* throws `std::bad_alloc`.
  void settle(receive_arena& arena);

  void clear();

  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
  /// *Units:* bytes.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// How many pieces the bytes are in.
  [[nodiscard]] std::size_t pieces() const noexcept { return pieces_.size(); }
  /// Whether `settle` has anything to do.
  [[nodiscard]] bool is_fresh() const noexcept { return fresh_ > 0; }

private:
  /// A block of the stream's own is as large as what waits already, within these: so they are few, and half full.
  static constexpr std::uint32_t block_size_min = 128;
  static constexpr std::uint32_t block_size_max = 64U << 10U;
  /// So many pieces may be in shared memory, whatever their size; more must be of this size on average.
  static constexpr std::size_t small_pieces_max = 64;
  static constexpr std::size_t small_piece_max = 256;

  void append_shared(receive_arena& arena, std::span<const std::byte> bytes);
  /// Returns how many of the bytes found room: all of them, but at the memory limit.
  std::size_t append_own(receive_arena& arena, std::span<const std::byte> bytes);
  [[nodiscard]] bool has_many_small_pieces() const noexcept {
    return fresh_ >= small_pieces_max && fresh_size_ < fresh_ * small_piece_max;
  }

  fifo<payload> pieces_;
  std::size_t size_ = 0;
  /// The last pieces, with so many bytes, have come since `settle` and are in shared memory.
  std::size_t fresh_ = 0;
  std::size_t fresh_size_ = 0;
  /// The block that the last piece ends in, and that nobody else writes to; else null.
  slab* block_ = nullptr;
};

} // namespace actorwire
