#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/result.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire {

/// Versions of QUIC: RFC 9000 and RFC 9369. They differ in what a packet looks like and in nothing that a program sees.
enum class quic_version : std::uint8_t { v1, v2 };

constexpr std::array<std::string_view, 2> names_of(quic_version) {
  return {"v1", "v2"};
}

/// How it is decided how much may be on its way.
/// - `cubic`: RFC 9438, what most of the Internet does.
/// - `bbr`: by the bandwidth and the round-trip time that were measured; takes little notice of single losses.
/// - `reno`: RFC 9002, 7; the simplest, and the slowest to come back after a loss.
enum class quic_congestion_control : std::uint8_t { cubic, bbr, reno };

constexpr std::array<std::string_view, 3> names_of(quic_congestion_control) {
  return {"cubic", "bbr", "reno"};
}

/// What is done about an address that changes (RFC 9000, 9): a client moves, or a NAT between forgets it.
/// - `follow`: the connection goes on there, once the new path has proved to lead to the peer; and a client whose own address
///   is of no use any more goes on from another one of its machine.
/// - `refuse`: the peer is asked to stay where it is (`disable_active_migration`; RFC 9000, 18.2), and what comes from
///   another address is dropped: a connection that gets one ends by its timeouts. A new port of the same address, as a
///   NAT gives that has forgotten the connection, is followed once it has proved to lead to the peer. A client stays with
///   the address that it began with.
enum class quic_migration : std::uint8_t { follow, refuse };

constexpr std::array<std::string_view, 2> names_of(quic_migration) {
  return {"follow", "refuse"};
}

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
  /// Bytes that the peer may send on a stream ahead of what was read here, at first (RFC 9000, 4.1). 16 KiB .. 1 GiB.
  std::uint64_t stream_window = std::uint64_t{1} << 20U;
  /// What that grows to while the reader keeps up and the path could carry more. `stream_window` .. 1 GiB.
  std::uint64_t stream_window_max = std::uint64_t{16} << 20U;
  /// The same for all streams together. `stream_window` .. 4 GiB, and `connection_window` .. 4 GiB.
  std::uint64_t connection_window = std::uint64_t{1536} << 10U;
  std::uint64_t connection_window_max = std::uint64_t{24} << 20U;
  quic_congestion_control congestion_control = quic_congestion_control::cubic;
  /// The versions that are spoken, the preferred first: it is the one that a client begins with, and that a listener moves
  /// to where the client speaks it too (RFC 9368). At least one, each at most once.
  std::vector<quic_version> versions{quic_version::v1, quic_version::v2};
  quic_migration migration = quic_migration::follow;
  /// Whether the peer may send unreliable datagrams (RFC 9221, 3). Whether this side may is the peer's to say.
  bool datagrams = true;
  /// Whether the first flight may carry data (0-RTT; RFC 9001, 4.6), where an earlier session is resumed. A client sends
  /// messages with `send_options::idempotent` in it, and others after the handshake; what a listener refuses is sent again.
  /// Listeners of a network with equal settings take it once, as far as they remember: not after a restart, and each
  /// process remembers on its own. Its connection is `accepted` with the first packet then, a round trip early, unless the
  /// listener asks for client certificates, or the client does not prove its address by what it got from its connection
  /// before; what it sends leaves when the handshake is done, because GnuTLS has no keys for it before. At most 64 KiB
  /// leave early. Needs `tls_config::session_resumption`.
  bool early_data = false;
  /// Half-open clients of a listener beyond which a new one must first prove its address, for the price of one round
  /// trip (Retry; RFC 9000, 8.1.2). 0 (all must) .. 1,000,000.
  std::uint32_t retry_threshold = 64;
  /// Looks for larger packets that the path carries, by probes that may be lost without harm (RFC 8899; RFC 9000, 14.3).
  /// Off: packets stay at 1,200 bytes, or at `transport_config::mtu`.
  bool path_mtu_discovery = true;
  /// Kernel buffer of the UDP socket, bytes, in each direction (SO_SNDBUF, SO_RCVBUF); all connections of a socket share
  /// it, and the largest that one of them wants holds. The kernel may give less (net.core.rmem_max, wmem_max). 0 leaves
  /// the system's default; else 64 KiB .. 1 GiB.
  std::size_t socket_buffer_size = std::size_t{4} << 20U;
  /// Sends now and then what the peer must ignore, so that nothing between comes to rely on its absence (RFC 9287; reserved
  /// versions: RFC 9000, 15).
  bool grease = true;
  /// A folder in which each connection writes what it does, for qvis and the like: qlog, one file a connection, of at most
  /// 256 MiB, and at most 1,000 files for each shard and life of the program. It must exist; files are for this user only. For
  /// looking for faults: shards wait for the disk meanwhile. Empty: nothing is written. At most 4,096 bytes.
  ///
  /// An ngtcp2 before 1.22.1 can be made to write past the end of its buffer by a peer (CVE-2026-40170). There it is
  /// refused with `unsupported`, unless `qlog_forced` says that this one is known to be repaired, or the peers to be
  /// trusted.
  std::string qlog_directory{};
  bool qlog_forced = false;

  friend bool operator==(const quic_config&, const quic_config&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("quic_config", field{"max_streams", self.max_streams}, field{"idle_timeout", self.idle_timeout},
                 field{"datagram_send_buffer_size", self.datagram_send_buffer_size},
                 field{"stream_window", self.stream_window}, field{"stream_window_max", self.stream_window_max},
                 field{"connection_window", self.connection_window},
                 field{"connection_window_max", self.connection_window_max},
                 field{"congestion_control", self.congestion_control}, field{"versions", self.versions},
                 field{"migration", self.migration}, field{"datagrams", self.datagrams},
                 field{"early_data", self.early_data}, field{"retry_threshold", self.retry_threshold},
                 field{"path_mtu_discovery", self.path_mtu_discovery},
                 field{"socket_buffer_size", self.socket_buffer_size}, field{"grease", self.grease},
                 field{"qlog_directory", self.qlog_directory}, field{"qlog_forced", self.qlog_forced});
  }
};

/// Checks every field, and the order of the windows; looks at no folder.
/// *Errors:* `invalid_value` or `conflicting_values` naming fields, values and the allowed range. The folder's name is not
/// shown.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const quic_config& config);

} // namespace actorwire
