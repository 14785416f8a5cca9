#pragma once

#include "udp_address.hpp"

#include <ngtcp2/ngtcp2.h>

#include <cstddef>

namespace actorwire {

/// Paths as ngtcp2 takes and gives them. *Lifetime:* what is made for ngtcp2 points at the address that it was made of.

[[nodiscard]] inline ngtcp2_addr address_for_ngtcp2(const udp_address& from) noexcept {
  return {const_cast<ngtcp2_sockaddr*>(from.data()), from.size()};
}

[[nodiscard]] inline ngtcp2_path path_for_ngtcp2(const udp_path& from) noexcept {
  return {address_for_ngtcp2(from.local), address_for_ngtcp2(from.remote), nullptr};
}

[[nodiscard]] inline udp_path path_of(const ngtcp2_path& from) noexcept {
  return {{from.local.addr, from.local.addrlen}, {from.remote.addr, from.remote.addrlen}};
}

/// A packet of PATH_CHALLENGE or PATH_RESPONSE and nothing else, to the longest connection ID: a first byte, that ID, a
/// packet number, the frame, and the tag (RFC 9000, 17.3.1 and 19.17).
inline constexpr std::size_t path_frame_packet_size = 1 + NGTCP2_MAX_CIDLEN + 4 + 9 + 16;

} // namespace actorwire
