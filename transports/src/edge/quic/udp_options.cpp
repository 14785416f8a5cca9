#include "udp_options.hpp"

#include "edge/option_setter.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace actorwire {

namespace {

std::size_t grow(int descriptor, int forcing_name, int name, std::size_t size) {
  if (size != 0) {
    const auto wanted = to_int(size);
    if (::setsockopt(descriptor, SOL_SOCKET, forcing_name, &wanted, sizeof wanted) != 0)
      ::setsockopt(descriptor, SOL_SOCKET, name, &wanted, sizeof wanted);
  }
  int doubled = 0;
  socklen_t value_size = sizeof doubled;
  ::getsockopt(descriptor, SOL_SOCKET, name, &doubled, &value_size);
  return static_cast<std::size_t>(doubled) / 2;
}

} // namespace

result<void> apply_udp_options(int descriptor, const udp_address& local, const udp_socket_options& options) {
  const int on = 1;
  const int off = 0;
  const auto is_v6 = local.family() == AF_INET6;
  const auto is_wildcard = local.is_wildcard();
  option_setter setter{descriptor};
  // Never SO_REUSEADDR: for UDP it would let any program take over the port (socket(7)).
  if (options.reuse_port)
    setter.set(SOL_SOCKET, SO_REUSEPORT, on, "set SO_REUSEPORT");
  if (is_v6) {
    setter.set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, "set IPV6_MTU_DISCOVER")
        .set(IPPROTO_IPV6, IPV6_RECVTCLASS, on, "set IPV6_RECVTCLASS");
    if (is_wildcard)
      setter.set(IPPROTO_IPV6, IPV6_V6ONLY, off, "clear IPV6_V6ONLY")
          .set(IPPROTO_IPV6, IPV6_RECVPKTINFO, on, "set IPV6_RECVPKTINFO");
  }
  // An IPv6 socket that serves IPv4 too has the options of both. It tells local addresses by those of IPv6 alone.
  if (!is_v6 || is_wildcard)
    setter.set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, "set IP_MTU_DISCOVER")
        .set(IPPROTO_IP, IP_RECVTOS, on, "set IP_RECVTOS");
  if (!is_v6 && is_wildcard)
    setter.set(IPPROTO_IP, IP_PKTINFO, on, "set IP_PKTINFO");
  if (options.gro)
    ::setsockopt(descriptor, SOL_UDP, UDP_GRO, &on, sizeof on);
  return setter.outcome();
}

udp_buffer_sizes grow_udp_buffers(int descriptor, std::size_t size) {
  return {grow(descriptor, SO_RCVBUFFORCE, SO_RCVBUF, size), grow(descriptor, SO_SNDBUFFORCE, SO_SNDBUF, size)};
}

bool can_cut_trains(int descriptor) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(descriptor, SOL_UDP, UDP_SEGMENT, &value, &size) == 0;
}

void forgo_local_addresses(int descriptor) {
  const int off = 0;
  ::setsockopt(descriptor, IPPROTO_IP, IP_PKTINFO, &off, sizeof off);
  ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, &off, sizeof off);
}

} // namespace actorwire
