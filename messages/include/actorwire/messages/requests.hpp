#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/reconnection_policy.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/stream.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace actorwire {

// -- to a connection or peer ------------------------------------------------------------------------------------------

/// Waits until the connection is ready; answered with `connection_info`. A peer that is idle starts to dial.
struct connect {
  friend bool operator==(const connect&, const connect&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("connect");
  }
};

/// Sends a message and asks what became of it; answered with `sent` once `options.wanted` is known, or with an error.
struct send {
  payload body;
  send_options options;

  friend bool operator==(const send&, const send&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("send", field{"body", self.body}, field{"options", self.options});
  }
};

/// Sends a message without an answer. It is counted like every other; if it is lost, `data_lost` says so.
struct cast {
  payload body;
  send_options options;

  friend bool operator==(const cast&, const cast&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("cast", field{"body", self.body}, field{"options", self.options});
  }
};

/// Most messages of one `send_batch`.
inline constexpr std::size_t batch_messages_max = 65'536;

/// Sends many messages at once, each a message of its own on the wire; answered with one `batch_sent` when the outcome of all is
/// known. Either all are accepted, with consecutive sequence numbers, or none is, and the answer is an error. By
/// `overflow_policy::drop_oldest` others make room for all of them; by `drop_newest` all or none are dropped.
///
/// `options` are those of each; a `report` comes for each too, if nobody asks. A `key` would let each take the place of the
/// one before, so a batch has none.
/// *Errors:* as for `send`, naming which message it is about; `invalid_value` for a batch that is empty, too large, or has a
/// `key`.
struct send_batch {
  /// 1 .. 65,536 of them.
  std::vector<payload> bodies;
  send_options options;

  friend bool operator==(const send_batch&, const send_batch&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("send_batch", field{"bodies", self.bodies}, field{"options", self.options});
  }
};

/// Checks what does not depend on the connection. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const send_batch& request);

/// Pulls the next bytes or frame; answered with `received`. Only while nobody subscribes to data. With
/// `transport_config::allow_half_open`, `peer_closed` is the answer when the peer has ended its side.
/// Data that comes after `timeout`, or after whoever asked has ended, stays for the next reader.
///
/// CAF tells nobody that a request has timed out: one that CAF gave up, and whose actor lives on, still takes the next
/// data, which is gone with an answer that nobody waits for. So let `timeout` be shorter than the time that the request
/// itself is given.
/// *Errors:* `request_timeout`; `conflicting_values` if somebody subscribes; `invalid_value`.
struct receive {
  /// How long to wait for data. 0 (for ever) or 1 ms .. 24 h.
  std::chrono::milliseconds timeout{0};
  /// From which stream.
  stream_id stream = 0;

  friend bool operator==(const receive&, const receive&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("receive", field{"timeout", self.timeout}, field{"stream", self.stream});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const receive& request);

/// How a subscriber to data pays for what it gets.
/// - `automatic`: each message counts as paid for once the subscriber's handler returned.
/// - `manual`: the subscriber sends `grant{bytes}` when it is done with them; it starts with `read_credit` bytes.
enum class credit_mode : std::uint8_t { automatic, manual };

constexpr std::array<std::string_view, 2> names_of(credit_mode) {
  return {"automatic", "manual"};
}

/// Sends the chosen events to the sender of this request, from now until it ends or unsubscribes. A connection or peer answers
/// with `connection_status`, the snapshot that the events continue; supervisors and listeners, which have no data and so no
/// `credit`, with nothing.
struct subscribe {
  event_mask mask = event_mask::all;
  credit_mode credit = credit_mode::automatic;

  friend bool operator==(const subscribe&, const subscribe&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("subscribe", field{"mask", self.mask}, field{"credit", self.credit});
  }
};

/// Ends the sender's subscription.
struct unsubscribe {
  friend bool operator==(const unsubscribe&, const unsubscribe&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("unsubscribe");
  }
};

/// Gives back credit after `bytes` bytes were dealt with; for `credit_mode::manual`.
struct grant {
  std::uint64_t bytes = 0;
  /// On which stream; each has a credit of its own.
  stream_id stream = 0;

  friend bool operator==(const grant&, const grant&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("grant", field{"bytes", self.bytes}, field{"stream", self.stream});
  }
};

/// Ends our side of a stream once everything accepted is written; the other side sees the end, and may still send. Nothing
/// is accepted for it from now on.
///
/// Stream 0 is that of the peer, whatever connections carry it. A peer that is not connected dials as its policy says, writes what waits, and then ends; what a
/// lost connection leaves goes out on the next one. When a connection is lost that has taken all of it, there is nothing
/// left to connect for: the peer closes. A peer is not handed out any more by its supervisor, which makes a new one.
struct finish_stream {
  stream_id stream = 0;

  friend bool operator==(const finish_stream&, const finish_stream&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("finish_stream", field{"stream", self.stream});
  }
};

// The five that follow are for `quic://`, once it is connected. Others answer them with `unsupported`.

/// Opens a stream; answered with `stream_opened`. The peer hears of it with the first bytes, or the end, that are sent on
/// it (RFC 9000, 2.1).
/// *Errors:* `stream_limit` while the peer takes no more of this direction: nobody waits for it here, `streams_available`
/// tells when to ask again; `not_connected`: streams other than 0 do not wait for a connection; `unsupported`;
/// `invalid_value`.
struct open_stream {
  stream_direction direction = stream_direction::bidirectional;
  stream_priority priority{};

  friend bool operator==(const open_stream&, const open_stream&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("open_stream", field{"direction", self.direction}, field{"priority", self.priority});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const open_stream& request);

/// Cuts our side of a stream short: what waits on it is given up, what is on its way is not sent again, and the other side
/// is told `code` (RESET_STREAM; RFC 9000, 3.1). It may still send. Not for stream 0, which ends with `finish_stream` or
/// `close`.
/// *Errors:* `invalid_value`; `stream_closed`; `not_connected`; `unsupported`.
struct reset_stream {
  stream_id stream = 0;
  /// Why, in the terms of the protocol above: 0 .. 2^62 - 1 (RFC 9000, 20.2).
  std::uint64_t code = 0;

  friend bool operator==(const reset_stream&, const reset_stream&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("reset_stream", field{"stream", self.stream}, field{"code", self.code});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const reset_stream& request);

/// Asks the other side to send no more on a stream, and drops what still comes (STOP_SENDING; RFC 9000, 3.5). Not for
/// stream 0.
/// *Errors:* `invalid_value`; `stream_closed`; `not_connected`; `unsupported`.
struct stop_stream {
  stream_id stream = 0;
  /// Why, in the terms of the protocol above: 0 .. 2^62 - 1 (RFC 9000, 20.2).
  std::uint64_t code = 0;

  friend bool operator==(const stop_stream&, const stop_stream&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("stop_stream", field{"stream", self.stream}, field{"code", self.code});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const stop_stream& request);

/// Changes which stream's bytes leave first, from the next packet on. For stream 0 too, until the connection is lost.
/// *Errors:* `invalid_value`; `stream_closed`; `not_connected`; `unsupported`.
struct prioritize_stream {
  stream_id stream = 0;
  stream_priority priority{};

  friend bool operator==(const prioritize_stream&, const prioritize_stream&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("prioritize_stream", field{"stream", self.stream}, field{"priority", self.priority});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const prioritize_stream& request);

/// Sends an unreliable datagram (RFC 9221); answered with `datagram_sent` when it has left or was dropped. It leaves
/// whole, in one packet, or not at all, and never waits for a connection.
/// *Errors:* `message_too_large`: beyond what one packet to this peer carries, or the peer takes, which can change with the
/// path; `not_connected`; `unsupported`, also where the peer takes no datagrams.
struct send_datagram {
  payload body;

  friend bool operator==(const send_datagram&, const send_datagram&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("send_datagram", field{"body", self.body});
  }
};

/// Answered with `stats`.
struct get_stats {
  friend bool operator==(const get_stats&, const get_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("get_stats");
  }
};

/// Sends the figures of whoever is told to the sender of this, at each interval, if it has handled the last: `stats` of a
/// connection or peer, `pool_stats` of a supervisor, `listener_stats` of a listener. 0 ends it. At least 10 ms, at most a day.
struct stream_stats {
  std::chrono::milliseconds interval{1'000};

  friend bool operator==(const stream_stats&, const stream_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("stream_stats", field{"interval", self.interval});
  }
};

/// Answered with `connection_status`, as of now.
struct get_state {
  friend bool operator==(const get_state&, const get_state&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("get_state");
  }
};

/// How a connection ends.
/// - `drain`: takes no more messages, sends what it has, ends its side, and waits for the peer's end.
/// - `flush`: takes no more messages, sends what it has, and closes.
/// - `abort`: closes at once; what was not sent is reported.
enum class close_mode : std::uint8_t { drain, flush, abort };

constexpr std::array<std::string_view, 3> names_of(close_mode) {
  return {"drain", "flush", "abort"};
}

/// Ends the connection, or the peer with all its future generations; answered with `close_report`. After `timeout` it
/// is aborted. A supervisor and a listener take it too and end all they hold. A later close can only be stricter, or
/// shorten the time; both are answered.
struct close {
  close_mode mode = close_mode::drain;
  std::chrono::milliseconds timeout{30'000};

  friend bool operator==(const close&, const close&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("close", field{"mode", self.mode}, field{"timeout", self.timeout});
  }
};

// -- to a supervisor --------------------------------------------------------------------------------------------------

/// What may differ from peer to peer.
struct acquire_options {
  transport_config transport;
  reconnection_policy reconnection;
  /// Peers that `acquire` makes for the same endpoints and options before it hands them out again; those that close do not
  /// count. `checkout` goes by `pool_limits::max_leased`. 1 .. 64.
  std::uint32_t max_per_endpoint = 1;
  /// How long a connection is used, 10 % more or less, as drawn for each: then the peer dials another, and lets the old one
  /// go when that is ready. What is sent meanwhile waits, and leaves by the new one behind all that left by the old, which
  /// has `transport_config::operation_timeout` to end. While no other can be had, the old one stays. 0 (for ever) or
  /// 1 s .. 24 h.
  std::chrono::milliseconds max_lifetime{0};
  /// How long a connection is kept over which no byte of the program goes in either direction, to within a quarter more: then
  /// it ends in order, and the peer is `idle` until something is wanted of it: a message, a call, a stream, `connect`,
  /// `receive`, `subscribe` or another `acquire` lets it dial, as for the first time. A connection is kept while messages,
  /// own calls or pulls wait, while it has other streams, and while data waits that nobody has credit for; subscribers do not keep
  /// it, nor do calls of the other side that are not answered yet. A `close` takes a peer that rests as it is: what was accepted
  /// in the moment before is `not_sent`, as the report says. To be shorter than what the server allows, which otherwise ends the connection at the moment it is used again.
  /// `checkout` goes by `pool_limits::lease_idle_timeout`. 0 (for ever) or 1 s .. 24 h; 0 with a session, which a listener keeps
  /// for a while only.
  std::chrono::milliseconds idle_timeout{0};

  friend bool operator==(const acquire_options&, const acquire_options&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("acquire_options", field{"transport", self.transport}, field{"reconnection", self.reconnection},
                 field{"max_per_endpoint", self.max_per_endpoint}, field{"max_lifetime", self.max_lifetime},
                 field{"idle_timeout", self.idle_timeout});
  }
};

/// Returns the peer for `remote`, new or from the pool, and lets it dial. Answered at once with its handle; the peer
/// need not be ready. The same endpoints with the same options are the same peer, until that one closes or finishes its
/// stream.
///
/// With `acquire_options::max_per_endpoint` they are a group of so many peers. Each `acquire` makes one more until there are
/// all of them, or the pool is full; from then on it is answered with the one that has accepted the fewest bytes that are
/// not settled, of several with the one that was handed out least often. One that is not connected is the answer only while
/// none is, and one that has given up only if all have.
///
/// With `alternatives` each attempt is a race: `remote` is tried first, and the next endpoint beside it when
/// `transport_config::fallback_delay` has passed, or at once when the one before it has failed. The first that is connected,
/// handshake included, carries the peer, and the others are given up; nothing is sent before. What won instead of `remote` is
/// tried first for 10 minutes, unless it fails.
struct acquire {
  endpoint remote;
  acquire_options options;
  /// Other ways to the same service, in the order of preference behind `remote`. At most 3, none of them named twice.
  std::vector<endpoint> alternatives{};

  friend bool operator==(const acquire&, const acquire&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("acquire", field{"remote", self.remote}, field{"options", self.options},
                 field{"alternatives", self.alternatives});
  }
};

/// Checks every field, the nested ones included. *Errors:* `invalid_value` or `conflicting_values` naming fields, values and
/// what is allowed.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const acquire& request);

/// Lends a peer for these endpoints and options, which nobody else gets until it is given back; answered with `lease` once
/// one is connected and free. There are at most `pool_limits::max_leased` of them, made when they are wanted, and none of
/// them is ever the answer to `acquire`. Who asked first for the same endpoints and options is served first.
///
/// The lease is bound to whoever asked, its owner. When that one ends, or does not give it back within `hold`, the peer is
/// closed, whatever it is doing: nobody knows in the middle of what it was left. The owner is told with `lease_ended`, if it
/// subscribes. A peer that its owner closes, or whose stream it finishes, ends its lease, too; it counts among the
/// `max_leased` until it is closed.
///
/// CAF tells nobody that a request has timed out. One that CAF gave up, and whose actor lives on, is still granted its
/// lease, which nobody then gives back before `hold` is over. So let `wait` be shorter than the time that the request itself
/// is given.
///
/// A lost connection is dialled again while it is lent, as that of every peer is. There is no `session_mode::on`: a session goes
/// on over connections, and so would, from one owner to the next, what was said to and by the last.
/// *Errors:* after `wait`: `pool_exhausted` if all that may be made are lent, `breaker_open` or `not_connected` if none is
/// connected, each with the last failure; `draining` if the supervisor closes; at once: `pool_exhausted` when 1,024 wait
/// already, `invalid_value`, and what the last peer gave up for, when no other is left.
struct checkout {
  endpoint remote;
  acquire_options options;
  /// As those of `acquire`.
  std::vector<endpoint> alternatives{};
  /// How long to wait for one. 0 (only for one that is free now) .. 24 h.
  std::chrono::milliseconds wait{30'000};
  /// After this time it is taken back. 1 ms .. 24 h.
  std::chrono::milliseconds hold{300'000};
  /// What to do, unless one is free, when the breaker of `remote` is open or opens, or when all peers that there are have
  /// failed or lost their connection: `queue` waits on, `fail` is answered with `breaker_open` or `not_connected` then. There
  /// is nothing to `drop`.
  when_down policy = when_down::queue;

  friend bool operator==(const checkout&, const checkout&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("checkout", field{"remote", self.remote}, field{"options", self.options},
                 field{"alternatives", self.alternatives}, field{"wait", self.wait}, field{"hold", self.hold},
                 field{"policy", self.policy});
  }
};

/// Checks every field, the nested ones included. *Errors:* `invalid_value` or `conflicting_values` naming fields, values and
/// what is allowed.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const checkout& request);

/// Gives a lease back. Its owner's subscriptions to the peer end, and its `receive` and `connect` that wait are answered;
/// what was accepted for sending is sent. Nobody must use the peer through the lease any more: it may be lent to another.
///
/// Whoever knows the id may give the lease back: an owner may have handed peer and id on to another actor, which ends the
/// work. The owner is still the one whose end takes it back. Ids are counted, not secret.
/// *Errors:* `invalid_value` if there is no such lease, any more or ever: the peer of whoever has it now stays untouched.
struct release {
  lease_id id = 0;
  /// Whether the peer can be lent again. Say no in the middle of an exchange, when data may still come that the next owner
  /// would take for its own: the peer is closed then.
  bool reuse = true;

  friend bool operator==(const release&, const release&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("release", field{"id", self.id}, field{"reuse", self.reuse});
  }
};

/// Lists the status of every peer in the pool. A supervisor does not follow how far an attempt has come: while one is in
/// flight it says `resolving`.
struct list {
  friend bool operator==(const list&, const list&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("list");
  }
};

/// Returns the peer with that id.
struct lookup {
  connection_id id = 0;

  friend bool operator==(const lookup&, const lookup&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("lookup", field{"id", self.id});
  }
};

/// Replaces the policy of one peer; takes effect at its next delay.
struct set_policy {
  connection_id id = 0;
  reconnection_policy policy;

  friend bool operator==(const set_policy&, const set_policy&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("set_policy", field{"id", self.id}, field{"policy", self.policy});
  }
};

/// Revives a failed peer, and lets a waiting one dial now: its attempts, delays and crashes start from zero.
struct reset {
  connection_id id = 0;

  friend bool operator==(const reset&, const reset&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("reset", field{"id", self.id});
  }
};

/// Answered with `pool_stats`.
struct get_pool_stats {
  friend bool operator==(const get_pool_stats&, const get_pool_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("get_pool_stats");
  }
};

/// Answered with `pool_totals`, as soon as all peers have told theirs. It costs a message to each of them, and is meant for
/// once in a while; `get_pool_stats` is answered at once.
/// *Errors:* `would_block` when 1,024 askers wait for the sum that begins next; `closed` if the supervisor ends before.
struct get_pool_totals {
  friend bool operator==(const get_pool_totals&, const get_pool_totals&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("get_pool_totals");
  }
};

/// Reads the files that TLS settings name once more, and uses what they hold for all handshakes from then on. To a
/// supervisor, for all of its peers, or to a listener. Everything is read and checked before anything changes: if a file
/// is missing, half written, does not fit the others or has expired, the old credentials stay. Connections go on.
/// *Errors:* `invalid_credentials`; a supervisor tells it as `pool_event` too, and a listener as `listener_event` and in
/// `listener_stats`.
struct reload_tls {
  /// Has connections that were made with the old credentials close, after what they have to send is sent: those of a
  /// listener for good, those of a supervisor when another is ready to take their place.
  bool drain = false;
  /// How long such a connection may take. 1 ms .. 24 h.
  std::chrono::milliseconds drain_timeout{30'000};

  friend bool operator==(const reload_tls&, const reload_tls&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("reload_tls", field{"drain", self.drain}, field{"drain_timeout", self.drain_timeout});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const reload_tls& request);

// -- to a listener ----------------------------------------------------------------------------------------------------

/// Closes the listening sockets; accepted connections go on. Answered when all sockets are closed.
struct suspend {
  friend bool operator==(const suspend&, const suspend&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("suspend");
  }
};

/// Listens again on the same port; answered when every shard does. If one cannot, none does: the answer is the error,
/// `listener_stats` keeps it, and a further `resume` tries again.
struct resume {
  friend bool operator==(const resume&, const resume&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("resume");
  }
};

/// Changes `listen_config::max_connections`. Connections beyond a lower limit stay. *Errors:* `invalid_value`, and the
/// limit stays what it was.
struct set_limit {
  std::uint32_t max_connections = 0;

  friend bool operator==(const set_limit&, const set_limit&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("set_limit", field{"max_connections", self.max_connections});
  }
};

/// Answered with `listener_stats`.
struct get_listener_stats {
  friend bool operator==(const get_listener_stats&, const get_listener_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("get_listener_stats");
  }
};

} // namespace actorwire
