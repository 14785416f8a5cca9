#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/frame_label.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace actorwire {

/// What goes before and after a message on the wire. The message itself is sent from where it lies.
struct frame_envelope {
  std::array<std::byte, 4 + frame_label::wire_size> head_bytes{};
  std::array<std::byte, 1> tail_bytes{};
  std::uint8_t head_size = 0;
  std::uint8_t tail_size = 0;

  [[nodiscard]] std::span<const std::byte> head() const noexcept { return {head_bytes.data(), head_size}; }
  [[nodiscard]] std::span<const std::byte> tail() const noexcept { return {tail_bytes.data(), tail_size}; }
};

/// Frames messages so that a `frame_decoder` of the same configuration gives them back. *Thread:* immutable.
class frame_encoder {
public:
  explicit frame_encoder(const framing_config& config) noexcept
    : frame_size_max_(config.max_frame_size), mode_(config.mode) {}

  /// Returns the envelope of `message`. In mode `line` a CR at the end of the message makes the line end CRLF, and is
  /// removed by the receiver as part of it.
  /// *Errors:* `message_too_large` naming size and limit; in mode `line`, `invalid_value` for a message that holds an
  /// LF, because the peer would see two messages; `unsupported` for a label that only mode `numbered` can carry. Mode `none`
  /// refuses nothing else.
  [[nodiscard]] ACTORWIRE_EXPORT result<frame_envelope> frame(std::span<const std::byte> message,
                                                              const frame_label& label = {}) const;

private:
  std::size_t frame_size_max_;
  framing_mode mode_;
};

} // namespace actorwire
