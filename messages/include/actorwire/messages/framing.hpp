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

/// How messages are cut out of the byte stream.
/// - `none`: no boundaries; `received` carries whatever arrived.
/// - `length_prefixed`: four bytes of length, big endian, then the message.
/// - `line`: text that ends in LF; a CR before it is removed on receipt; LF is added when sending.
/// - `numbered`: four bytes of length, big endian, one that says what the message is, and eight of a number; then the
///   message. Messages can be calls, and answers to them (`call`). Byte by byte in docs/framing.md.
enum class framing_mode : std::uint8_t { none, length_prefixed, line, numbered };

constexpr std::array<std::string_view, 4> names_of(framing_mode) {
  return {"none", "length_prefixed", "line", "numbered"};
}

/// Framing and its limits.
struct framing_config {
  framing_mode mode = framing_mode::none;
  /// Largest message in bytes, without its prefix, number or line end, in both directions. A longer one is refused before a
  /// byte of it is stored. 1 .. 1 GiB.
  std::size_t max_frame_size = std::size_t{16} << 20U;
  /// A frame that has begun must be complete within this time; guards against peers that dribble bytes. 1 ms .. 24 h.
  std::chrono::milliseconds partial_frame_timeout{30'000};

  friend bool operator==(const framing_config&, const framing_config&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("framing_config", field{"mode", self.mode}, field{"max_frame_size", self.max_frame_size},
                 field{"partial_frame_timeout", self.partial_frame_timeout});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const framing_config& config);

} // namespace actorwire
