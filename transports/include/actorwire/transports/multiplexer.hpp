#pragma once

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/stream.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace actorwire {

struct outgoing;

/// What a transport with several streams tells, beyond what it tells as a `transport`. *Thread and lifetime:* as those of
/// `transport_observer`.
class multiplexer_observer {
public:
  /// The peer has opened a stream.
  virtual void on_stream_opened(stream_id stream, stream_direction direction) = 0;
  /// Bytes arrived on a stream other than 0, in order; no more than was asked for, but for what is left at the end, as in
  /// `transport_observer::on_received`.
  virtual void on_stream_received(stream_id stream, payload bytes) = 0;
  /// The peer sent its last byte on it, and all of them were delivered. Of a stream that the peer has opened it is told after the
  /// first `receive`: as long as that is missing the stream is open, and counts as one of those that the peer may have.
  virtual void on_stream_finished(stream_id stream) = 0;
  /// A half of it was given up with this code: by `receiving`, the peer has given up sending, and what was not delivered
  /// is lost; by `sending`, the peer wants no more, and what was not acknowledged is lost.
  virtual void on_stream_reset(stream_id stream, stream_half half, std::uint64_t code) = 0;
  /// There is room again after `send` took less than it was given.
  virtual void on_stream_writable(stream_id stream) = 0;
  /// Both halves have ended, and everything was acknowledged or given up. The stream is not known any more.
  virtual void on_stream_closed(stream_id stream) = 0;
  /// After `open` failed with `stream_limit`: the peer allows more streams of this direction.
  virtual void on_streams_available(stream_direction direction) = 0;

  virtual void on_datagram(payload body) = 0;
  /// A datagram that was accepted has left, or was dropped before.
  virtual void on_datagram_done(std::uint64_t id, bool was_sent) = 0;

  /// The connection goes on between other addresses, numeric and with ports.
  virtual void on_address_changed(const std::string& local, const std::string& remote) = 0;

protected:
  ~multiplexer_observer() = default;
};

/// The streams other than 0, and the unreliable datagrams, of a transport that has such (QUIC; RFC 9000, 2 and RFC 9221).
/// Stream 0 is what `transport` is about. Streams end with the transport, and nothing is told of them then;
/// what is left of them is told before.
/// *Thread:* shard only. *Lifetime:* that of the transport.
class multiplexer {
public:
  /// Opens a stream. *Errors:* `stream_limit` while the peer allows no more; `not_connected`.
  [[nodiscard]] virtual result<stream_id> open(stream_direction direction, stream_priority priority) = 0;

  /// Takes as many bytes as there is room for; `on_stream_writable` follows if that is not all. *Errors:*
  /// `stream_closed` for a stream that is not known, or that cannot be sent on any more.
  virtual result<std::size_t> send(stream_id stream, std::span<const outgoing> pieces) = 0;

  /// Allows `bytes` more bytes of it to be delivered; a stream starts with an allowance of zero.
  virtual void receive(stream_id stream, std::size_t bytes) = 0;

  /// Ends our half after all that `send` took.
  virtual void finish(stream_id stream) = 0;
  /// Gives our half up: what was not acknowledged is lost (RFC 9000, 3.1).
  virtual void reset(stream_id stream, std::uint64_t code) = 0;
  /// Wants nothing more of the peer's half (RFC 9000, 3.5).
  virtual void stop(stream_id stream, std::uint64_t code) = 0;
  virtual void prioritize(stream_id stream, stream_priority priority) = 0;

  /// Bytes of our half that the peer has acknowledged; empty when the stream is not known any more. Streams that were open when
  /// the transport ended are known for good.
  [[nodiscard]] virtual std::optional<std::uint64_t> bytes_acked(stream_id stream) const = 0;

  /// Bytes of our half that have left for the network; the rest of what `send` took waits. Empty when the
  /// stream is not known any more.
  [[nodiscard]] virtual std::optional<std::uint64_t> bytes_sent(stream_id stream) const = 0;

  /// Whether what `send` took of a stream waits for nothing but that the peer reads, and not for others, or the network.
  [[nodiscard]] virtual bool is_held_by_peer(stream_id stream) const = 0;

  /// Has a datagram sent once, or dropped when others have filled the buffer meanwhile; returns what `on_datagram_done`
  /// names it by. *Errors:* `unsupported` if the peer takes none, `message_too_large` naming the present limit,
  /// `not_connected`.
  [[nodiscard]] virtual result<std::uint64_t> send_datagram(payload body) = 0;

protected:
  ~multiplexer() = default;
};

} // namespace actorwire
