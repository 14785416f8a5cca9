#pragma once

#include <actorwire/messages/payload.hpp>
#include <actorwire/transports/frame_encoder.hpp>
#include <actorwire/transports/transport.hpp>

#include <array>
#include <cassert>
#include <cstddef>
#include <span>
#include <utility>

namespace actorwire {

/// A message and the few bytes around it that mark where it begins or ends on the stream. The message itself is not
/// copied, its envelope lives in this object.
class framed_message {
public:
  framed_message(payload body, const frame_envelope& envelope) noexcept : body_(std::move(body)), envelope_(envelope) {}

  /// Bytes of the message.
  [[nodiscard]] std::size_t size() const noexcept { return body_.size(); }
  /// Bytes of the message and its envelope.
  [[nodiscard]] std::size_t wire_size() const noexcept { return size() + envelope_.head_size + envelope_.tail_size; }

  /// Describes the bytes on the wire from `offset` on in `pieces`, as far as those reach, and returns how many it used.
  /// *Lifetime:* the pieces point into this object.
  [[nodiscard]] std::size_t gather(std::size_t offset, std::span<outgoing> pieces) const noexcept {
    assert(offset < wire_size());
    const auto head = envelope_.head();
    const auto tail = envelope_.tail();
    const std::array<outgoing, 3> parts{
        outgoing{head.data(), head.size(), nullptr},
        outgoing{body_.data(), size(), body_.memory()},
        outgoing{tail.data(), tail.size(), nullptr},
    };
    std::size_t count = 0;
    for (const auto& part : parts) {
      if (offset >= part.size) {
        offset -= part.size;
        continue;
      }
      if (count == pieces.size())
        break;
      pieces[count++] = {part.data + offset, part.size - offset, part.owner};
      offset = 0;
    }
    return count;
  }

private:
  payload body_;
  frame_envelope envelope_;
};

static_assert(sizeof(framed_message) <= 32, "as many of them as messages wait");

} // namespace actorwire
