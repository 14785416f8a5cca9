#pragma once

#include <actorwire/messages/session_config.hpp>
#include <actorwire/transports/clock.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace actorwire {

/// How much a session may hold, and how often it acknowledges. *Thread:* immutable value.
struct session_limits {
  /// Messages, and bytes of messages, that were given to send and are not acknowledged: 1 .. 1,000,000 and 1 byte .. 1 GiB.
  /// Each is its own limit. Beyond them a message is refused with `would_block`.
  std::uint32_t replay_messages = 1024;
  std::size_t replay_bytes = std::size_t{4} << 20U;
  /// Delivered messages, or bytes of them, that are acknowledged at once, 1 or more. Of a peer whose `replay_messages` are
  /// fewer than this each acknowledgement takes `ack_delay`, and it waits for that.
  std::uint32_t ack_messages = 64;
  std::size_t ack_bytes = std::size_t{256} << 10U;
  /// The longest time that fewer than those wait for their acknowledgement.
  duration ack_delay = std::chrono::milliseconds{25};
};

[[nodiscard]] inline session_limits limits_of(const session_config& config) noexcept {
  return {config.replay_messages, config.replay_bytes, config.ack_messages, config.ack_bytes, config.ack_delay};
}

/// How much a listener keeps for clients that may come back. *Thread:* immutable value.
struct session_book_limits {
  /// Sessions, with a connection or without, 1 or more. Beyond it the one that has been without a connection the longest is
  /// given up; if all have one, no other session begins.
  std::uint32_t sessions_max = 65'536;
  /// Bytes of messages, with `waiting_message_cost` for each, that sessions without a connection hold together. Beyond it those go that have been without the longest.
  std::size_t parked_bytes_max = std::size_t{64} << 20U;
  /// How long a session without a connection is kept.
  duration keep = std::chrono::minutes{5};
};

} // namespace actorwire
