#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace actorwire {

/// Settings of a QUIC connection. *Thread:* immutable value.
struct quic_config {
  /// Streams of each direction that the peer may have open at once (RFC 9000, 4.6). 1 .. 65,535:
  /// stream 0, the byte stream that every transport has, is one of them.
  std::uint32_t max_streams = 100;
  /// The connection ends after this time without traffic (RFC 9000, 10.1; the default follows RFC 9308, 3.2). 0 turns
  /// the timeout off; else 100 ms .. 24 h.
  std::chrono::milliseconds idle_timeout{30'000};
  /// Bytes of unreliable datagrams that may wait to be sent; the oldest are dropped beyond it (RFC 9221).
  /// 1,200 (one datagram) .. 1 GiB.
  std::size_t datagram_send_buffer_size = std::size_t{1} << 20U;

  friend bool operator==(const quic_config&, const quic_config&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("quic_config", field{"max_streams", self.max_streams}, field{"idle_timeout", self.idle_timeout},
                 field{"datagram_send_buffer_size", self.datagram_send_buffer_size});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const quic_config& config);

} // namespace actorwire
