#pragma once

#include "session/replay_buffer.hpp"
#include "session/session_frame.hpp"
#include "session/session_limits.hpp"

#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/sessions.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace actorwire {

/// The half of a session that sends: numbers messages, and sends on each connection what the other side does not have.
class session_sender {
public:
  explicit session_sender(const session_limits& limits) noexcept : buffer_(limits) {}

  /// *Errors:* those of `replay_buffer::accept`.
  [[nodiscard]] result<std::uint64_t> accept(payload&& body) { return buffer_.accept(std::move(body)); }

  /// The next message for the present connection; nothing when all were sent on it.
  [[nodiscard]] std::optional<session_frame> poll_transmit();

  /// A connection begins, and its peer says up to where it was delivered; what is beyond that is sent again. Returns what is
  /// known to be delivered since. *Errors:* `malformed` if that cannot be; nothing has changed then.
  [[nodiscard]] result<number_range> resume(std::uint64_t delivered);

  /// The peer says up to where it was delivered. One that says less than before says nothing.
  /// *Errors:* `malformed` for what was never sent; nothing has changed then.
  [[nodiscard]] result<number_range> acknowledge(std::uint64_t delivered);

  /// Whether everything that was accepted is known to be delivered.
  [[nodiscard]] bool is_all_delivered() const noexcept { return buffer_.message_count() == 0; }

  /// Whether there is something to send on the present connection.
  [[nodiscard]] bool has_unsent() const noexcept { return next_ <= buffer_.last(); }

  /// The last number that was ever sent.
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  [[nodiscard]] const replay_buffer& buffer() const noexcept { return buffer_; }

  /// Ends it: says what became of everything, where nothing beyond `received` can have been delivered, and lets go of it all.
  [[nodiscard]] session_ranges end(std::uint64_t received) noexcept;
  /// The same where nothing is known of what was not acknowledged.
  [[nodiscard]] session_ranges end() noexcept { return end(sent_); }

private:
  replay_buffer buffer_;
  /// The next number for the present connection.
  std::uint64_t next_ = 1;
  std::uint64_t sent_ = 0;
};

} // namespace actorwire
