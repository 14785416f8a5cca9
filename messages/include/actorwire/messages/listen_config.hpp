#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace actorwire {

/// How a listener accepts. *Thread:* immutable value.
struct listen_config {
  /// Connections that the kernel may hold before they are accepted (listen(2)). 1 .. 65,535; the kernel
  /// lowers it to net.core.somaxconn.
  std::uint32_t backlog = 4'096;
  /// Accepted connections alive at once, and those of which a receiver has yet to hear; at the limit the listener stops
  /// accepting and goes on after a close. 1 .. 1,000,000.
  std::uint32_t max_connections = 65'536;
  /// The same for the clients of one address, or of one IPv6 /64, over all shards; one more is turned away and counted in
  /// `listener_stats::connections_refused`. A client of `quic://` counts from when it has proved its address, by Retry or
  /// by its handshake, and for that one even if it moves. 0, the default: no limit, since all clients behind one proxy, load
  /// balancer or NAT have one address. 0 or 1 .. 1,000,000.
  std::uint32_t max_connections_per_address = 0;
  /// For `tls://`, `quic://`, and `tcp://` with a session: clients that have connected and not yet agreed on keys, or greeted, over all
  /// shards. One more ends
  /// the one that has taken longest, on whichever shard, so that clients that never finish keep nobody out. Never more
  /// than half of `max_connections`. 1 .. 1,000,000.
  std::uint32_t max_handshakes = 1'024;
  /// The same for the clients of one address, or of one IPv6 /64; one more is turned away. Clients of `quic://` that have
  /// not proved their address (Retry) do not count for it, or anybody could use it up, and are the first to be ended.
  /// 1 .. `max_handshakes`.
  std::uint32_t max_handshakes_per_address = 64;
  /// One listening socket on every shard (SO_REUSEPORT) so that the kernel spreads the clients. Off: the first shard
  /// accepts and deals them out in turn; those of `quic://` all live there, because they share its socket.
  bool reuse_port = true;
  /// Lets others listen on the same address and port, if they say so too: another listener, or another program of the
  /// same user, such as the next version of a server that takes over. The kernel spreads the clients over all of them.
  ///
  /// Off: whoever listens there first is alone, and everyone else gets `address_in_use`, a second start of the same
  /// program by mistake included. The first socket takes the port for itself, and only then lets those of the other
  /// shards join, so two that start at once do not slip in beside each other. Connections of an earlier run keep nobody
  /// away, whether they live or are in TIME-WAIT (SO_REUSEADDR is set). What cannot be kept out is a socket of the same
  /// user that shares from its beginning, as with this setting, while `reuse_port` has more than one shard listen.
  ///
  /// With `quic://` packets for connections of one listener may reach another one, which drops them. To end them there
  /// no listener with this setting knows how to (RFC 9000, 10.3), nor its own after it was killed and started again: its
  /// peers learn of that by their timeouts.
  /// Connections of `quic://` share the socket of their listener: after its end, or while it is suspended, those that go on
  /// keep the port, and who wants to listen there gets `address_in_use`; new clients are refused meanwhile.
  bool share_port = false;
  /// For `transport.session`: how long the session of a client is kept that has no connection. 1 ms .. 24 h. After it the
  /// session is lost, at both ends, and so it is with the end of the listener and of this program.
  std::chrono::milliseconds session_keep{300'000};
  /// Sessions at once, with a connection or without. One more takes the place of the one that has been without the longest;
  /// if all have one, it is not begun, and its client is to come again. 1 .. 1,000,000.
  std::uint32_t sessions_max = 65'536;
  /// Bytes of messages that are kept in sessions without a connection, all together, where each message takes 128 bytes beside
  /// its own. Beyond it those are lost that have been without the longest. 0 .. 1 TiB.
  std::size_t parked_bytes_max = std::size_t{64} << 20U;
  /// Settings of each accepted connection.
  transport_config transport;

  friend bool operator==(const listen_config&, const listen_config&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("listen_config", field{"backlog", self.backlog}, field{"max_connections", self.max_connections},
                 field{"max_connections_per_address", self.max_connections_per_address},
                 field{"max_handshakes", self.max_handshakes},
                 field{"max_handshakes_per_address", self.max_handshakes_per_address},
                 field{"reuse_port", self.reuse_port}, field{"share_port", self.share_port},
                 field{"session_keep", self.session_keep}, field{"sessions_max", self.sessions_max},
                 field{"parked_bytes_max", self.parked_bytes_max}, field{"transport", self.transport});
  }
};

/// Checks every field, those of `transport` included.
/// *Errors:* `invalid_value` or `conflicting_values` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const listen_config& config);

} // namespace actorwire
