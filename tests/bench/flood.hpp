#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace actorwire::bench {

/// Clients that never finish: half of them say nothing, half send a byte a second of a ClientHello that is as it should be.
struct flood_plan {
  std::uint16_t port = 0;
  std::size_t attackers = 2'000;
  /// They come from 127.0.1.1, 127.0.1.2 and so on, in turn.
  std::size_t addresses = 64;
  /// How long one that was thrown out waits before it comes back.
  std::chrono::milliseconds pause{1'000};
  std::string congestion_control;
};

/// Attacks until standard input ends. Attackers begin one after the other, within `pause`. Prints a line once all have, and
/// at the end how often they came back after that, and how many were connected then.
void run_flood(const flood_plan& wanted);

} // namespace actorwire::bench
