#pragma once

#include <actorwire/messages/error.hpp>

namespace actorwire {

/// How much a reason says about why a peer cannot be had; more is a higher number. What is wrong on this machine explains
/// everything; an answer from the peer explains more than silence; an address without a route is often just a family that is
/// not in use here.
[[nodiscard]] constexpr int telling(error_code code) noexcept {
  switch (code) {
    case error_code::descriptor_limit:
    case error_code::memory_limit:
      return 4;
    case error_code::refused:
    case error_code::reset:
      return 3;
    case error_code::connect_timeout:
      return 1;
    case error_code::unreachable:
      return 0;
    default:
      return 2;
  }
}

} // namespace actorwire
