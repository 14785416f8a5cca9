#pragma once

#include <actorwire/messages/enumeration.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace actorwire {

/// Where a session stands, at one of its two sides.
///
///       fresh --> offered --> open <--> broken
///                    |                    |
///                    v                    v
///            lost, fenced             lost            ended, from anywhere
///
/// - `fresh`: it never had a connection.
/// - `offered`: the client has said hello, and is not answered yet.
/// - `open`: messages go both ways.
/// - `broken`: it waits for a connection.
/// - `lost`: the other side does not know it any more, or this one has given up waiting. Not left.
/// - `ended`: one of the two has said goodbye, or nobody wants it any more. Not left.
/// - `fenced`: another client goes on with it. Not left.
enum class session_state : std::uint8_t { fresh, offered, open, broken, lost, ended, fenced };

constexpr std::array<std::string_view, 7> names_of(session_state) {
  return {"fresh", "offered", "open", "broken", "lost", "ended", "fenced"};
}

/// What moves a session from one state to another.
enum class session_event : std::uint8_t {
  /// A client has a connection, and says hello.
  connect,
  /// A listener was said hello to, and welcomes.
  accept,
  /// The client was welcomed.
  welcome,
  /// The connection is gone, or of no more use.
  disconnect,
  /// The other side does not know it, or this one forgets it.
  lose,
  /// The other side has had a newer connection of it.
  fence,
  /// Either side has said goodbye, or nobody wants it any more.
  end,
};

constexpr std::array<std::string_view, 7> names_of(session_event) {
  return {"connect", "accept", "welcome", "disconnect", "lose", "fence", "end"};
}

/// Returns the state that `event` leads to from `state`; nothing if it means nothing there, and then nothing changes.
/// *Thread:* any thread.
[[nodiscard]] std::optional<session_state> next(session_state state, session_event event) noexcept;

/// Whether nothing leads out of it.
[[nodiscard]] constexpr bool is_over(session_state state) noexcept {
  return state == session_state::lost || state == session_state::ended || state == session_state::fenced;
}

/// Renders every transition, one a line, as `state event -> state`, ordered by state and event.
[[nodiscard]] std::string print_session_table();

} // namespace actorwire
