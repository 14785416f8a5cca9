#pragma once

#include <actorwire/messages/error.hpp>

#include <string>

namespace actorwire {

/// What stands behind "not connected" in a text: `obstacle` is the last failure, what holds the peer back, or
/// `not_connected` where nothing has failed yet.
[[nodiscard]] inline std::string describe_obstacle(const transport_error& obstacle) {
  if (obstacle.code == error_code::not_connected || obstacle.code == error_code::none)
    return " yet";
  if (obstacle.code == error_code::breaker_open)
    return ": " + obstacle.text;
  return ", the last failure: " + obstacle.text;
}

} // namespace actorwire
