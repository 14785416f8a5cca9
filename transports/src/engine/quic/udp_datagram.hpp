#pragma once

#include "udp_address.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace actorwire {

/// The two bits of the IP header by which routers tell of congestion (RFC 3168, 5).
enum class ecn_mark : std::uint8_t { not_capable = 0, capable_1 = 1, capable_0 = 2, congested = 3 };

/// One datagram that has arrived. *Lifetime:* as long as the buffer that it was read into is left alone.
struct udp_arrival {
  udp_path path;
  ecn_mark mark = ecn_mark::not_capable;
  std::span<const std::byte> bytes;
};

/// Datagrams for one path, back to back: all of `segment_size` bytes but the last, which may be shorter. One call to the
/// system sends them, where it can cut (udp(7), UDP_SEGMENT).
struct udp_departure {
  udp_path path;
  ecn_mark mark = ecn_mark::not_capable;
  std::size_t segment_size = 0;
  std::span<const std::byte> bytes;
};

/// The most bytes and the most datagrams that one departure may carry: the limit of an IPv4 datagram, and what every
/// kernel with UDP_SEGMENT takes.
inline constexpr std::size_t departure_bytes_max = 65'507;
inline constexpr std::size_t departure_segments_max = 64;

} // namespace actorwire
