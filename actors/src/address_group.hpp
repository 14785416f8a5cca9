#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace actorwire {

/// What counts as one address of a client: an IPv4 address, however it is written, or an IPv6 /64, which is what one
/// customer gets (RFC 6177). The first byte tells which.
using address_group = std::array<std::uint8_t, 9>;

/// The group of a numeric address; all others are one group.
[[nodiscard]] address_group address_group_of(const std::string& host);

} // namespace actorwire
