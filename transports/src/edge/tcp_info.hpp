#pragma once

#include <actorwire/messages/statistics.hpp>

#include <cstdint>
#include <optional>

namespace actorwire {

/// What the kernel tells of a TCP connection (tcp(7), TCP_INFO).
struct tcp_snapshot {
  /// `bytes_acked` is the kernel's own count, in which a SYN that we sent and our FIN are a byte each.
  tcp_metrics metrics;
  /// Whether everything we sent, the FIN included, has been acknowledged.
  bool all_is_acked = false;
};

/// Empty when `descriptor` is no TCP socket. One system call.
[[nodiscard]] std::optional<tcp_snapshot> read_tcp_info(int descriptor) noexcept;

} // namespace actorwire
