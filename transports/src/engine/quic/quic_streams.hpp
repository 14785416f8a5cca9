#pragma once

#include "stream_input.hpp"
#include "stream_output.hpp"
#include "stream_scheduler.hpp"

#include <actorwire/messages/events.hpp>
#include <actorwire/messages/stream.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

namespace actorwire {

/// The stream that every transport has.
inline constexpr stream_id byte_stream = 0;

/// A stream's ID tells who has opened it, and whether both sides send on it (RFC 9000, 2.1).
[[nodiscard]] constexpr bool is_opened_by_server(stream_id stream) noexcept {
  return (stream & 1U) != 0;
}
[[nodiscard]] constexpr stream_direction direction_of(stream_id stream) noexcept {
  return (stream & 2U) != 0 ? stream_direction::unidirectional : stream_direction::bidirectional;
}

/// One stream of a QUIC connection, as far as it is ours to know: what waits in either direction.
struct quic_stream {
  explicit quic_stream(stream_id number) noexcept : id(number) {}

  /// Whether nobody is to hear of it any more.
  [[nodiscard]] bool is_over() const noexcept { return is_closed && input.empty() && end_was_read; }

  stream_id id;
  stream_priority priority;
  stream_output output;
  /// What has arrived and was not read.
  stream_input input;
  /// ngtcp2 knows it. The byte stream of a server that speaks first is there before.
  bool is_open = false;
  /// The peer has ended its half.
  bool peer_finished = false;
  /// The end of the peer's half was seen by whoever reads, or there is none to be seen.
  bool end_was_read = false;
  /// Nothing more may be sent.
  bool is_sending_over = false;
  /// By this side or the peer, before all of it was sent and acknowledged.
  bool was_given_up = false;
  /// An empty frame is to tell the peer of it.
  bool is_to_be_announced = false;
  /// ngtcp2 has forgotten it.
  bool is_closed = false;
};

/// The streams of one connection, and which of them wants to send. *Thread:* one at a time.
class quic_streams {
public:
  [[nodiscard]] quic_stream* find(stream_id id) noexcept;
  [[nodiscard]] const quic_stream* find(stream_id id) const noexcept;
  /// Finds or makes it. References stay good until it is removed.
  quic_stream& get(stream_id id);
  void remove(stream_id id);

  /// How many there are that this side has opened.
  [[nodiscard]] std::size_t opened_by(bool server) const noexcept { return opened_by_[server ? 1 : 0]; }
  template <class Visitor>
  void for_each(Visitor&& visit) {
    for (auto& [id, each] : streams_)
      visit(each);
  }
  template <class Predicate>
  [[nodiscard]] bool all_of(Predicate&& holds) const {
    return std::all_of(streams_.begin(), streams_.end(), [&](const auto& entry) { return holds(entry.second); });
  }

  /// Bytes of all streams that were taken and are not acknowledged.
  [[nodiscard]] std::size_t buffered() const noexcept { return buffered_; }
  void add_buffered(std::size_t bytes) noexcept { buffered_ += bytes; }
  void take_buffered(std::size_t bytes) noexcept { buffered_ -= bytes; }

  // -- whose turn it is --------------------------------------------------------------------------------------------------

  /// It has something to send.
  void make_ready(quic_stream& which);
  /// It has not, or may not.
  void make_idle(quic_stream& which) { ready_.remove(number_of(which)); }
  /// The connection's window is used up: it waits for that to grow.
  void wait_for_connection(quic_stream& which);
  void wake_those_that_wait_for_connection();
  /// `send` took less than it was given.
  void wait_for_room(quic_stream& which) { waiting_for_room_.add(number_of(which), which.priority); }
  /// It wants none any more.
  void leave_room(quic_stream& which) { waiting_for_room_.remove(number_of(which)); }
  [[nodiscard]] bool waits_for_room(const quic_stream& which) const {
    return waiting_for_room_.contains(number_of(which));
  }
  [[nodiscard]] bool is_one_waiting_for_room() const noexcept { return !waiting_for_room_.empty(); }
  /// Takes out whoever is to have room first: the most urgent; null if nobody waits for it.
  [[nodiscard]] quic_stream* take_next_waiting_for_room();
  [[nodiscard]] bool is_one_ready() const noexcept { return !ready_.empty(); }
  /// The stream whose turn it is; null if none has anything to send.
  [[nodiscard]] quic_stream* next_ready();
  /// Has sent a packet's worth: others of its kind come next.
  void give_turn_away(quic_stream& which) { ready_.rotate(number_of(which)); }
  void prioritize(quic_stream& which, stream_priority priority);

private:
  [[nodiscard]] static std::int64_t number_of(const quic_stream& which) noexcept {
    return static_cast<std::int64_t>(which.id);
  }

  /// Ordered: who visits them all does so in the order in which they were opened.
  std::map<stream_id, quic_stream> streams_;
  std::array<std::size_t, 2> opened_by_{};
  stream_scheduler ready_;
  stream_scheduler waiting_for_connection_;
  stream_scheduler waiting_for_room_;
  std::size_t buffered_ = 0;
};

} // namespace actorwire
