#include "tcp_info.hpp"

// The C library's <netinet/tcp.h> has an older, shorter `tcp_info`, and one file cannot include both.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>

namespace actorwire {

namespace {

/// The kernel's TCP_CLOSE, which the C library hides in the header that cannot be included here. A connection that waits
/// in TIME-WAIT shows this state too: its socket is no longer part of it.
constexpr std::uint8_t state_closed = 7;

} // namespace

std::optional<tcp_snapshot> read_tcp_info(int descriptor) noexcept {
  ::tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
    return std::nullopt;
  tcp_snapshot seen;
  seen.metrics.rtt = std::chrono::microseconds{info.tcpi_rtt};
  seen.metrics.rtt_variance = std::chrono::microseconds{info.tcpi_rttvar};
  seen.metrics.congestion_window = info.tcpi_snd_cwnd;
  seen.metrics.segment_size = info.tcpi_snd_mss;
  seen.metrics.retransmits = info.tcpi_total_retrans;
  seen.metrics.bytes_acked = info.tcpi_bytes_acked;
  seen.metrics.unsent_bytes = info.tcpi_notsent_bytes;
  seen.all_is_acked = info.tcpi_state == state_closed || (info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0);
  return seen;
}

} // namespace actorwire
