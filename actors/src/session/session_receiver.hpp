#pragma once

#include "session/session_limits.hpp"

#include <actorwire/messages/result.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace actorwire {

/// The half of a session that receives: passes each message on once, in order, and says when what the program has had is to be
/// acknowledged.
///
/// A message that was passed on is *received*; when the program has had it, it is *delivered*. Only that is acknowledged, and
/// across connections only that is promised to the sender: what was received and not delivered when a connection was lost comes
/// again, and is dropped here.
class session_receiver {
public:
  explicit session_receiver(const session_limits& limits) noexcept;

  /// A message of this number has come. Returns whether it is to be passed on: false for one that was already.
  /// *Errors:* `malformed` for one that leaves out others: connections are ordered, so these will not come.
  [[nodiscard]] result<bool> handle_data(std::uint64_t number, std::size_t size);

  /// The program has had everything up to `number`. One that it has had before changes nothing.
  void handle_delivered(std::uint64_t number, time_point now) noexcept;

  /// A connection begins, and tells the peer `delivered` with its first frame.
  void resume() noexcept { note_acknowledged(); }

  /// Returns the number to acknowledge, if that is due.
  [[nodiscard]] std::optional<std::uint64_t> poll_acknowledgement(time_point now) noexcept;

  /// When an acknowledgement is due; nothing if everything is acknowledged.
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept {
    return acknowledged_ < delivered_ ? std::optional{due_} : std::nullopt;
  }

  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }
  /// Messages that came again and were dropped.
  [[nodiscard]] std::uint64_t duplicates() const noexcept { return duplicates_; }

private:
  void note_acknowledged() noexcept {
    acknowledged_ = delivered_;
    bytes_at_acknowledgement_ = bytes_received_;
  }

  std::uint32_t ack_messages_;
  std::size_t ack_bytes_;
  duration ack_delay_;
  std::uint64_t received_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t duplicates_ = 0;
  /// Bytes are counted when they come, not when the program has had them: that takes no memory for each message, and can only
  /// make an acknowledgement come sooner.
  std::uint64_t bytes_received_ = 0;
  std::uint64_t bytes_at_acknowledgement_ = 0;
  time_point due_{};
};

} // namespace actorwire
