#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/result.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire {

/// The transport protocols that an endpoint can name.
enum class protocol : std::uint8_t { tcp, tls, quic };

constexpr std::array<std::string_view, 3> names_of(protocol) {
  return {"tcp", "tls", "quic"};
}

/// Where to connect to, or to listen: a protocol, a host and a port. The host keeps its name and is resolved anew for
/// each connection attempt, so that a service may move.
/// *Units:* `host` is a DNS name or an IP address in lower case, without brackets; `port` is in host byte order.
struct endpoint {
  protocol proto = protocol::tcp;
  std::string host;
  std::uint16_t port = 0;

  // clang-tidy 14 takes the 0 that such a comparison is made of for a pointer.
  friend auto operator<=>(const endpoint&, const endpoint&) = default; // NOLINT(modernize-use-nullptr)

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("endpoint", field{"proto", self.proto}, field{"host", self.host}, field{"port", self.port});
  }
};

/// Parses `protocol://host:port`, for example `tcp://example.org:6379` or `quic://[::1]:443`. Scheme and host are
/// case-insensitive; the result is in lower case, and an IPv6 address in its shortest form (RFC 5952), so that what
/// means the same compares equal. Port 0 is allowed for listening ("any free port").
///
/// A host is a name (labels of 1..63 letters, digits, inner hyphens and underscores, at most 253 bytes in all,
/// international names in their `xn--` form), an IPv4 address of four decimal numbers, or an IPv6 address in brackets.
/// Refused although some resolvers take them: names that end in a number, such as `127.1` or `0x7f000001`, because they
/// are read as addresses; a dot at the end, because TLS does not allow it in the name that it verifies (RFC 6066, 3);
/// IPv6 zones, because a zone has a meaning on one machine only.
/// *Errors:* `invalid_value` naming part, value and what is allowed. User names, paths, queries, fragments and
/// percent-encoding are refused, because a transport has no use for them and silently ignoring them hides mistakes.
/// Input beyond 512 bytes is refused as a whole. Error texts escape control characters, show at most 80 bytes of the
/// input, and neither user information nor queries. *Source:* RFC 3986, 3.2; RFC 1123, 2.1.
[[nodiscard]] ACTORWIRE_EXPORT result<endpoint> parse_endpoint(std::string_view uri);

/// Endpoints that one peer may have at most.
inline constexpr std::size_t endpoints_per_peer_max = 4;

/// Parses the endpoints of one peer in the order of preference, for example `quic://example.org:443, tls://example.org:443`:
/// 1 .. 4 of them, with a comma between two, and spaces around it if wanted. Each is what `parse_endpoint` reads.
/// *Errors:* those of `parse_endpoint`, naming which one; `invalid_value` for none, for too many, and for one that is named
/// twice.
[[nodiscard]] ACTORWIRE_EXPORT result<std::vector<endpoint>> parse_endpoints(std::string_view uris);

/// Renders the form that `parse_endpoint` reads back.
[[nodiscard]] ACTORWIRE_EXPORT std::string to_string(const endpoint& where);

/// Renders the form that `parse_endpoints` reads back.
[[nodiscard]] ACTORWIRE_EXPORT std::string to_string(const std::vector<endpoint>& all);

} // namespace actorwire

template <>
struct std::hash<actorwire::endpoint> {
  std::size_t operator()(const actorwire::endpoint& where) const noexcept {
    const auto address = std::hash<std::string>{}(where.host);
    return address ^ (static_cast<std::size_t>(where.port) << 3U) ^ static_cast<std::size_t>(where.proto);
  }
};
