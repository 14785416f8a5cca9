#pragma once

#include "memory_tally.hpp"

#include <actorwire/messages/payload.hpp>
#include <actorwire/transports/buffer_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace actorwire {

/// Where what arrives in packets is put together: slabs that the connections of one shard fill in turn. Bytes of one stream
/// that come one after another end up in one piece, which is what makes a stream cheap to hand on.
///
/// All of it counts against the budget of the pool. What has arrived cannot be refused any more, so the limit is exceeded
/// by a little, and datagrams are refused until that has come back.
/// *Thread:* that of the pool. *Lifetime:* what it hands out may outlive it.
class receive_arena {
public:
  /// A datagram of this size holds acknowledgements rather than data. It is taken at the memory limit too, since what it
  /// acknowledges is memory that comes back.
  static constexpr std::size_t small_datagram_max = 256;
  /// How far the limit may be exceeded, by all that share it, before small datagrams are refused as well. *Units:* bytes.
  static constexpr std::size_t overdraft_max = std::size_t{256} << 10U;

  explicit receive_arena(buffer_pool& buffers);
  ~receive_arena() { forget(); }

  receive_arena(const receive_arena&) = delete;
  receive_arena& operator=(const receive_arena&) = delete;

  /// Makes sure that the content of a datagram of this size can be kept. False at the memory limit: then it is to be
  /// dropped as a full router would, and its sender slows down and sends it again. When the limit is exceeded by
  /// `overdraft_max`, ngtcp2 may have to keep for itself what comes before its turn: then true only for a small one that
  /// fits into what is there and `may_give_back`, as its connection waits for acknowledgements.
  [[nodiscard]] bool admits(std::size_t datagram_size, bool may_give_back = false);

  /// Copies bytes that have arrived behind those that came before. *Errors:* throws `std::bad_alloc`.
  [[nodiscard]] payload copy_of(std::span<const std::byte> bytes);

  /// Memory of its own, with one reference, for somebody who keeps `bytes` bytes, and perhaps more, for longer. At the
  /// memory limit there is little for what comes in a small datagram, and for others none: then null.
  [[nodiscard]] slab* take_apart(std::uint32_t capacity, std::size_t bytes) noexcept;

  /// Whether next to nothing is admitted.
  [[nodiscard]] bool is_overdrawn() const noexcept;
  /// What connections hold that is none of the slabs here.
  [[nodiscard]] memory_tally& tally() noexcept { return tally_; }

private:
  class annex;
  struct closer {
    void operator()(annex* closed) const noexcept;
  };

  /// At the limit memory is taken in pieces of this size at most.
  static constexpr std::uint32_t overdraft_piece_max = 4U << 10U;

  [[nodiscard]] std::size_t room() const noexcept { return memory_ != nullptr ? memory_->capacity - used_ : 0; }
  void replace(slab* fresh) noexcept;
  void forget() noexcept;

  buffer_pool& buffers_;
  std::unique_ptr<annex, closer> annex_;
  memory_tally tally_;
  slab* memory_ = nullptr;
  std::uint32_t used_ = 0;
};

} // namespace actorwire
