#pragma once

#include <actorwire/messages/payload.hpp>
#include <actorwire/transports/buffer_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace actorwire {

/// Where what arrives in packets is put together: slabs that the connections of one shard fill in turn. Bytes of one stream
/// that come one after another end up in one piece, which is what makes a stream cheap to hand on.
/// *Thread:* that of the pool.
class receive_arena {
public:
  /// A datagram of this size holds acknowledgements rather than data. It is taken at the memory limit too, since what it
  /// acknowledges is memory that comes back.
  static constexpr std::size_t small_datagram_max = 256;

  explicit receive_arena(buffer_pool& buffers) noexcept : buffers_(buffers) {}
  ~receive_arena() { forget(); }

  receive_arena(const receive_arena&) = delete;
  receive_arena& operator=(const receive_arena&) = delete;

  /// Makes sure that the content of a datagram of this size can be kept. False at the memory limit: then it is to be
  /// dropped as a full router would, and its sender slows down and sends it again.
  [[nodiscard]] bool admits(std::size_t datagram_size);

  /// Copies `bytes` behind what `pieces` holds.
  void append(std::vector<payload>& pieces, std::span<const std::byte> bytes);
  [[nodiscard]] payload copy_of(std::span<const std::byte> bytes);

private:
  [[nodiscard]] std::size_t room() const noexcept { return memory_ != nullptr ? memory_->capacity - used_ : 0; }
  void forget() noexcept;

  buffer_pool& buffers_;
  slab* memory_ = nullptr;
  std::uint32_t used_ = 0;
};

} // namespace actorwire
