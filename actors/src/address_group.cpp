#include "address_group.hpp"

#include <actorwire/transports/ip_address.hpp>

#include <algorithm>
#include <cstddef>

namespace actorwire {

namespace {

constexpr std::uint8_t v4_group = 4;
constexpr std::uint8_t v6_group = 6;

/// ::ffff:0:0/96, as which a socket for both families sees IPv4 (RFC 4291, 2.5.5.2).
constexpr std::array<std::uint8_t, 12> v4_mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

} // namespace

address_group address_group_of(const std::string& host) {
  constexpr std::size_t v4_size = 4;
  constexpr std::size_t v6_prefix_size = 8;
  address_group group{};
  const auto address = parse_ip_address(host);
  if (!address)
    return group;
  const auto& bytes = address->bytes;
  const auto is_mapped = address->is_v6 && std::equal(v4_mapped_prefix.begin(), v4_mapped_prefix.end(), bytes.begin());
  const auto* first = bytes.data() + (is_mapped ? v4_mapped_prefix.size() : 0);
  const auto is_v4 = is_mapped || !address->is_v6;
  group[0] = is_v4 ? v4_group : v6_group;
  std::copy_n(first, is_v4 ? v4_size : v6_prefix_size, group.begin() + 1);
  return group;
}

} // namespace actorwire
