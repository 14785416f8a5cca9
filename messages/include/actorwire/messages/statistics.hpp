#pragma once

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/quic_config.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>
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

/// Whether packets are marked so that routers can tell of congestion without dropping any (ECN; RFC 9000, 13.4).
/// - `off`: the socket cannot mark.
/// - `testing`: the first packets are marked, and it is not known yet what becomes of the marks.
/// - `capable`: the path and the peer have proved to keep the marks, and packets have them.
/// - `failed`: they do not, and packets have none.
enum class ecn_state : std::uint8_t { off, testing, capable, failed };

constexpr std::array<std::string_view, 4> names_of(ecn_state) {
  return {"off", "testing", "capable", "failed"};
}

/// The account of the unreliable datagrams of a QUIC connection. Those that were accepted for sending and are neither
/// `sent` nor `dropped` wait.
struct datagram_totals {
  /// That left, each in a packet.
  std::uint64_t sent = 0;
  /// Of these, that are taken for lost, since later packets were acknowledged; such a one may have arrived all the same
  /// (RFC 9221, 5.2).
  std::uint64_t lost = 0;
  /// That did not leave; see `datagram_outcome`.
  std::uint64_t dropped = 0;
  /// That arrived.
  std::uint64_t received = 0;
  /// Of these, that nobody was given, because no subscriber had room for them.
  std::uint64_t discarded = 0;

  constexpr datagram_totals& operator+=(const datagram_totals& other) noexcept {
    sent += other.sent;
    lost += other.lost;
    dropped += other.dropped;
    received += other.received;
    discarded += other.discarded;
    return *this;
  }

  friend constexpr bool operator==(const datagram_totals&, const datagram_totals&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("datagram_totals", field{"sent", self.sent}, field{"lost", self.lost}, field{"dropped", self.dropped},
                 field{"received", self.received}, field{"discarded", self.discarded});
  }
};

/// What the QUIC engine knows of a connection. Counts begin with the connection. *Source:* RFC 9002.
struct quic_metrics {
  /// The one that both sides have come to.
  quic_version version = quic_version::v1;
  /// Whether the listener took what the first flight carried (0-RTT); false also where it carried nothing.
  bool early_data_accepted = false;
  std::chrono::microseconds rtt{0};
  std::chrono::microseconds rtt_variance{0};
  std::uint64_t congestion_window = 0; // bytes
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t bytes_acked = 0; // of streams
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_received = 0;
  /// That are taken for lost (RFC 9002, 6.1). An ngtcp2 before 1.16, be it the one that this library was built with or the
  /// one that it runs with, does not tell: then it is always 0.
  std::uint64_t packets_lost = 0;
  /// Times that what was on its way stayed unacknowledged for so long that a probe went out (RFC 9002, 6.2). Counted here,
  /// since no ngtcp2 tells.
  std::uint64_t pto_count = 0;
  ecn_state ecn = ecn_state::off;
  /// Bytes of the largest UDP payload that is sent on the present path.
  std::uint32_t mtu = 0;
  /// Times that the connection went on between other addresses.
  std::uint32_t path_changes = 0;
  /// Streams that are open now, by the side that opened them. Stream 0 is the client's.
  std::uint32_t own_streams = 0;
  std::uint32_t peer_streams = 0;
  /// Streams of each direction that this side may open now, beside those that are open (RFC 9000, 4.6).
  std::uint64_t bidirectional_streams_left = 0;
  std::uint64_t unidirectional_streams_left = 0;
  datagram_totals datagrams{};

  friend bool operator==(const quic_metrics&, const quic_metrics&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("quic_metrics", field{"version", self.version}, field{"early_data_accepted", self.early_data_accepted},
                 field{"rtt", self.rtt}, field{"rtt_variance", self.rtt_variance},
                 field{"congestion_window", self.congestion_window}, field{"bytes_in_flight", self.bytes_in_flight},
                 field{"bytes_acked", self.bytes_acked}, field{"packets_sent", self.packets_sent},
                 field{"packets_received", self.packets_received}, field{"packets_lost", self.packets_lost},
                 field{"pto_count", self.pto_count}, field{"ecn", self.ecn}, field{"mtu", self.mtu},
                 field{"path_changes", self.path_changes}, field{"own_streams", self.own_streams},
                 field{"peer_streams", self.peer_streams},
                 field{"bidirectional_streams_left", self.bidirectional_streams_left},
                 field{"unidirectional_streams_left", self.unidirectional_streams_left},
                 field{"datagrams", self.datagrams});
  }
};

using protocol_metrics = std::variant<tcp_metrics, quic_metrics>;

/// The figures of one transport, and of a peer over all its generations.
struct transport_stats {
  /// Bytes handed to and taken from the transport on all streams, framing included; they never go back over reconnects.
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
  /// Peers waiting for their delay, for a permit to dial, or for the breaker of their endpoint.
  std::uint32_t waiting = 0;
  std::uint32_t failed = 0;
  std::uint64_t attempts = 0;
  std::uint64_t connects = 0;
  std::uint64_t losses = 0;
  std::uint64_t crashes = 0;
  /// Connections that had another ready to take their place when they were to be renewed. They are no losses.
  std::uint64_t renewals = 0;
  /// Endpoints whose breaker is open, and how often one has opened.
  std::uint32_t open_breakers = 0;
  std::uint64_t breaker_openings = 0;
  /// Peers that are lent, those that could be, and checkouts that wait for one.
  std::uint32_t leased = 0;
  std::uint32_t leasable = 0;
  std::uint32_t lease_waiters = 0;
  /// Leases that were granted, and of these the ones that were taken back: their time was over, or their owner had ended.
  std::uint64_t leases = 0;
  std::uint64_t leases_taken_back = 0;

  friend bool operator==(const pool_stats&, const pool_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("pool_stats", field{"peers", self.peers}, field{"ready", self.ready},
                 field{"connecting", self.connecting}, field{"waiting", self.waiting}, field{"failed", self.failed},
                 field{"attempts", self.attempts}, field{"connects", self.connects}, field{"losses", self.losses},
                 field{"crashes", self.crashes}, field{"renewals", self.renewals},
                 field{"open_breakers", self.open_breakers}, field{"breaker_openings", self.breaker_openings},
                 field{"leased", self.leased}, field{"leasable", self.leasable},
                 field{"lease_waiters", self.lease_waiters}, field{"leases", self.leases},
                 field{"leases_taken_back", self.leases_taken_back});
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
  /// Clients that were turned away because their address had `listen_config::max_connections_per_address` connections.
  std::uint64_t connections_refused = 0;
  /// Clients that were turned away: their address had `listen_config::max_handshakes_per_address` of them, or there were
  /// `max_handshakes`, and all of these were only just being accepted.
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
                 field{"accepted", self.accepted}, field{"connections_refused", self.connections_refused},
                 field{"handshakes_refused", self.handshakes_refused},
                 field{"handshakes_evicted", self.handshakes_evicted}, field{"accept_errors", self.accept_errors},
                 field{"accepting", self.accepting}, field{"last_error", self.last_error});
  }
};

} // namespace actorwire
