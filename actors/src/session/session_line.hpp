#pragma once

#include "delivery/framed_message.hpp"
#include "delivery/ring_queue.hpp"
#include "session/session_frame.hpp"

#include <actorwire/messages/framing.hpp>
#include <actorwire/transports/frame_encoder.hpp>
#include <actorwire/transports/transport.hpp>

#include <cassert>
#include <cstddef>
#include <span>
#include <utility>

namespace actorwire {

/// The frames of a session that are about to leave on the present connection, in order.
/// *Limits:* its user adds nothing to it while it has `bytes_max` or more.
class session_line {
public:
  static constexpr std::size_t bytes_max = std::size_t{64} << 10U;

  explicit session_line(const framing_config& framing) noexcept : encoder_(framing) {}

  /// Adds a frame that is not larger than the framing allows.
  void push(session_frame&& frame) {
    const auto envelope = encoder_.frame(frame.body.bytes(), {frame.kind, frame.number});
    assert(envelope);
    framed_message added{std::move(frame.body), *envelope};
    const auto size = added.wire_size();
    frames_.push_back(std::move(added));
    bytes_ += size;
  }

  /// Describes the next bytes, beginning where the transport stopped. *Lifetime:* the pieces are valid until the next call that
  /// changes the line.
  [[nodiscard]] std::size_t gather(std::span<outgoing> pieces) const noexcept {
    std::size_t count = 0;
    auto begun = begun_;
    for (std::size_t index = 0; index < frames_.size() && count < pieces.size(); ++index)
      count += frames_[index].gather(std::exchange(begun, 0), pieces.subspan(count));
    return count;
  }

  /// The transport took the next `bytes` bytes.
  void handed_over(std::size_t bytes) noexcept {
    assert(bytes <= size_bytes());
    bytes_ -= bytes;
    for (begun_ += bytes; !frames_.empty() && begun_ >= frames_.front().wire_size(); frames_.pop_front())
      begun_ -= frames_.front().wire_size();
  }

  /// The connection is gone: what has not left on it leaves on none.
  void clear() noexcept {
    frames_.clear();
    bytes_ = begun_ = 0;
  }

  [[nodiscard]] bool empty() const noexcept { return frames_.empty(); }
  /// Bytes that the transport has not taken.
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }
  /// What is left of a frame that has begun to leave.
  [[nodiscard]] std::size_t started_rest() const noexcept {
    return begun_ > 0 ? frames_.front().wire_size() - begun_ : 0;
  }

private:
  frame_encoder encoder_;
  ring_queue<framed_message> frames_;
  std::size_t bytes_ = 0;
  /// Bytes of the front that were handed over.
  std::size_t begun_ = 0;
};

} // namespace actorwire
