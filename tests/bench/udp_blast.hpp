#pragma once

#include "echo_server.hpp"

#include <chrono>
#include <cstdint>
#include <memory>

namespace actorwire::bench {

// What the kernel alone can move in datagrams of the size that QUIC uses: trains that it cuts and puts together again
// (UDP_SEGMENT, UDP_GRO), with nothing in them. The ceiling of any QUIC on this machine.

/// Throws datagrams away, and counts their bytes; tells the count to whoever sends an empty datagram.
[[nodiscard]] std::unique_ptr<echo_server> make_udp_sink();

struct blast_figures {
  double megabytes_per_second = 0;
  std::uint64_t bytes = 0;
};

/// Sends as fast as it can; what has arrived counts.
[[nodiscard]] blast_figures measure_blast(std::uint16_t port, std::chrono::nanoseconds duration);

} // namespace actorwire::bench
