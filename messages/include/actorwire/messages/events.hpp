#pragma once

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/generation_stats.hpp>
#include <actorwire/messages/lifetime_stats.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/statistics.hpp>
#include <actorwire/messages/stream.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire {

/// What a subscriber wants to hear of; combine with `|`. One that does not handle what it is sent misses some of it: see
/// `events_missed`.
enum class event_mask : std::uint32_t {
  none = 0,
  /// `received`, `called`, `peer_closing`, `passivated` of stream 0, the one that every transport has: the bytes.
  data = 1U << 0U,
  /// `opened`, `state_changed`, `address_changed`.
  state = 1U << 1U,
  /// `data_lost`.
  loss = 1U << 2U,
  /// `backpressure`.
  backpressure = 1U << 3U,
  /// `pool_event`, from a supervisor.
  pool = 1U << 4U,
  /// All other streams: `stream_opened`, `received`, `called`, `peer_closing`, `passivated`, `stream_reset`,
  /// `stream_closed`, `streams_available`. While nobody wants them, what comes on them stays unread, and holds up neither stream 0 nor the
  /// connection.
  streams = 1U << 5U,
  /// `datagram_received`.
  datagrams = 1U << 6U,
  /// `listener_event`, from a listener.
  listener = 1U << 7U,
  /// `health_changed`.
  health = 1U << 8U,
  /// `session_opened`, `session_lost`; the latter also from a listener.
  sessions = 1U << 9U,
  all = (1U << 10U) - 1U,
};

constexpr event_mask operator|(event_mask left, event_mask right) noexcept {
  return static_cast<event_mask>(static_cast<std::uint32_t>(left) | static_cast<std::uint32_t>(right));
}

/// Whether `mask` holds all bits of `wanted`.
constexpr bool includes(event_mask mask, event_mask wanted) noexcept {
  return (static_cast<std::uint32_t>(mask) & static_cast<std::uint32_t>(wanted)) == static_cast<std::uint32_t>(wanted);
}

/// Identifies a connection or a peer within its network; never used twice.
using connection_id = std::uint64_t;

/// Identifies a lease within its supervisor; never used twice.
using lease_id = std::uint64_t;

/// What was agreed on with the peer of an encrypted connection. All empty where there is no encryption.
struct tls_info {
  /// `TLS1.2` or `TLS1.3`.
  std::string version;
  /// Such as `AES-128-GCM`.
  std::string cipher;
  /// The protocol above; empty if there was no such agreement.
  std::string alpn;
  /// Whether an earlier session was resumed, so that no certificates were exchanged.
  bool resumed = false;
  /// DNS names and addresses in the peer's certificate, at most 16, verified unless that was turned off; empty if it has
  /// none, or showed no certificate.
  std::vector<std::string> peer_names;
  /// The SHA-256 of the peer's public key, as in `tls_config::pinned_keys`.
  std::string peer_key;

  friend bool operator==(const tls_info&, const tls_info&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("tls_info", field{"version", self.version}, field{"cipher", self.cipher}, field{"alpn", self.alpn},
                 field{"resumed", self.resumed}, field{"peer_names", self.peer_names},
                 field{"peer_key", self.peer_key});
  }
};

/// Who one is connected to.
struct connection_info {
  connection_id id = 0;
  /// Counts the transport connections of one peer, from 1.
  std::uint64_t generation = 0;
  endpoint remote;
  /// The endpoint that leads there: `remote`, or of a peer that has `acquire::alternatives` the one that won. Without a host
  /// before the first generation, and in the answer to `list`, as are the addresses.
  endpoint carried_by;
  /// Numeric address and port of both ends.
  std::string remote_address;
  std::string local_address;
  /// The look-up of the name failed, and addresses of an earlier one, at most 10 minutes old, were dialled instead.
  bool stale_addresses = false;
  tls_info tls;

  friend bool operator==(const connection_info&, const connection_info&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("connection_info", field{"id", self.id}, field{"generation", self.generation},
                 field{"remote", self.remote}, field{"carried_by", self.carried_by},
                 field{"remote_address", self.remote_address}, field{"local_address", self.local_address},
                 field{"stale_addresses", self.stale_addresses}, field{"tls", self.tls});
  }
};

/// The connection is ready. Sent at each generation. For one that takes the place of a connection which was to be renewed it
/// comes without a `state_changed`: the peer was ready all the time.
struct opened {
  connection_info info;

  friend bool operator==(const opened&, const opened&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("opened", field{"info", self.info});
  }
};

/// Bytes, or one frame, from the peer. Take `body` by move where it is passed on.
struct received {
  connection_id source = 0;
  std::uint64_t generation = 0;
  stream_id stream = 0;
  payload body;

  friend bool operator==(const received&, const received&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("received", field{"source", self.source}, field{"generation", self.generation},
                 field{"stream", self.stream}, field{"body", self.body});
  }
};

/// The peer will send no more on this stream, which for stream 0 means on this generation; what we send still reaches it.
struct peer_closing {
  connection_id source = 0;
  std::uint64_t generation = 0;
  stream_id stream = 0;

  friend bool operator==(const peer_closing&, const peer_closing&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("peer_closing", field{"source", self.source}, field{"generation", self.generation},
                 field{"stream", self.stream});
  }
};

/// A subscriber with manual credit has used all of it; nothing more comes on this stream until it grants some.
struct passivated {
  connection_id source = 0;
  stream_id stream = 0;

  friend bool operator==(const passivated&, const passivated&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("passivated", field{"source", self.source}, field{"stream", self.stream});
  }
};

/// There is a new stream: the answer to `open_stream`, and what subscribers are told when the peer opens one. Its bytes
/// follow as `received`.
struct stream_opened {
  connection_id source = 0;
  std::uint64_t generation = 0;
  stream_id stream = 0;
  stream_direction direction = stream_direction::bidirectional;
  bool by_peer = false;

  friend bool operator==(const stream_opened&, const stream_opened&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("stream_opened", field{"source", self.source}, field{"generation", self.generation},
                 field{"stream", self.stream}, field{"direction", self.direction}, field{"by_peer", self.by_peer});
  }
};

/// One half of a stream was cut short, by the peer, or by this side with one of its codes (`stream_stalled_code`,
/// `stream_no_memory_code`, `stream_retired_code`); the other half may go on.
/// - `receiving`: the peer sends no more, and what came is not all that it had (RESET_STREAM; RFC 9000, 3.2). No `peer_closing`
///   follows.
/// - `sending`: the peer reads no more, and what waits to be sent is given up (STOP_SENDING; RFC 9000, 3.5).
struct stream_reset {
  connection_id source = 0;
  std::uint64_t generation = 0;
  stream_id stream = 0;
  stream_half half = stream_half::receiving;
  /// Why, in the terms of the protocol above: 0 .. 2^62 - 1 (RFC 9000, 20.2).
  std::uint64_t code = 0;

  friend bool operator==(const stream_reset&, const stream_reset&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("stream_reset", field{"source", self.source}, field{"generation", self.generation},
                 field{"stream", self.stream}, field{"half", self.half}, field{"code", self.code});
  }
};

/// A stream is over, with every half that it had; nothing more comes about it, and its number is not used again. Not told
/// of the streams that end with their connection.
struct stream_closed {
  connection_id source = 0;
  std::uint64_t generation = 0;
  stream_id stream = 0;
  /// Whether a half of it was cut short, by either side; else both ended in order.
  bool was_reset = false;
  /// The code of that, the first if there were two; 0 otherwise.
  std::uint64_t code = 0;

  friend bool operator==(const stream_closed&, const stream_closed&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("stream_closed", field{"source", self.source}, field{"generation", self.generation},
                 field{"stream", self.stream}, field{"was_reset", self.was_reset}, field{"code", self.code});
  }
};

/// After `open_stream` failed with `stream_limit`: the peer takes streams of this direction again (RFC 9000, 4.6). Told
/// once, to all who want `streams`, however many were refused: whoever asks first gets them.
struct streams_available {
  connection_id source = 0;
  std::uint64_t generation = 0;
  stream_direction direction = stream_direction::bidirectional;

  friend bool operator==(const streams_available&, const streams_available&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("streams_available", field{"source", self.source}, field{"generation", self.generation},
                 field{"direction", self.direction});
  }
};

/// An unreliable datagram from the peer (RFC 9221). Others may have been lost, or overtaken it. One that comes while no
/// subscriber has room for it is dropped and counted in `datagram_totals::discarded`.
struct datagram_received {
  connection_id source = 0;
  std::uint64_t generation = 0;
  payload body;

  friend bool operator==(const datagram_received&, const datagram_received&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("datagram_received", field{"source", self.source}, field{"generation", self.generation},
                 field{"body", self.body});
  }
};

/// What became of one `send_datagram`, as far as this side can know.
/// - `written`: it has left. It may be lost on its way, and nobody sends it again.
/// - `dropped`: it has not left: newer ones filled `quic_config::datagram_send_buffer_size`, or the connection was lost.
enum class datagram_outcome : std::uint8_t { written, dropped };

constexpr std::array<std::string_view, 2> names_of(datagram_outcome) {
  return {"written", "dropped"};
}

/// The answer to `send_datagram`.
struct datagram_sent {
  datagram_outcome result = datagram_outcome::written;

  friend bool operator==(const datagram_sent&, const datagram_sent&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("datagram_sent", field{"result", self.result});
  }
};

/// The connection goes on between other addresses: one side has moved, or something between has renumbered it, and the new
/// path has proved to lead to the peer (RFC 9000, 9). `connection_info` tells the new ones from now on.
struct address_changed {
  connection_id source = 0;
  std::uint64_t generation = 0;
  /// Numeric address and port of both ends.
  std::string local_address;
  std::string remote_address;

  friend bool operator==(const address_changed&, const address_changed&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("address_changed", field{"source", self.source}, field{"generation", self.generation},
                 field{"local_address", self.local_address}, field{"remote_address", self.remote_address});
  }
};

/// What became of one `send`; the answer to it.
struct sent {
  /// Counts the messages accepted by one connection or peer, from 1.
  std::uint64_t sequence = 0;
  std::uint64_t generation = 0;
  outcome result = outcome::written;
  /// That of its `send_options`.
  std::uint64_t tag = 0;

  friend bool operator==(const sent&, const sent&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("sent", field{"sequence", self.sequence}, field{"generation", self.generation},
                 field{"result", self.result}, field{"tag", self.tag});
  }
};

/// What became of a `send_batch`; the answer to it.
struct batch_sent {
  /// Of the first message, as in `sent`; those of the others follow it.
  std::uint64_t first_sequence = 0;
  /// That in which the last outcome became known.
  std::uint64_t generation = 0;
  /// For each message, in the order of the batch.
  std::vector<outcome> results;
  /// Why the first of those was lost that were; `error_code::none` if none was.
  transport_error why;
  /// That of its `send_options`.
  std::uint64_t tag = 0;

  friend bool operator==(const batch_sent&, const batch_sent&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("batch_sent", field{"first_sequence", self.first_sequence}, field{"generation", self.generation},
                 field{"results", self.results}, field{"why", self.why}, field{"tag", self.tag});
  }
};

/// What became of one message that was told with a `send_options::report`. It goes to whoever sent that, subscribed or not,
/// once for each such message, also for one that was refused.
struct message_settled {
  connection_id source = 0;
  std::uint64_t generation = 0;
  /// As in `sent`.
  std::uint64_t sequence = 0;
  /// That of its `send_options`.
  std::uint64_t tag = 0;
  outcome result = outcome::written;
  /// Why it did not, or may not, arrive; `error_code::none` for `written` and `acked`.
  transport_error why;

  friend bool operator==(const message_settled&, const message_settled&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("message_settled", field{"source", self.source}, field{"generation", self.generation},
                 field{"sequence", self.sequence}, field{"tag", self.tag}, field{"result", self.result},
                 field{"why", self.why});
  }
};

/// Messages that were accepted and did not, or may not, arrive. Each is counted in exactly one such event.
struct data_lost {
  connection_id source = 0;
  std::uint64_t generation = 0;
  tally not_sent;
  tally maybe_sent;
  transport_error why;

  friend bool operator==(const data_lost&, const data_lost&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("data_lost", field{"source", self.source}, field{"generation", self.generation},
                 field{"not_sent", self.not_sent}, field{"maybe_sent", self.maybe_sent}, field{"why", self.why});
  }
};

/// More than `high_water` bytes wait to be sent (`on`), or again fewer than `low_water` (off).
struct backpressure {
  connection_id source = 0;
  bool on = false;
  std::uint64_t queued_bytes = 0;

  friend bool operator==(const backpressure&, const backpressure&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("backpressure", field{"source", self.source}, field{"on", self.on},
                 field{"queued_bytes", self.queued_bytes});
  }
};

/// One transition of the state machine. `sequence` grows by one with each; the answer to `subscribe` is the snapshot that
/// they continue.
struct state_changed {
  connection_id source = 0;
  std::uint64_t sequence = 0;
  std::uint64_t generation = 0;
  connection_state from = connection_state::idle;
  connection_state to = connection_state::idle;
  /// Why, when `to` is degraded, backoff, failed or closed; `error_code::none` otherwise.
  transport_error reason;
  /// Failed attempts in a row, also while the next one is under way; 0 when `to` is ready.
  std::uint32_t attempt = 0;
  /// Time until the next attempt, when `to` is backoff. The supervisor's gate can make it later.
  std::chrono::milliseconds next_retry{0};

  friend bool operator==(const state_changed&, const state_changed&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("state_changed", field{"source", self.source}, field{"sequence", self.sequence},
                 field{"generation", self.generation}, field{"from", self.from}, field{"to", self.to},
                 field{"reason", self.reason}, field{"attempt", self.attempt}, field{"next_retry", self.next_retry});
  }
};

/// The figures of a connection or peer; the answer to `get_stats`, and sent at each interval of `stream_stats`.
struct stats {
  connection_id source = 0;
  std::uint64_t generation = 0;
  connection_state state = connection_state::idle;
  transport_stats transport;
  delivery_totals delivery;
  /// Bytes accepted and not yet taken by the transport.
  std::uint64_t queued_bytes = 0;
  /// Over all generations; nothing in it ever goes back.
  lifetime_stats lifetime;
  /// Of the connection at work, and of the last one that has ended.
  generation_stats present_generation;
  generation_stats last_generation;

  friend bool operator==(const stats&, const stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("stats", field{"source", self.source}, field{"generation", self.generation},
                 field{"state", self.state}, field{"transport", self.transport}, field{"delivery", self.delivery},
                 field{"queued_bytes", self.queued_bytes}, field{"lifetime", self.lifetime},
                 field{"present_generation", self.present_generation}, field{"last_generation", self.last_generation});
  }
};

/// What all peers of a supervisor have in sum, and what they had that are no more; the answer to `get_pool_totals`. Nothing
/// but `delivery.pending` ever goes back.
struct pool_totals {
  /// Peers that the sum is of.
  std::uint64_t peers = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t reconnect_count = 0;
  delivery_totals delivery;
  lifetime_stats lifetime;

  /// Adds one peer.
  pool_totals& operator+=(const stats& peer) {
    ++peers;
    bytes_sent += peer.transport.bytes_sent;
    bytes_received += peer.transport.bytes_received;
    reconnect_count += peer.transport.reconnect_count;
    delivery += peer.delivery;
    lifetime += peer.lifetime;
    return *this;
  }

  friend bool operator==(const pool_totals&, const pool_totals&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("pool_totals", field{"peers", self.peers}, field{"bytes_sent", self.bytes_sent},
                 field{"bytes_received", self.bytes_received}, field{"reconnect_count", self.reconnect_count},
                 field{"delivery", self.delivery}, field{"lifetime", self.lifetime});
  }
};

/// What is going on; the answer to `get_state`. In the moment between a loss and what the supervisor decides about it, it
/// says `backoff`, before `state_changed` does.
struct connection_status {
  connection_info info;
  connection_state state = connection_state::idle;
  /// The `sequence` of the `state_changed` that led here; 0 in the answer of a supervisor, which does not count them.
  std::uint64_t sequence = 0;
  /// Failed attempts in a row, also while the next one is under way; 0 when ready.
  std::uint32_t attempt = 0;
  /// What is left of the time until the next attempt, while `state` is backoff; 0 if it only waits for the supervisor's
  /// gate.
  std::chrono::milliseconds next_retry{0};
  /// The last failure; `error_code::none` if there was none.
  transport_error last_error;
  /// A peer that waits for the breaker of its endpoint: others go first, or it is too early.
  bool is_held_back = false;

  friend bool operator==(const connection_status&, const connection_status&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("connection_status", field{"info", self.info}, field{"state", self.state},
                 field{"sequence", self.sequence}, field{"attempt", self.attempt}, field{"next_retry", self.next_retry},
                 field{"last_error", self.last_error}, field{"is_held_back", self.is_held_back});
  }
};

/// What a close or a drain left behind.
struct close_report {
  delivery_totals delivery;
  /// Whether everything accepted had been written when the connection closed.
  bool complete = false;

  close_report& operator+=(const close_report& other) noexcept {
    delivery += other.delivery;
    complete = complete && other.complete;
    return *this;
  }

  friend bool operator==(const close_report&, const close_report&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("close_report", field{"delivery", self.delivery}, field{"complete", self.complete});
  }
};

/// What happened in a supervisor's pool.
enum class pool_change : std::uint8_t {
  added,
  removed,
  crash_restart,
  gave_up,
  /// The answer to `reload_tls`, for one set of TLS settings, told without a `source`.
  tls_reloaded,
  /// The same, when the old credentials stay; `reason` says why.
  tls_kept,
  /// The breaker of `remote` has opened; `reason` is its last failure. Told without a `source`, as is the next.
  breaker_opened,
  /// It has closed: a peer has connected, was reset, or nobody has dialled it for long.
  breaker_closed,
  /// A lease was not given back, and its peer is closed; `reason` says whether its time was over or its owner had ended.
  lease_taken_back,
};

constexpr std::array<std::string_view, 9> names_of(pool_change) {
  return {"added",    "removed",        "crash_restart",  "gave_up",         "tls_reloaded",
          "tls_kept", "breaker_opened", "breaker_closed", "lease_taken_back"};
}

struct pool_event {
  pool_change change = pool_change::added;
  connection_id source = 0;
  endpoint remote;
  transport_error reason;

  friend bool operator==(const pool_event&, const pool_event&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("pool_event", field{"change", self.change}, field{"source", self.source}, field{"remote", self.remote},
                 field{"reason", self.reason});
  }
};

/// What happened to a listener. Its end is no event: monitor it. Subscribers get one for each client that could not be
/// accepted, as long as they handle what they get.
enum class listener_change : std::uint8_t {
  /// It listens again, with all of its sockets.
  opened,
  /// It listens no more, or could not listen again: it was asked to stop or close, its receiver has ended, or a socket could
  /// not be had; `reason` says which.
  suspended,
  /// A client could not be accepted. Where the system had no room for it, accepting goes on after a pause.
  accept_failed,
  /// The answer to `reload_tls`.
  tls_reloaded,
  /// The same, when the old credentials stay; `reason` says why.
  tls_kept,
};

constexpr std::array<std::string_view, 5> names_of(listener_change) {
  return {"opened", "suspended", "accept_failed", "tls_reloaded", "tls_kept"};
}

struct listener_event {
  listener_change change = listener_change::opened;
  /// Where it listens, with the port that was taken.
  endpoint local;
  transport_error reason;

  friend bool operator==(const listener_event&, const listener_event&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("listener_event", field{"change", self.change}, field{"local", self.local},
                 field{"reason", self.reason});
  }
};

} // namespace actorwire
