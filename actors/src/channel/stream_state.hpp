#pragma once

#include "channel/intake.hpp"

#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/stream.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace actorwire {

/// One stream other than 0, of one generation: what has arrived on it, and which of its halves is over. What is to be sent
/// on it is in an outbox of the channel. *Thread:* shard only.
struct stream_state {
  static constexpr auto never = time_point::max();

  stream_state(stream_id number, stream_direction which, bool by_peer, const framing_config& framing)
    : id(number),
      direction(which),
      is_announced(!by_peer),
      sending_over(which == stream_direction::unidirectional && by_peer) {
    if (which == stream_direction::bidirectional || by_peer)
      in.emplace(framing);
  }

  /// The first code counts.
  void note_reset(std::uint64_t why) noexcept {
    if (!std::exchange(was_reset, true))
      code = why;
  }

  stream_id id;
  stream_direction direction;
  /// Empty when nothing more comes.
  std::optional<intake> in;
  /// By the transport; and what of that had left when progress was last looked for.
  std::uint64_t bytes_taken = 0;
  std::uint64_t bytes_left = 0;
  std::uint64_t code = 0;
  time_point frame_due = never;
  /// There was no memory for a frame, and it is time to try again.
  time_point memory_due = never;
  /// Bytes wait to be sent, and some must have moved by then.
  time_point send_due = never;
  /// Somebody knows of it.
  bool is_announced;
  /// Our half has ended, or was cut short.
  bool sending_over;
  bool finish_wanted = false;
  bool is_blocked = false;
  bool is_touched = false;
  bool awaits_acks = false;
  /// All that the peer has sent is here.
  bool peer_finished = false;
  /// The transport has forgotten it.
  bool is_closed = false;
  bool was_reset = false;
};

} // namespace actorwire
