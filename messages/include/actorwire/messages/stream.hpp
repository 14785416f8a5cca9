#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/result.hpp>

#include <array>
#include <cstdint>
#include <string_view>

namespace actorwire {

/// A stream of a connection, by its number in QUIC (RFC 9000, 2.1). 0 is the byte stream that every transport has, and
/// the only one that lives on in the next generation of a peer: the others end with the connection that they belong to.
using stream_id = std::uint64_t;

/// Who may send on a stream (RFC 9000, 2.1).
/// - `bidirectional`: both sides.
/// - `unidirectional`: the side that opened it.
enum class stream_direction : std::uint8_t { bidirectional, unidirectional };

constexpr std::array<std::string_view, 2> names_of(stream_direction) {
  return {"bidirectional", "unidirectional"};
}

/// One of the two halves of a stream, as seen from here: what we send on it, or what we receive.
enum class stream_half : std::uint8_t { sending, receiving };

constexpr std::array<std::string_view, 2> names_of(stream_half) {
  return {"sending", "receiving"};
}

/// Which stream's bytes leave first, where several wait (the scheme of RFC 9218, 4; the peer is not told). It orders what
/// this side sends and nothing else.
struct stream_priority {
  /// 0 .. 7; a lower number goes before all higher ones.
  std::uint8_t urgency = 3;
  /// Among streams of one urgency: on, it takes turns with others that are incremental too; off, it is sent to its end
  /// first, in the order of stream numbers.
  bool incremental = false;

  friend bool operator==(const stream_priority&, const stream_priority&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("stream_priority", field{"urgency", self.urgency}, field{"incremental", self.incremental});
  }
};

/// With this code a connection resets a stream on which bytes waited and none moved for
/// `transport_config::operation_timeout`: what the peer sees as `stream_reset::code` then. The codes from 0x61770000 to
/// 0x6177ffff are this library's; programs use others.
inline constexpr std::uint64_t stream_stalled_code = 0x6177'0002;

/// With this code a connection stops the peer's half of a stream on which a frame has begun and
/// `network_options::memory_limit` has left no room for it for `framing_config::partial_frame_timeout`.
inline constexpr std::uint64_t stream_no_memory_code = 0x6177'0004;

/// With this code a connection gives up the halves of streams that are not over when it was to make room for another, after all
/// the time that it was given for that.
inline constexpr std::uint64_t stream_retired_code = 0x6177'0005;

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const stream_priority& priority);

} // namespace actorwire
