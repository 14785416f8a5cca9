#pragma once

#include "engine/quic/udp_datagram.hpp"

#include <actorwire/transports/ip_address.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace actorwire {

/// What the kernel tells beside the bytes of a message (cmsg(3)).
struct udp_control {
  ecn_mark mark = ecn_mark::not_capable;
  /// Where to cut a train of datagrams; 0 for a single one.
  std::size_t segment_size = 0;
  /// Where it was sent to; only sockets that are bound to a wildcard hear it.
  std::optional<ip_address> local;
};

/// Room for all of it, at the most that the options of `apply_udp_options` cause.
inline constexpr std::size_t udp_control_size_max =
    CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo)) + 3 * CMSG_SPACE(sizeof(int));

[[nodiscard]] udp_control read_control(msghdr& message) noexcept;

/// Collects what the kernel is told beside the bytes of a message. Which options are meant depends on the address that
/// it goes to and not on the family of the socket.
class udp_control_writer {
public:
  void add_mark(ecn_mark mark, sa_family_t family) noexcept;
  /// Names the address that a message leaves from.
  void add_source(const udp_address& local) noexcept;
  /// Orders a train to be cut.
  void add_segment_size(std::uint16_t size) noexcept;

  /// *Lifetime:* the message refers to the memory of this.
  void attach_to(msghdr& message) noexcept;

private:
  template <class T>
  void add(int level, int type, const T& value) noexcept {
    assert(size_ + CMSG_SPACE(sizeof value) <= space_.size());
    cmsghdr head{};
    head.cmsg_level = level;
    head.cmsg_type = type;
    head.cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(space_.data() + size_, &head, sizeof head);
    std::memcpy(space_.data() + size_ + CMSG_LEN(0), &value, sizeof value);
    size_ += CMSG_SPACE(sizeof value);
  }

  alignas(cmsghdr) std::array<std::byte, udp_control_size_max> space_{};
  std::size_t size_ = 0;
};

} // namespace actorwire
