#pragma once

#include <actorwire/messages/payload.hpp>
#include <actorwire/transports/buffer_pool.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace actorwire {

/// Bytes that wait to be sent, in slabs of a pool. Holds no memory while it is empty. At the network's memory limit it
/// takes memory elsewhere: whoever appends bounds how much there is. *Thread:* that of the pool.
class output_queue {
public:
  explicit output_queue(buffer_pool& buffers) noexcept : buffers_(buffers) {}

  /// Copies bytes to the end; `more_follows` says how much is going to be appended behind them, for the size of the slab.
  void append(std::span<const std::byte> bytes, std::size_t more_follows);
  /// Shows what is first, up to the room in `pieces`; returns how many pieces.
  [[nodiscard]] std::size_t gather(std::span<outgoing> pieces) const;
  /// Drops bytes from the front.
  void consume(std::size_t bytes);
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
  struct chunk {
    /// All of the slab, which nobody else refers to before it is sent.
    payload memory;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };

  [[nodiscard]] payload make_room(std::size_t wanted);

  buffer_pool& buffers_;
  std::vector<chunk> chunks_;
  std::size_t size_ = 0;
};

} // namespace actorwire
