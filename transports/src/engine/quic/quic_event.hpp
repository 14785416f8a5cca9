#pragma once

#include "udp_address.hpp"

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/stream.hpp>

#include <cstdint>
#include <variant>

namespace actorwire {

/// What a QUIC connection tells whoever drives it.
namespace quic_event {

/// The peer has acknowledged something for the first time, so that it is not somebody else who speaks.
struct answered {};

/// The handshake is done and the peer verified. At a server that takes early data, and asks for no certificates, as soon as
/// such data is there (RFC 8446, 2.3): an earlier session vouches for the client, the rest of the handshake follows, and
/// what comes until then may have been sent a second time by somebody else.
struct connected {
  tls_info tls;
  /// The handshake goes on; `handshake_done` follows.
  bool is_early = false;
};

/// Behind an early `connected`: the handshake is done.
struct handshake_done {};

/// The peer has opened a stream.
struct stream_opened {
  stream_id stream;
  stream_direction direction;
};

/// There is something to `read`, or the stream's end.
struct stream_readable {
  stream_id stream;
};

/// There is room again after `send` took less than it was given.
struct stream_writable {
  stream_id stream;
};

/// The peer gave up sending on the stream; what came before may be read no more.
struct stream_reset {
  stream_id stream;
  std::uint64_t code;
};

/// The peer wants nothing more on the stream; what was not acknowledged is lost. An ngtcp2 before 1.24 tells that late, when
/// there is something to be sent or the stream is closed; and in the first case not the code, which is 0 then.
struct stream_stopped {
  stream_id stream;
  std::uint64_t code;
};

/// Both directions have ended, and everything was acknowledged. The stream is not known any more.
struct stream_closed {
  stream_id stream;
};

/// More streams of this direction can be opened.
struct streams_available {
  stream_direction direction;
};

struct datagram_received {
  payload body;
};

/// A datagram that waited was handed to the network, or dropped before.
struct datagram_done {
  std::uint64_t id;
  bool was_sent;
};

/// What was sent as early data was refused; it is sent again. For statistics: there is nothing to be done.
struct early_data_rejected {};

/// The connection goes another way from now on: the peer, or this side, has another address.
struct path_changed {
  udp_path path;
};

/// The connection has ended; the last event.
struct closed {
  transport_error reason;
};

using any = std::variant<answered, connected, handshake_done, stream_opened, stream_readable, stream_writable,
                         stream_reset, stream_stopped, stream_closed, streams_available, datagram_received,
                         datagram_done, early_data_rejected, path_changed, closed>;

} // namespace quic_event

} // namespace actorwire
