#pragma once

#include "udp_address.hpp"
#include "udp_datagram.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace actorwire {

/// How much a server may send where its client says that it is now, but has not proved it: three times what came from
/// there (RFC 9000, 8 and 9.3.1). ngtcp2 minds that by itself. But when the last byte of it is used, ngtcp2 (1.11, and
/// 1.25 still) stops the timer for lost packets, and starts it again only with the next packet that wants an
/// acknowledgement. Where the congestion window is full no such packet may leave, and a PATH_CHALLENGE neither: then
/// nothing that was lost is sent again, however much the client sends. So a connection counts along, and leaves a little
/// of it unused. *Thread:* one at a time.
class amplification_limit {
public:
  /// A datagram has been handled. `present` is where the connection goes since, `proven` the path that it can rely on.
  void follow(const udp_path& present, const udp_path& proven, const udp_arrival& arrived) noexcept {
    if (present == proven) {
      lift();
    } else if (!is_in_force_ || !(present == path_)) {
      *this = {};
      is_in_force_ = true;
      path_ = present;
      received_ = arrived.bytes.size();
    } else if (arrived.path == present) {
      received_ += arrived.bytes.size();
    }
  }
  void lift() noexcept { is_in_force_ = false; }

  [[nodiscard]] bool is_in_force() const noexcept { return is_in_force_; }

  void note_sent(const udp_path& path, std::size_t bytes) noexcept {
    if (is_in_force_ && path == path_)
      sent_ += bytes;
  }

  /// What a packet may have of `room`, with which ngtcp2 always leaves something of its own limit; 0: not worth a packet.
  [[nodiscard]] std::size_t cut(std::size_t room) const noexcept {
    if (!is_in_force_)
      return room;
    const auto left = factor * received_ - std::min(sent_, factor * received_);
    return left > smallest_packet ? static_cast<std::size_t>(std::min<std::uint64_t>(room, left - 1)) : 0;
  }

private:
  static constexpr std::uint64_t factor = 3;

  /// Smaller ones carry no PATH_CHALLENGE to a client with long connection IDs, and ngtcp2 counts one that did not fit as
  /// sent.
  static constexpr std::uint64_t smallest_packet = 64;

  bool is_in_force_ = false;
  udp_path path_;
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
};

} // namespace actorwire
