#pragma once

#include <actorwire/export.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace actorwire {

/// A numeric IP address. *Units:* `bytes` in network order; the first 4 of them for IPv4, the others 0. `scope` is the
/// interface of a link-local IPv6 address, 0 for none (RFC 4007).
struct ip_address {
  std::array<std::uint8_t, 16> bytes{};
  std::uint32_t scope = 0;
  bool is_v6 = false;

  friend bool operator==(const ip_address&, const ip_address&) = default;
};

/// Parses a numeric address such as `192.0.2.1`, `2001:db8::1` or `fe80::1%eth0`; empty when `host` is anything else.
[[nodiscard]] ACTORWIRE_EXPORT std::optional<ip_address> parse_ip_address(const std::string& host);

/// Renders the form that `parse_ip_address` reads back; a scope is written as a number.
[[nodiscard]] ACTORWIRE_EXPORT std::string to_string(const ip_address& address);

} // namespace actorwire
