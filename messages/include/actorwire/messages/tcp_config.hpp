#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/result.hpp>

#include <cstddef>
#include <cstdint>

namespace actorwire {

/// Settings of a TCP connection. *Thread:* immutable value.
struct tcp_config {
  /// Sends small writes at once instead of waiting for more (disables Nagle's algorithm, TCP_NODELAY).
  bool nodelay = true;
  /// Kernel send buffer, bytes (SO_SNDBUF). 0 leaves the kernel's autotuning on, which is nearly always better;
  /// else 4,096 .. 1 GiB.
  std::size_t send_buffer_size = 0;
  /// Kernel receive buffer, bytes (SO_RCVBUF). 0 leaves the kernel's autotuning on; else 4,096 .. 1 GiB.
  std::size_t recv_buffer_size = 0;
  /// Unanswered keepalive probes after which the kernel gives up (TCP_KEEPCNT). 1 .. 127.
  std::uint32_t keepalive_probes = 4;

  friend bool operator==(const tcp_config&, const tcp_config&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("tcp_config", field{"nodelay", self.nodelay}, field{"send_buffer_size", self.send_buffer_size},
                 field{"recv_buffer_size", self.recv_buffer_size}, field{"keepalive_probes", self.keepalive_probes});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const tcp_config& config);

} // namespace actorwire
