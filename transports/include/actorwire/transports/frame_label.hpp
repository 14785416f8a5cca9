#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/session_config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace actorwire {

/// What a message of `framing_mode::numbered` is, as one byte on the wire. Messages of other framings are `data`.
enum class frame_kind : std::uint8_t {
  data = 0,
  /// Its number is chosen by whoever calls, and not that of another call that is open on the connection.
  call = 1,
  /// Its number is that of the call.
  answer = 2,
  /// An answer that says no: a code of one byte, then text.
  refusal = 3,
  // Of sessions.
  hello = 4,
  welcome = 5,
  acknowledge = 6,
  goodbye = 7,
};

constexpr std::array<std::string_view, 8> names_of(frame_kind) {
  return {"data", "call", "answer", "refusal", "hello", "welcome", "acknowledge", "goodbye"};
}

/// What a frame says beside its message.
struct frame_label {
  frame_kind kind = frame_kind::data;
  /// 0 for `data` outside of sessions, and never within; never for `call`, `answer` and `refusal`.
  std::uint64_t number = 0;

  /// Its bytes on the wire: the kind, then the number, big endian.
  static constexpr std::size_t wire_size = 9;

  /// Reads what `write` has written; the kind need not be one that there is. `bytes` are at least `wire_size`.
  [[nodiscard]] ACTORWIRE_EXPORT static frame_label read(std::span<const std::byte> bytes) noexcept;
  ACTORWIRE_EXPORT void write(std::span<std::byte> bytes) const noexcept;

  friend bool operator==(const frame_label&, const frame_label&) = default;
};

/// Checks what a peer has sent. *Errors:* `malformed` naming the kind or the number: a kind that there is not; outside of
/// sessions one that only they have, data with a number, and anything else without one; within sessions calls and what
/// belongs to them, and data without a number.
[[nodiscard]] ACTORWIRE_EXPORT result<void> check_kind(std::uint8_t kind, session_mode session = session_mode::off);
[[nodiscard]] ACTORWIRE_EXPORT result<void> check_number(const frame_label& label,
                                                         session_mode session = session_mode::off);

/// The longest message of a frame of the kinds `hello` to `goodbye`, bytes. Nothing longer is stored.
inline constexpr std::size_t session_message_max = 64;

} // namespace actorwire
