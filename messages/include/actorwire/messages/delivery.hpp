#pragma once

#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/stream.hpp>

#include <array>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace actorwire {

/// What became of a message that was accepted for sending. Every accepted message gets exactly one.
/// - `not_sent`: no byte of it left; sending it again is safe.
/// - `maybe_sent`: some or all of it left, and the connection was lost before more could be known; or the attempt to connect
///   with whose first packets it left (0-RTT) failed, and it did not leave with another since.
/// - `written`: the operating system, or the engine of TLS or QUIC, has all of it. TLS has up to 64 KiB that the system does
///   not have yet.
/// - `acked`: the peer's transport has acknowledged its last byte (TCP: `tcpi_bytes_acked`; QUIC: stream offsets).
/// - `confirmed`: the program at the other end has had it, and will not get it again. Only messages of a session get this one,
///   and it stands for `written` and `acked`; see `session_config`.
enum class outcome : std::uint8_t { not_sent, maybe_sent, written, acked, confirmed };

constexpr std::array<std::string_view, 5> names_of(outcome) {
  return {"not_sent", "maybe_sent", "written", "acked", "confirmed"};
}

/// What happens to a message when the connection is not ready.
/// - `queue`: it waits, within `flow_limits::queue_*`.
/// - `fail`: it is answered at once with the last error of the connection; with `breaker_open`, which names that error too,
///   while the breaker of the endpoint holds the peer back.
/// - `drop`: it is counted as `not_sent` and reported in `data_lost`, without an error to the sender.
enum class when_down : std::uint8_t { queue, fail, drop };

constexpr std::array<std::string_view, 3> names_of(when_down) {
  return {"queue", "fail", "drop"};
}

/// What happens when a message does not fit within the limits of what may wait (`flow_limits::write_limit`, `queue_messages`,
/// `queue_bytes`). What has begun to leave, or is on its way, is never dropped, nor what waits on another stream.
/// - `fail`: the message is refused with `would_block`.
/// - `drop_newest`: the message is dropped: `not_sent`, with `queue_overflow`.
/// - `drop_oldest`: those that have waited longest are dropped until it fits, or takes no more than they did: `not_sent`, with
///   `queue_overflow`. Lower priorities go first, and none that is higher than its own. If that does not help, none is dropped,
///   and the message is refused with `would_block`.
/// - `conflate`: a message with a `send_options::key` takes the place of the one with the same key that waits, which is
///   `not_sent`, with `superseded`: always if it is no larger, else if it fits. With another priority it does not take over
///   the place. What does not fit then is refused with `would_block`.
/// - `disconnect`: the message is refused with `would_block`, and the connection, if it has taken as much as waited when it
///   came, is ended with `queue_overflow`: its peer is too slow. What waits leaves with a peer's next. Without one as `fail`.
enum class overflow_policy : std::uint8_t { fail, drop_newest, drop_oldest, conflate, disconnect };

constexpr std::array<std::string_view, 5> names_of(overflow_policy) {
  return {"fail", "drop_newest", "drop_oldest", "conflate", "disconnect"};
}

/// Whether whoever tells a message, and does not ask, is told what became of it, by one `message_settled`. Who asks is
/// answered in any case.
/// - `none`: no.
/// - `written`: when it was written, or when it is known that it was not.
/// - `acked`: when it was acknowledged, or when it is known that it will not be; as if `send_options::wanted` were `acked`.
enum class message_report : std::uint8_t { none, written, acked };

constexpr std::array<std::string_view, 3> names_of(message_report) {
  return {"none", "written", "acked"};
}

/// Priorities of messages are 0 up to one less than this.
inline constexpr std::uint8_t send_priorities = 4;
/// That of a message whose sender says nothing.
inline constexpr std::uint8_t usual_send_priority = 1;

/// How one message is to be sent.
struct send_options {
  when_down policy = when_down::queue;
  /// The knowledge that is waited for: `written` or `acked`.
  outcome wanted = outcome::written;
  /// Longest time in the queue; 0 takes `flow_limits::queue_age`.
  std::chrono::milliseconds ttl{0};
  /// Where it goes. A stream other than 0 never waits for the next connection: when its own is lost, what waits on it is
  /// `not_sent`.
  stream_id stream = 0;
  /// Says that the peer may get it twice without harm. With `quic_config::early_data` it may then leave before the
  /// handshake is over (0-RTT), and whoever records it can send it to the peer again (RFC 8446, 8).
  bool idempotent = false;
  /// What it is a newer state of, for `overflow_policy::conflate`; 0 for nothing. A program that has names for its things
  /// takes a hash of them.
  std::uint64_t key = 0;
  /// Which messages of one stream leave first: 0 .. 3, from what can wait (0) over the usual (1) to what is urgent (2) and what
  /// keeps all else working (3). Of those that have not begun, the higher ones go first, however long the lower ones
  /// wait. Order is kept within a priority only.
  std::uint8_t priority = usual_send_priority;
  /// What comes back in `sent` and `message_settled`, so that whoever sent it knows which one is meant.
  std::uint64_t tag = 0;
  message_report report = message_report::none;

  friend bool operator==(const send_options&, const send_options&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("send_options", field{"policy", self.policy}, field{"wanted", self.wanted}, field{"ttl", self.ttl},
                 field{"stream", self.stream}, field{"idempotent", self.idempotent}, field{"key", self.key},
                 field{"priority", self.priority}, field{"tag", self.tag}, field{"report", self.report});
  }
};

/// Messages and bytes, counted together. *Units:* bytes of messages, without framing.
struct tally {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;

  constexpr void add(std::uint64_t size) noexcept {
    ++messages;
    bytes += size;
  }
  /// Takes back what `add` counted.
  constexpr void remove(std::uint64_t size) noexcept {
    assert(messages >= 1 && bytes >= size);
    --messages;
    bytes -= size;
  }
  constexpr tally& operator+=(const tally& other) noexcept {
    messages += other.messages;
    bytes += other.bytes;
    return *this;
  }

  friend constexpr bool operator==(const tally&, const tally&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("tally", field{"messages", self.messages}, field{"bytes", self.bytes});
  }
};

/// The account of everything accepted for sending. At every instant
/// `accepted = pending + not_sent + maybe_sent + written + acked + confirmed`, in messages and in bytes.
struct delivery_totals {
  tally accepted;
  /// Waiting, on its way, or waiting for the wanted outcome.
  tally pending;
  tally not_sent;
  tally maybe_sent;
  tally written;
  tally acked;
  /// Of sessions.
  tally confirmed;

  constexpr delivery_totals& operator+=(const delivery_totals& other) noexcept {
    accepted += other.accepted;
    pending += other.pending;
    not_sent += other.not_sent;
    maybe_sent += other.maybe_sent;
    written += other.written;
    acked += other.acked;
    confirmed += other.confirmed;
    return *this;
  }

  friend constexpr bool operator==(const delivery_totals&, const delivery_totals&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("delivery_totals", field{"accepted", self.accepted}, field{"pending", self.pending},
                 field{"not_sent", self.not_sent}, field{"maybe_sent", self.maybe_sent}, field{"written", self.written},
                 field{"acked", self.acked}, field{"confirmed", self.confirmed});
  }
};

} // namespace actorwire
