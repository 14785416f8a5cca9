#pragma once

#include <actorwire/messages/enumeration.hpp>

#include <array>
#include <cstdint>
#include <string_view>

namespace actorwire {

/// The states of a connection and of a peer.
///
///     idle -> resolving -> connecting -> handshaking -> ready <-> degraded
///     any attempt that fails, and any loss -> backoff -> resolving
///     ready or degraded, and nobody uses the connection -> idle
///     limit reached, permanent error, too many crashes -> failed -> (reset) -> idle -> resolving
///     close -> draining -> closed, or at once -> closed, from which nothing leads out
///
/// The whole table is in `actors/src/supervision/state_machine.cpp`.
enum class connection_state : std::uint8_t {
  idle,
  resolving,
  connecting,
  handshaking,
  ready,
  degraded,
  backoff,
  draining,
  failed,
  closed,
};

constexpr std::array<std::string_view, 10> names_of(connection_state) {
  return {"idle",     "resolving", "connecting", "handshaking", "ready",
          "degraded", "backoff",   "draining",   "failed",      "closed"};
}

} // namespace actorwire
