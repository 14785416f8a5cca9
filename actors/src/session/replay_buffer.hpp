#pragma once

#include "delivery/ring_queue.hpp"
#include "session/session_limits.hpp"

#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/sessions.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>

namespace actorwire {

/// The messages of one direction of a session that were not acknowledged, in order of their numbers, so that they can be sent
/// again. Their bytes are shared with whoever sends them, and not copied.
/// *Limits:* `session_limits::replay_messages` and `replay_bytes`; at the bound `accept` refuses, and nothing is ever dropped.
/// Empty it holds no memory but itself.
class replay_buffer {
public:
  explicit replay_buffer(const session_limits& limits) noexcept
    : messages_max_(limits.replay_messages), bytes_max_(limits.replay_bytes) {
    assert(messages_max_ > 0 && bytes_max_ > 0);
  }

  /// Takes a message and returns its number. *Errors:* `would_block` naming the limit, until there is an acknowledgement;
  /// `message_too_large` for one that never fits. `body` is left as it was then.
  [[nodiscard]] result<std::uint64_t> accept(payload&& body);

  /// Lets go of everything up to `number`, and returns what of that was not acknowledged before. Only from `acknowledged` to
  /// `last`.
  number_range acknowledge(std::uint64_t number) noexcept;

  /// The message of that number, which is beyond `acknowledged`.
  [[nodiscard]] const payload& at(std::uint64_t number) const noexcept {
    assert(number > acknowledged_);
    return messages_[static_cast<std::size_t>(number - acknowledged_ - 1)];
  }

  /// The last number that was acknowledged, as all before it were; 0 if none was.
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }
  /// The last number that was accepted; 0 if none was.
  [[nodiscard]] std::uint64_t last() const noexcept { return acknowledged_ + messages_.size(); }

  [[nodiscard]] std::size_t message_count() const noexcept { return messages_.size(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }

  /// Gives the memory back. There is nothing to be sent again.
  void clear() noexcept {
    messages_.clear();
    bytes_ = 0;
  }

private:
  ring_queue<payload> messages_;
  std::uint64_t acknowledged_ = 0;
  std::size_t bytes_ = 0;
  std::uint32_t messages_max_;
  std::size_t bytes_max_;
};

} // namespace actorwire
