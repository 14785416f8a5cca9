#pragma once

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/enumeration.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace actorwire {

/// What moves a connection or a peer from one state to another.
enum class state_event : std::uint8_t {
  /// The gate let it dial.
  dial,
  /// The attempt knows the addresses and tries them.
  progress_connecting,
  /// One address answered; TLS or QUIC agree on keys.
  progress_handshaking,
  connected,
  attempt_failed,
  lost,
  /// Nobody has used the connection for `idle_timeout`, and it has ended in order.
  rest,
  /// The actor of the connection ended by an exception or without being asked.
  crashed,
  /// After a failure, a loss or a crash: there will be no further attempt.
  give_up,
  /// The user wants a new start after `give_up`.
  reset,
  /// It works, but not well: the last probe is unanswered, or the queue is too old.
  degrade,
  recover,
  /// The user closes; what was accepted is still to be sent.
  drain,
  /// The user closes at once.
  abort,
};

constexpr std::array<std::string_view, 14> names_of(state_event) {
  return {"dial",
          "progress_connecting",
          "progress_handshaking",
          "connected",
          "attempt_failed",
          "lost",
          "rest",
          "crashed",
          "give_up",
          "reset",
          "degrade",
          "recover",
          "drain",
          "abort"};
}

/// Returns the state that `event` leads to from `state`; nothing if it means nothing there, and then nothing changes.
/// *Thread:* any thread.
[[nodiscard]] std::optional<connection_state> next(connection_state state, state_event event) noexcept;

/// Renders every transition, one a line, as `state event -> state`, ordered by state and event.
[[nodiscard]] std::string print_state_table();

} // namespace actorwire
