#pragma once

#include <actorwire/messages/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace actorwire {

/// What a sender is told for whose message the whole network has no room.
inline transport_error memory_used_up(std::uint64_t limit) {
  return make_error(error_code::would_block, phase::established, origin::local,
                    "the network's memory_limit of " + std::to_string(limit) + " bytes is used up");
}

/// An error that says which message of a batch it is about.
inline transport_error about_message(std::size_t index, transport_error reason) {
  reason.text = "bodies[" + std::to_string(index) + "]: " + reason.text;
  return reason;
}

} // namespace actorwire
