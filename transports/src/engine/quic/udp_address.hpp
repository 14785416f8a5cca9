#pragma once

#include <actorwire/transports/ip_address.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace actorwire {

/// A numeric address and port in the form that sockets and ngtcp2 take; 28 bytes. Without an address it has the family
/// AF_UNSPEC. An IPv4 address is one however it was written: `::ffff:192.0.2.1`, as an IPv6 socket that serves IPv4 too
/// names it (RFC 4291, 2.5.5.2), becomes `192.0.2.1`, so that an address has one form to compare, to store and to show.
/// *Thread:* immutable value.
class udp_address {
public:
  udp_address() noexcept : storage_{} {}
  udp_address(const ip_address& host, std::uint16_t port) noexcept;
  /// Takes what a system call filled in; of other families than IP nothing is kept.
  udp_address(const sockaddr* from, socklen_t size) noexcept;

  [[nodiscard]] const sockaddr* data() const noexcept { return &storage_.any; }
  [[nodiscard]] socklen_t size() const noexcept;
  [[nodiscard]] sa_family_t family() const noexcept { return storage_.any.sa_family; }
  [[nodiscard]] bool is_known() const noexcept { return family() != AF_UNSPEC; }
  /// Whether it is `0.0.0.0` or `::`, which stand for all addresses of the machine.
  [[nodiscard]] bool is_wildcard() const noexcept;

  [[nodiscard]] ip_address host() const noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;

  /// Compares address, port and scope. Flow labels are no part of an address.
  friend bool operator==(const udp_address& left, const udp_address& right) noexcept;

private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_;
};

/// Renders `192.0.2.1:443` or `[2001:db8::1]:443`.
[[nodiscard]] std::string to_text(const udp_address& where);

/// Both ends of a way that datagrams go.
struct udp_path {
  udp_address local;
  udp_address remote;

  friend bool operator==(const udp_path&, const udp_path&) = default;
};

} // namespace actorwire
