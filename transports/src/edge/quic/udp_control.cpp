#include "udp_control.hpp"

#include <netinet/udp.h>

#include <algorithm>

namespace actorwire {

namespace {

template <class T>
T value_of(const cmsghdr& entry) noexcept {
  T value;
  std::memcpy(&value, CMSG_DATA(&entry), sizeof value);
  return value;
}

ecn_mark mark_in(unsigned traffic_class) noexcept {
  return static_cast<ecn_mark>(traffic_class & 3U);
}

/// The destination in the header of the datagram. `ipi_spec_dst` would be an address of ours even for a broadcast, and
/// nobody should be able to have a broadcast answered.
ip_address local_in(const in_pktinfo& info) noexcept {
  ip_address local;
  std::memcpy(local.bytes.data(), &info.ipi_addr, sizeof info.ipi_addr);
  return local;
}

ip_address local_in(const in6_pktinfo& info) noexcept {
  ip_address local;
  local.is_v6 = true;
  std::memcpy(local.bytes.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
    local.scope = info.ipi6_ifindex;
  return local;
}

} // namespace

udp_control read_control(msghdr& message) noexcept {
  udp_control told;
  for (auto* entry = CMSG_FIRSTHDR(&message); entry != nullptr; entry = CMSG_NXTHDR(&message, entry)) {
    const auto is = [&](int level, int type) { return entry->cmsg_level == level && entry->cmsg_type == type; };
    if (is(SOL_UDP, UDP_GRO))
      told.segment_size = static_cast<std::size_t>(std::max(0, value_of<int>(*entry)));
    else if (is(IPPROTO_IP, IP_TOS))
      told.mark = mark_in(value_of<std::uint8_t>(*entry));
    else if (is(IPPROTO_IPV6, IPV6_TCLASS))
      told.mark = mark_in(static_cast<unsigned>(value_of<int>(*entry)));
    else if (is(IPPROTO_IP, IP_PKTINFO))
      told.local = local_in(value_of<in_pktinfo>(*entry));
    else if (is(IPPROTO_IPV6, IPV6_PKTINFO))
      told.local = local_in(value_of<in6_pktinfo>(*entry));
  }
  return told;
}

void udp_control_writer::add_mark(ecn_mark mark, sa_family_t family) noexcept {
  const auto value = static_cast<int>(mark);
  if (family == AF_INET6)
    add(IPPROTO_IPV6, IPV6_TCLASS, value);
  else
    add(IPPROTO_IP, IP_TOS, value);
}

void udp_control_writer::add_source(const udp_address& local) noexcept {
  const auto host = local.host();
  if (host.is_v6) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, host.bytes.data(), sizeof info.ipi6_addr);
    info.ipi6_ifindex = host.scope;
    add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, host.bytes.data(), sizeof info.ipi_spec_dst);
    add(IPPROTO_IP, IP_PKTINFO, info);
  }
}

void udp_control_writer::add_segment_size(std::uint16_t size) noexcept {
  add(SOL_UDP, UDP_SEGMENT, size);
}

void udp_control_writer::attach_to(msghdr& message) noexcept {
  message.msg_control = size_ != 0 ? space_.data() : nullptr;
  message.msg_controllen = size_;
}

} // namespace actorwire
