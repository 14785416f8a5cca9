#pragma once

#include <actorwire/messages/error.hpp>
#include <actorwire/transports/frame_label.hpp>

#include <string>
#include <utility>

namespace actorwire {

/// A peer has sent a frame that it must not.
[[nodiscard]] inline transport_error malformed_frame(std::string text, phase when = phase::established) {
  return make_error(error_code::malformed, when, origin::remote, std::move(text));
}

/// How such errors begin, which name the frame: "frame of kind 1 (call)".
[[nodiscard]] inline std::string frame_of_kind(frame_kind kind) {
  return "frame of kind " + std::to_string(static_cast<unsigned>(kind)) + " (" + to_string(kind) + ")";
}

} // namespace actorwire
