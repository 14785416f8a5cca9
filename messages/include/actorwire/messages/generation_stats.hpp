#pragma once

#include <actorwire/messages/describe.hpp>

#include <chrono>
#include <cstdint>

namespace actorwire {

/// The figures of one connection of a peer. Those of all its generations add up to `transport_stats`.
struct generation_stats {
  /// From 1; 0 if there is no such connection, and then all else is 0 as well.
  std::uint64_t generation = 0;
  /// Bytes handed to and taken from the transport on all streams, framing included.
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  /// How long it has been ready, or was.
  std::chrono::microseconds lived{0};

  friend constexpr bool operator==(const generation_stats&, const generation_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("generation_stats", field{"generation", self.generation}, field{"bytes_sent", self.bytes_sent},
                 field{"bytes_received", self.bytes_received}, field{"lived", self.lived});
  }
};

} // namespace actorwire
