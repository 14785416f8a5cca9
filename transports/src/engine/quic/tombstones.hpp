#pragma once

#include "connection_id_map.hpp"
#include "quic_cid.hpp"
#include "quic_random.hpp"

#include <actorwire/transports/clock.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace actorwire {

/// What is left of closed connections (RFC 9000, 10.2). Packets of theirs still come for a while. Without a tombstone each
/// would be answered with a stateless reset, although the peer only has not heard yet, and the memory of a whole
/// connection is too much for the answer.
///
/// A connection that we have closed repeats its CONNECTION_CLOSE, for the 1st, 2nd, 4th, 8th... packet that comes, and for
/// any that comes `patience` after the last answer: who still sends then has not heard, and a burst of answers is lost in
/// one. That time doubles, or two who have both closed would answer each other for as long as they are remembered. It never sends more than three times what came, since the sender's address proves nothing (10.2.1). One that the
/// peer has closed is silent (10.2.2). Beyond `count_max` the oldest go. *Thread:* one at a time.
class tombstones {
public:
  static constexpr std::size_t count_default = 16'384;
  static constexpr duration patience = std::chrono::milliseconds{10};

  /// Draws the key of the hash. *Units:* `count_max` connections.
  explicit tombstones(const quic_random& random, std::size_t count_max = count_default)
    : count_max_(count_max), by_id_(random) {}

  /// Puts up the tombstone of a connection. `close_packet` is what it said last; empty if it is to be silent. `until` is
  /// three times its PTO from now (10.2). IDs that have a tombstone already lead to the new one.
  void add(std::span<const quic_cid> ids, std::vector<std::byte> close_packet, time_point until);

  /// A datagram for this ID has come. Returns nothing if it belongs to no tombstone; else what is to be sent back to
  /// where it came from, or no bytes for silence. *Lifetime:* until the next call.
  [[nodiscard]] std::optional<std::span<const std::byte>> answer(const quic_cid& id, std::size_t datagram_size,
                                                                 time_point now);

  /// When the next one goes; the end of time if there is none.
  [[nodiscard]] time_point next_timeout() const noexcept;

  /// Removes those whose time is over.
  void handle_timeout(time_point now);

  /// *Units:* connections.
  [[nodiscard]] std::size_t count() const noexcept { return by_age_.size(); }

private:
  struct tombstone {
    std::uint64_t number;
    std::vector<quic_cid> ids;
    std::vector<std::byte> close_packet;
    time_point until;
    std::uint64_t packets_received = 0;
    /// The packet that is answered next, or whichever comes at that time.
    std::uint64_t answer_at = 1;
    time_point answer_from = time_point::max();
    duration next_patience = patience;
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
  };

  void remove(std::uint64_t number);

  const std::size_t count_max_;
  connection_id_map<tombstone> by_id_;
  /// By their numbers, which grow.
  std::map<std::uint64_t, tombstone> by_age_;
  std::set<std::pair<time_point, std::uint64_t>> by_time_;
  std::uint64_t next_number_ = 0;
};

} // namespace actorwire
