#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/result.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace actorwire {

/// Whether the two programs of a connection keep a session; both have to say the same.
/// - `off`: no. A message whose connection breaks may be `maybe_sent`.
/// - `on`: each message of stream 0 is delivered once and in order, over one connection after another, or `session_lost`
///   names it. It is a number more in its frame, and kept until the other program has had it.
enum class session_mode : std::uint8_t { off, on };

constexpr std::array<std::string_view, 2> names_of(session_mode) {
  return {"off", "on"};
}

/// The session of a connection or peer. With `on` it needs `framing_mode::numbered` with a `max_frame_size` of 64 or more,
/// `overflow_policy::fail`, since nothing of a session is dropped, and no `quic_config::early_data`.
/// *Thread:* immutable value.
///
/// In a session a message leaves in the order in which it was accepted, waits for a connection if there is none, and has one
/// outcome, `confirmed`, when the program at the other end has had it: it stands in the mailbox of its subscriber, or has
/// answered a `receive`. Of `send_options` `policy` counts when the message comes, `tag` and `report` as ever; `priority`,
/// `key` and `idempotent` say nothing, `wanted` is no less than was asked for, and a `ttl` is refused with `unsupported`, as
/// `flow_limits::queue_age` is not applied: who was told that a message has expired could not be told later that it came.
/// Streams other than 0 and datagrams are not of the session; calls on stream 0 are refused with `unsupported`. Nor may a peer
/// that is lent (`checkout`) have one.
///
/// Acknowledgements come on the same connection as data, and stand behind it. Where nobody subscribes or receives, data is not
/// read, and nothing behind it: what that side sends is not confirmed until somebody does, and at most `replay_messages` of it
/// are taken. So whoever sends in a session has to take what comes, too.
///
/// A session lives between one peer and one listener. Where the `alternatives` of a peer lead to different programs it is lost
/// with each change from one to the other.
struct session_config {
  session_mode mode = session_mode::off;
  /// Messages, and bytes of messages, that were accepted and are not confirmed: 1 .. 1,000,000 and 1 byte .. 1 GiB. Each is
  /// its own limit, beside those of `flow_limits`. One more is refused with `would_block`, without a word of `backpressure` before
  /// that, which counts bytes; a message, or a batch, that never fits with `message_too_large`.
  std::uint32_t replay_messages = 1'024;
  std::size_t replay_bytes = std::size_t{4} << 20U;
  /// Messages, or bytes of them, after which what was delivered is acknowledged at once: 1 .. 1,000,000 and 1 byte .. 1 GiB.
  std::uint32_t ack_messages = 64;
  std::size_t ack_bytes = std::size_t{256} << 10U;
  /// The longest time that fewer than those wait for their acknowledgement. 0 .. 10 s.
  std::chrono::milliseconds ack_delay{25};

  friend bool operator==(const session_config&, const session_config&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("session_config", field{"mode", self.mode}, field{"replay_messages", self.replay_messages},
                 field{"replay_bytes", self.replay_bytes}, field{"ack_messages", self.ack_messages},
                 field{"ack_bytes", self.ack_bytes}, field{"ack_delay", self.ack_delay});
  }
};

/// Checks every field. How it fits to the others of a `transport_config` is checked there. *Errors:* `invalid_value` naming
/// field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const session_config& config);

} // namespace actorwire
