#pragma once

#include "channel/stream_state.hpp"
#include "delivery/ring_queue.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/stream.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/multiplexer.hpp>
#include <actorwire/transports/shard.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace actorwire {

class channel_actor;

/// The streams of one generation other than 0, and its datagrams. No stream is an actor: each is what waits in either
/// direction, and which of its halves is over.
///
/// A half is over when its end was sent or seen, or when either side has cut it short. A stream is over when both halves
/// are, and when everything that arrived on it was passed on.
/// *Thread:* shard only. What the channel asks for is put off to `flush`, where the transport is called.
class streams {
public:
  using open_promise = caf::typed_response_promise<stream_opened>;
  using datagram_promise = caf::typed_response_promise<datagram_sent>;

  streams(shard& where, multiplexer& carrier, channel_actor& user);
  ~streams();

  streams(const streams&) = delete;
  streams& operator=(const streams&) = delete;

  // -- from the channel -------------------------------------------------------------------------------------------------

  /// Opens a stream for `asker`. *Errors:* answered; those of `multiplexer::open`.
  void open(const open_stream& request, open_promise asker);
  /// Ends our half once all that was accepted for it was taken. Nothing happens if it is over.
  void finish(stream_id stream);
  /// *Errors:* `stream_closed` if that half is over.
  result<void> reset(const reset_stream& request);
  result<void> stop(const stop_stream& request);
  /// *Errors:* `stream_closed` if the stream is; stream 0 is taken as it is.
  result<void> prioritize(const prioritize_stream& request);
  /// Sends a datagram; `asker` may be none. *Errors:* answered; those of `multiplexer::send_datagram`.
  void send_datagram(payload body, datagram_promise asker);

  /// Whether messages are taken for it.
  [[nodiscard]] bool is_sendable(stream_id stream) const noexcept;
  /// *Errors:* `stream_closed` if there is no such stream, or if nothing more comes on it.
  [[nodiscard]] result<void> check_receivable(stream_id stream) const;

  /// Ends our halves of all streams, and of all that the peer still opens. None is opened any more.
  void finish_all();
  /// None is opened from this side, or may be again; those that are open, and those that the peer opens, go on.
  void refuse_new(bool refuses) noexcept { refuses_new_ = refuses; }
  /// Cuts short all halves that are not over.
  void give_up_all();

  /// Something waits to be sent on a stream, or more is wanted of it.
  void touch(stream_id stream);
  /// Others than before may want what comes.
  void touch_all();

  // -- from the transport -----------------------------------------------------------------------------------------------

  void handle_opened(stream_id stream, stream_direction direction);
  void handle_received(stream_id stream, payload bytes);
  void handle_finished(stream_id stream);
  void handle_reset(stream_id stream, stream_half half, std::uint64_t code);
  void handle_writable(stream_id stream);
  void handle_closed(stream_id stream);
  void handle_available(stream_direction direction);
  void handle_datagram(payload body);
  void handle_datagram_done(std::uint64_t id, bool was_sent);

  // -- from the wire ----------------------------------------------------------------------------------------------------

  /// The end of a turn: does what was put off, and hands over what waits.
  void flush();
  /// Whether there is something for `flush` to do.
  [[nodiscard]] bool has_work() const noexcept { return !put_off_.empty() || !touched_.empty(); }

  void settle_acknowledged();
  [[nodiscard]] bool waits_for_acks() const noexcept { return !awaiting_acks_.empty(); }

  /// When `find_late_frame` and `cut_stalled` are to be called; the end of time if never.
  [[nodiscard]] time_point next_timeout() const noexcept { return next_due_; }
  /// What is wrong with a peer that has begun a frame on any stream, and not completed it in time although somebody wants it;
  /// empty if there is none. Streams on which it was this side that had no memory for it are tried again, or cut.
  [[nodiscard]] std::optional<transport_error> find_late_frame(time_point now);
  /// Resets the streams on which bytes wait and none has moved for `operation_timeout`, so that what nobody reads does not
  /// use up the limits that all share. Returns whether there was any. Called after `find_late_frame`.
  bool cut_stalled(time_point now);

  /// What the peer, or the network's memory, has done to end the whole connection; empty while that is well.
  [[nodiscard]] const std::optional<transport_error>& failure() const noexcept { return failure_; }

  [[nodiscard]] bool is_empty() const noexcept { return streams_.empty(); }

  /// Whether there is any, whoever opened it, or something that is still to be done or answered.
  [[nodiscard]] bool is_in_use() const noexcept {
    return !streams_.empty() || !datagrams_.empty() || !put_off_.empty();
  }

  /// Bytes that arrived and were not passed on.
  [[nodiscard]] std::size_t unread_size() const noexcept;
  /// Whether our halves of all streams are over.
  [[nodiscard]] bool is_finished() const noexcept;
  /// Whether what was sent on them has arrived.
  [[nodiscard]] bool is_all_acknowledged() const;

  /// Datagrams came that nobody was given.
  void note_discarded(std::uint64_t datagrams) noexcept { datagrams_discarded_ += datagrams; }
  [[nodiscard]] std::uint64_t datagrams_discarded() const noexcept { return datagrams_discarded_; }

  /// The transport has ended and is not called any more. What it brought may still be passed on.
  void detach_transport();

  /// The generation is over: whoever waits for an answer gets it, and nothing more happens.
  void end(const transport_error& why);

private:
  /// Called once: with null to be done, or with the reason why it will not be.
  using task = std::function<void(const transport_error* lost)>;

  [[nodiscard]] stream_state* find(stream_id id) noexcept;
  [[nodiscard]] const stream_state* find(stream_id id) const noexcept;
  stream_state& add(stream_id id, stream_direction direction, bool by_peer);
  void touch(stream_state& which);
  void put_off(task what);
  /// Tells of a stream that the peer has opened, as soon as anybody wants to hear of such.
  void announce(stream_state& which);
  template <class Event>
  void publish(const stream_state& about, const Event& event);
  /// Passes on what has arrived, as far as it is wanted, and asks for more.
  void pump(stream_state& which);
  /// Hands over to the transport what waits.
  void push(stream_state& which);
  /// Whether bytes wait to leave: here, or in the transport because the peer reads no more of them.
  [[nodiscard]] bool has_waiting(const stream_state& which);
  /// Whether what waits does so because the peer does not read.
  [[nodiscard]] bool is_kept_back(const stream_state& which);
  /// Whether any has left since it was last asked.
  [[nodiscard]] bool has_moved(stream_state& which);
  void follow_progress(stream_state& which);
  void settle_acknowledged(stream_state& which);
  /// Our half was cut short: what waits, and what was not acknowledged, is given up.
  void give_up_sending(stream_state& which, const transport_error& why);
  /// The other half brings nothing more, and what was not passed on is dropped.
  void end_receiving(stream_state& which, const transport_error& why);
  /// The other half has ended, and all of it was passed on.
  void tell_end(stream_state& which);
  void follow_partial_frame(stream_state& which, bool frame_came, std::size_t wanted);
  /// There was no memory for its frame, and will be none: the peer is to send no more on it.
  void cut_for_memory(stream_state& which);
  void forget_if_over(stream_state& which);
  [[nodiscard]] bool& was_refused(stream_direction direction) noexcept {
    return was_refused_[static_cast<std::size_t>(direction)];
  }
  void fail(const transport_error& reason);

  shard& where_;
  /// Null when the transport has ended.
  multiplexer* carrier_;
  channel_actor& user_;
  /// Ordered, so that the same seed tells the same story.
  std::map<stream_id, stream_state> streams_;
  /// Those that `flush` is to look at.
  std::vector<stream_id> touched_;
  /// Those with messages in flight whose senders wait for `acked`.
  std::vector<stream_id> awaiting_acks_;
  ring_queue<task> put_off_;
  /// Whoever asked what became of a datagram, by the number that the transport gave it.
  std::map<std::uint64_t, datagram_promise> datagrams_;
  std::uint64_t datagrams_discarded_ = 0;
  /// Nothing is late before.
  time_point next_due_ = stream_state::never;
  std::optional<transport_error> failure_;
  bool is_finishing_ = false;
  bool refuses_new_ = false;
  /// By direction: whether one was refused since the peer last allowed more.
  std::array<bool, names_of(stream_direction{}).size()> was_refused_{};
};

} // namespace actorwire
