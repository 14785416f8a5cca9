#pragma once

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/statistics.hpp>
#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/multiplexer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace actorwire {

/// What is known of a transport when it is ready.
struct transport_opening {
  /// Numeric addresses of both ends.
  std::string local;
  std::string remote;
  /// What was agreed on with the peer; all empty where nothing is encrypted.
  tls_info tls;
  /// Which of several endpoints leads there; empty where there was only the one that `connect` was given.
  std::optional<endpoint> carried_by{};
  /// A client that was accepted with its first packet, which an earlier session vouches for (0-RTT): the handshake goes on, and
  /// `on_handshake_done` follows if it ends well.
  bool is_early = false;
  /// The look-up of the name failed, and addresses of an earlier one led there.
  bool stale_addresses = false;
};

/// What a transport tells its user. *Thread:* all calls come on the transport's shard, never from within a call that
/// the user makes into the transport. *Lifetime:* after `on_closed`, or after the user called `detach`, none follows.
class transport_observer {
public:
  /// The attempt moved on: `resolving`, `connecting` or `handshaking`.
  virtual void on_progress(connection_state where) = 0;
  /// `send` takes bytes from here on, which leave before the peer has proved who it is, and which the peer may be given twice
  /// (0-RTT). Only where the settings ask for it and an earlier session allows it, at most once, before `on_connected`.
  virtual void on_early_data() {}
  /// The transport is ready in both directions.
  virtual void on_connected(const transport_opening& opening) = 0;
  /// The handshake is done, too. Only where `on_connected` was early.
  virtual void on_handshake_done() {}
  /// Bytes arrived, in order; no more than was asked for with `receive`. Where the protocol's windows are the transport's own
  /// (QUIC), what they still hold when the peer ends the connection in order comes all at once, asked for or not, and
  /// `on_closed` right behind it.
  virtual void on_received(payload bytes) = 0;
  /// The peer sent its last byte, and all of them were delivered. Sending goes on.
  virtual void on_peer_finished() = 0;
  /// There is room again after `send` took less than it was given.
  virtual void on_writable() = 0;
  /// The transport has ended, for this reason; the last call. `error_code::closed` when both sides ended in order.
  virtual void on_closed(const transport_error& reason) = 0;

protected:
  ~transport_observer() = default;
};

/// Bytes to be sent that somebody else owns. A transport that needs them beyond the call takes a reference to `owner`.
struct outgoing {
  const std::byte* data = nullptr;
  std::size_t size = 0;
  slab* owner = nullptr;
};

/// One connection to one peer, whatever the protocol: an ordered stream of bytes in each direction. It knows nothing of
/// messages, actors or reconnection. The operations never block; what takes time ends in a call to the observer.
///
/// Life: `init`, then `connect` (an accepted transport is connected already and calls `on_connected` after `init`),
/// then `send` and `receive`, then `close`. Exactly one `on_closed` follows a successful `init`, unless detached.
/// *Thread:* shard only. *Lifetime:* counted; pending system calls keep the object, `detach` keeps them quiet.
class transport : public locally_counted {
public:
  /// Takes the settings and who is to be told. *Errors:* `configuration` for invalid or unsupported settings.
  virtual result<void> init(const transport_config& config, transport_observer& observer) = 0;

  /// Starts to connect. *Errors:* reported by `on_closed`, with the phase in which it failed.
  virtual void connect(const endpoint& remote) = 0;

  /// Takes as many bytes as there is room for, from the front, and returns how many. If that is not all, `on_writable`
  /// follows, where it is connected. *Errors:* `send` kind when the transport is not connected, nor was `on_early_data`
  /// called, or `finish` was; the loss of the connection is not reported here but by `on_closed`.
  virtual result<std::size_t> send(std::span<const outgoing> pieces) = 0;

  /// Allows `bytes` more bytes to be delivered. The transport starts with an allowance of zero, and reads nothing
  /// beyond it; while it is zero, the end or loss of an idle connection is still noticed where the protocol lets it.
  virtual void receive(std::size_t bytes) = 0;

  /// Sends the end of our stream after all that `send` took; the peer may still send (TCP: half-close).
  virtual void finish() = 0;

  /// Ends the transport at once and drops what is buffered (TCP: sends RST if there is such); `on_closed` follows with
  /// `reason`. A second call does nothing.
  virtual void close(const transport_error& reason) = 0;

  /// Ends the transport at once, without a word to the observer.
  virtual void detach() noexcept = 0;

  /// The figures so far; after the end, the last ones.
  [[nodiscard]] virtual transport_stats stats() const = 0;

  /// Bytes of our stream that the peer's transport has acknowledged; never more than `send` took. *Source:* TCP
  /// `tcpi_bytes_acked`, QUIC stream offsets.
  [[nodiscard]] virtual std::uint64_t bytes_acked() const = 0;

  /// The other streams, and the datagrams, of a transport that has such; null for one that has not, or does not know yet.
  /// Called between `init` and `connect`, or `on_connected`; `observer` is told from then on. Where it was null, it is asked
  /// for once more within `on_connected`.
  [[nodiscard]] virtual multiplexer* multiplex(multiplexer_observer& /*observer*/) { return nullptr; }
};

} // namespace actorwire
