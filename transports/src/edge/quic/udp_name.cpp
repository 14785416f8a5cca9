#include "udp_name.hpp"

#include <cstring>

namespace actorwire {

udp_name::udp_name(const udp_address& address, sa_family_t socket_family) noexcept
  : address_(address), is_mapped_(socket_family == AF_INET6 && address.family() == AF_INET) {
  if (!is_mapped_)
    return;
  mapped_.sin6_family = AF_INET6;
  mapped_.sin6_port = htons(address.port());
  mapped_.sin6_addr.s6_addr[10] = 0xff;
  mapped_.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(&mapped_.sin6_addr.s6_addr[12], address.host().bytes.data(), sizeof(in_addr));
}

} // namespace actorwire
