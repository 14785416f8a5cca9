#pragma once

#include "engine/quic/udp_address.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

namespace actorwire {

/// An address as a socket of one family takes it: an IPv6 socket knows IPv4 addresses as v4-mapped ones (RFC 4291,
/// 2.5.5.2). *Lifetime:* of itself; it keeps a copy.
class udp_name {
public:
  udp_name(const udp_address& address, sa_family_t socket_family) noexcept;

  [[nodiscard]] const sockaddr* data() const noexcept {
    return is_mapped_ ? reinterpret_cast<const sockaddr*>(&mapped_) : address_.data();
  }
  [[nodiscard]] socklen_t size() const noexcept { return is_mapped_ ? sizeof mapped_ : address_.size(); }

private:
  udp_address address_;
  sockaddr_in6 mapped_{};
  bool is_mapped_;
};

} // namespace actorwire
