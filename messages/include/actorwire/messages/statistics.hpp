#pragma once

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/error.hpp>

#include <chrono>
#include <cstdint>
#include <variant>

namespace actorwire {

/// What the kernel knows of a TCP connection. *Source:* Linux `struct tcp_info`.
struct tcp_metrics {
  std::chrono::microseconds rtt{0};
  std::chrono::microseconds rtt_variance{0};
  std::uint32_t congestion_window = 0; // segments
  std::uint32_t segment_size = 0;      // bytes
  std::uint64_t retransmits = 0;       // segments, since the connection began
  std::uint64_t bytes_acked = 0;
  std::uint32_t unsent_bytes = 0; // in the kernel's send buffer, not yet on the wire

  friend bool operator==(const tcp_metrics&, const tcp_metrics&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("tcp_metrics", field{"rtt", self.rtt}, field{"rtt_variance", self.rtt_variance},
                 field{"congestion_window", self.congestion_window}, field{"segment_size", self.segment_size},
                 field{"retransmits", self.retransmits}, field{"bytes_acked", self.bytes_acked},
                 field{"unsent_bytes", self.unsent_bytes});
  }
};

/// What the QUIC engine knows of a connection. *Source:* RFC 9002.
struct quic_metrics {
  std::chrono::microseconds rtt{0};
  std::chrono::microseconds rtt_variance{0};
  std::uint64_t congestion_window = 0; // bytes
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t packets_lost = 0;
  std::uint32_t open_streams = 0;

  friend bool operator==(const quic_metrics&, const quic_metrics&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("quic_metrics", field{"rtt", self.rtt}, field{"rtt_variance", self.rtt_variance},
                 field{"congestion_window", self.congestion_window}, field{"bytes_in_flight", self.bytes_in_flight},
                 field{"packets_lost", self.packets_lost}, field{"open_streams", self.open_streams});
  }
};

using protocol_metrics = std::variant<tcp_metrics, quic_metrics>;

/// The figures of one transport, and of a peer over all its generations.
struct transport_stats {
  /// Bytes handed to and taken from the transport, framing included; they never go back over reconnects.
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  /// Smoothed round-trip time; 0 while unknown.
  std::chrono::microseconds latency{0};
  /// Times that a peer was connected anew: its generations less one.
  std::uint32_t reconnect_count = 0;
  protocol_metrics metrics;

  friend bool operator==(const transport_stats&, const transport_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("transport_stats", field{"bytes_sent", self.bytes_sent}, field{"bytes_received", self.bytes_received},
                 field{"latency", self.latency}, field{"reconnect_count", self.reconnect_count},
                 field{"metrics", self.metrics});
  }
};

/// What a supervisor's pool holds at an instant, and what it did so far.
struct pool_stats {
  std::uint32_t peers = 0;
  std::uint32_t ready = 0;
  /// Attempts in flight.
  std::uint32_t connecting = 0;
  /// Peers waiting for their delay, or for a permit to dial.
  std::uint32_t waiting = 0;
  std::uint32_t failed = 0;
  std::uint64_t attempts = 0;
  std::uint64_t connects = 0;
  std::uint64_t losses = 0;
  std::uint64_t crashes = 0;

  friend bool operator==(const pool_stats&, const pool_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("pool_stats", field{"peers", self.peers}, field{"ready", self.ready},
                 field{"connecting", self.connecting}, field{"waiting", self.waiting}, field{"failed", self.failed},
                 field{"attempts", self.attempts}, field{"connects", self.connects}, field{"losses", self.losses},
                 field{"crashes", self.crashes});
  }
};

/// What a listener does, and did so far.
struct listener_stats {
  /// Connections that are open, those included that are not ready yet.
  std::uint32_t open = 0;
  /// Of these, clients of `tls://` and `quic://` that have not yet agreed on keys; at most
  /// `listen_config::max_handshakes`.
  std::uint32_t handshaking = 0;
  /// Connections that were accepted.
  std::uint64_t accepted = 0;
  /// Clients that were turned away: their address had `listen_config::max_handshakes_per_address` of them, or there were
  /// `max_handshakes`, and none on the shard that got the client to end in its place.
  std::uint64_t handshakes_refused = 0;
  /// Clients that were ended for another one while they had not agreed on keys, at `listen_config::max_handshakes`.
  std::uint64_t handshakes_evicted = 0;
  /// Failures to accept, to listen again on `resume`, and to read good certificates on `reload_tls`, and requests that
  /// were refused and had nobody to tell. A shortage counts once, however long it lasts.
  std::uint64_t accept_errors = 0;
  /// Whether clients are accepted now: it listens on every shard, and there is room within its limit.
  bool accepting = false;
  /// The last of those failures; `error_code::none` if there was none.
  transport_error last_error;

  friend bool operator==(const listener_stats&, const listener_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("listener_stats", field{"open", self.open}, field{"handshaking", self.handshaking},
                 field{"accepted", self.accepted}, field{"handshakes_refused", self.handshakes_refused},
                 field{"handshakes_evicted", self.handshakes_evicted}, field{"accept_errors", self.accept_errors},
                 field{"accepting", self.accepting}, field{"last_error", self.last_error});
  }
};

} // namespace actorwire
