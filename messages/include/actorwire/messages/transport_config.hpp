#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/flow_limits.hpp>
#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/quic_config.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/session_config.hpp>
#include <actorwire/messages/tcp_config.hpp>
#include <actorwire/messages/tls_config.hpp>

#include <chrono>
#include <cstddef>
#include <variant>

namespace actorwire {

/// Settings that only one protocol has.
using protocol_config = std::variant<tcp_config, quic_config>;

/// Everything that can be set on a connection. Defaults are safe and suit most programs. *Thread:* immutable value.
struct transport_config {
  /// Largest unit that one packet carries, bytes. With `tcp_config` the segment size (TCP_MAXSEG), 536 .. 32,767; with
  /// `quic_config` the UDP payload, 1,200 .. 65,527. 0 lets the path decide.
  std::size_t mtu = 0;
  /// Silence after which the connection is probed. 0 turns probing off; else 1 s .. 32,767 s, for TCP in whole seconds,
  /// as the kernel counts them. With `quic_config` below its `idle_timeout`, if that is on; the connection is probed after a
  /// third of that, or of the peer's, where that is earlier, and a client that the
  /// server's windows keep silent after a third of `operation_timeout`, also if this is 0.
  std::chrono::milliseconds keepalive_interval{15'000};
  /// Time that a probe, or a sent byte, may stay unanswered before the connection counts as lost. 1 ms .. 24 h. How long that
  /// can take in all tells `half_open_bound`.
  std::chrono::milliseconds keepalive_timeout{20'000};
  /// Time to connect to one address. 1 ms .. `attempt_timeout`.
  std::chrono::milliseconds connect_timeout{5'000};
  /// Time for a whole attempt: resolving, every address of every endpoint, handshake. 1 ms .. 24 h.
  std::chrono::milliseconds attempt_timeout{20'000};
  /// Time in which a connection with bytes to send must move some of them. 1 ms .. 24 h.
  std::chrono::milliseconds operation_timeout{10'000};
  /// Start of the next address while the earlier is still pending (RFC 8305, 5 and 8). 10 ms .. 2 s.
  std::chrono::milliseconds happy_eyeballs_delay{250};
  /// The same among several endpoints of one peer: start of the next while the earlier is not connected, handshake included.
  /// 10 ms .. 2 s.
  std::chrono::milliseconds fallback_delay{250};
  /// What the end of the peer's stream means. Off: once the subscribers have handled all data, what is queued is sent
  /// and the connection closes. On: it stays open for sending until it is closed from this side.
  bool allow_half_open = false;
  framing_config framing;
  flow_limits flow;
  session_config session;
  /// `tcp_config` for `tcp://` and `tls://`, `quic_config` for `quic://`. `quic://` that finds a `tcp_config` takes its
  /// defaults, and ignores an `mtu` below 1,200. `tcp://` and `tls://` refuse a `quic_config`, unless they are one of
  /// several endpoints: then they take their defaults, and ignore the `mtu`.
  protocol_config protocol_settings;
  /// For `tls://` and `quic://`; others do not look at it.
  tls_config tls;

  friend bool operator==(const transport_config&, const transport_config&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("transport_config", field{"mtu", self.mtu}, field{"keepalive_interval", self.keepalive_interval},
                 field{"keepalive_timeout", self.keepalive_timeout}, field{"connect_timeout", self.connect_timeout},
                 field{"attempt_timeout", self.attempt_timeout}, field{"operation_timeout", self.operation_timeout},
                 field{"happy_eyeballs_delay", self.happy_eyeballs_delay}, field{"fallback_delay", self.fallback_delay},
                 field{"allow_half_open", self.allow_half_open}, field{"framing", self.framing},
                 field{"flow", self.flow}, field{"session", self.session},
                 field{"protocol_settings", self.protocol_settings}, field{"tls", self.tls});
  }
};

/// Returns what `quic://` goes by: the `quic_config` in `protocol_settings`, or a default one where there is none.
[[nodiscard]] ACTORWIRE_EXPORT const quic_config& quic_settings(const transport_config& config) noexcept;

/// Checks every field, the nested ones included, and how they fit together.
/// *Errors:* `invalid_value` or `conflicting_values` naming fields, values and the allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const transport_config& config);

} // namespace actorwire
