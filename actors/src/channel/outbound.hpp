#pragma once

#include "channel/drop_report.hpp"
#include "delivery/outbox.hpp"
#include "delivery/outbox_ledger.hpp"
#include "session/session_lane.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/stream.hpp>
#include <actorwire/transports/frame_label.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace actorwire {

class channel_actor;

/// The sending half of a channel: an outbox for each stream, and what belongs to them in an actor. It answers senders,
/// charges what waits to the network's memory, lets it expire in time, and publishes losses and back-pressure. All streams
/// share the limits of the channel and its account.
///
/// The outbox of stream 0 is there for life, and what waits in it outlives the connection. Those of other streams come and
/// go with these, and are all given up when the connection is lost.
/// *Thread:* shard only.
class outbound {
public:
  using reply = caf::typed_response_promise<sent>;
  using batch_reply = caf::typed_response_promise<batch_sent>;

  /// Who is to be told what becomes of a message: whoever asked, whoever told it and wants a report, or nobody. Of a call
  /// the channel is told; its tag is not 0.
  struct recipient {
    reply asker{};
    caf::strong_actor_ptr reporter{};
    std::uint64_t tag = 0;

    /// Whether the channel is to be told.
    [[nodiscard]] bool may_be_call() const noexcept { return tag != 0 && !reporter && !asker.pending(); }
  };

  explicit outbound(channel_actor& owner);

  // -- from senders -----------------------------------------------------------------------------------------------------

  /// Takes a message, and whoever is to be told its outcome, into the outbox of its stream. For want of room the message, or
  /// others, may be dropped, as `flow_limits::overflow` says.
  /// *Errors:* those of `outbox::accept`, `stream_closed` for a stream that cannot be sent on, and `would_block` when the
  /// network's memory is used up; `body` and `whom` are left as they were then.
  result<std::uint64_t> accept(payload& body, const send_options& options, recipient& whom,
                               const frame_label& label = {});

  /// Whether so little waits that what no user sends may be added: below `flow_limits::low_water`, and without another going.
  [[nodiscard]] bool has_room_to_spare(std::size_t size) const noexcept;
  /// Accounts for a message of `size` bytes that is dropped, and reports it as lost with others of this turn.
  void drop(std::size_t size, const transport_error& why);

  /// The sequence number of the message that is accepted next.
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return ledger_.totals().accepted.messages + 1; }

  /// Takes all messages of a batch, or none. `asker` is answered when the outcome of all is known, `reporter` told of each.
  /// *Errors:* as for one, naming which it is about; nothing has changed then.
  result<void> accept(send_batch& batch, batch_reply& asker, const caf::strong_actor_ptr& reporter);

  /// Accounts for the messages of a batch that could not be accepted, tells whoever wants to know, and reports them as lost.
  void refuse(const send_batch& batch, const transport_error& why, batch_reply& asker,
              const caf::strong_actor_ptr& reporter);

  /// Accounts for a message of `size` bytes that could not be accepted, tells `whom`, and reports it as lost; returns its
  /// sequence number.
  std::uint64_t refuse(std::size_t size, const transport_error& why, recipient whom);

  // -- from the wire ----------------------------------------------------------------------------------------------------

  /// What may leave on stream 0 before it is connected.
  [[nodiscard]] std::size_t gather_early(std::span<outgoing> pieces);
  void lend(std::size_t bytes) { outbox_.lend(bytes); }
  [[nodiscard]] std::size_t gather(stream_id stream, std::span<outgoing> pieces);
  void hand_over(stream_id stream, std::size_t bytes);
  void settle_acknowledged(stream_id stream, std::uint64_t stream_offset);
  [[nodiscard]] bool waits_for_acks(stream_id stream) const noexcept;
  /// What is left of a message of stream 0 that has begun to leave.
  [[nodiscard]] std::size_t started_rest() const noexcept {
    return lane_ != nullptr ? lane_->started_rest() : outbox_.started_rest();
  }
  /// Whether nothing waits for a transport to take it.
  [[nodiscard]] bool is_flushed(stream_id stream) const noexcept;

  /// There is a stream that can be sent on; the connection is ready.
  void open_stream(stream_id stream);
  [[nodiscard]] bool has_stream(stream_id stream) const noexcept { return find(stream) != nullptr; }
  /// It cannot be sent on any more. Gives up what waits, and what was not acknowledged.
  void close_stream(stream_id stream, const transport_error& why);

  // -- sessions: see outbound_session.cpp -------------------------------------------------------------------------------

  using lane_type = session_lane<recipient>;

  /// What stream 0 has in the place of its outbox; null without `session_mode::on`.
  [[nodiscard]] lane_type* lane() const noexcept { return lane_.get(); }

  /// Begins a session that nobody knows yet, if there is none, or one that is over.
  void begin_session();
  /// Whether this says that a session is not known which was never welcomed. Then another takes its place, with all that waits.
  [[nodiscard]] bool begins_again(const session_frame& welcome);
  /// Goes on with a session that others may have begun.
  void adopt_session(std::unique_ptr<session> subject);
  /// Gives the session to others; null if there is none. `is_to_end`: nobody is to go on with it.
  [[nodiscard]] std::unique_ptr<session> part_with_session(const transport_error& why, bool is_to_end);
  /// A frame of the session has come. *Errors:* those of `session_lane::take`.
  [[nodiscard]] result<session_progress> take(const session_frame& frame);
  /// Tells everyone what became of a session that is over, once; of one that is not nothing happens.
  void conclude_session(const transport_error& why);
  /// When the session has something to send, if nothing else happens.
  [[nodiscard]] std::optional<time_point> session_timeout() const noexcept {
    return lane_ != nullptr ? lane_->next_timeout() : std::nullopt;
  }

  // -- from the channel -------------------------------------------------------------------------------------------------

  /// The attempt that was lent something has failed.
  void early_lost();
  void connection_ready();
  /// `is_ready_next`: another takes its place at once.
  void connection_lost(const transport_error& why, bool is_ready_next);
  /// Gives up everything that waits.
  void abandon(const transport_error& why);
  /// Tells now of messages that went for others in this turn: to be called before the subscribers change.
  void tell_drops();
  /// Settles what has waited too long by now, on all streams.
  void expire_due();

  /// No timer runs any more, and nothing is told at the end of the turn.
  void stop() noexcept {
    expiry_.reset();
    drops_.reset();
  }

  /// Has the bytes that are accepted and not settled shown from now on.
  void show_load(std::shared_ptr<load_gauge> gauge) noexcept { ledger_.show_on(std::move(gauge)); }

  [[nodiscard]] const delivery_totals& totals() const noexcept { return ledger_.totals(); }
  [[nodiscard]] std::size_t unwritten_bytes() const noexcept { return ledger_.unwritten_bytes(); }
  /// When the oldest message that waits was accepted, as far as that is known; see `outbox::oldest_waiting`.
  [[nodiscard]] std::optional<time_point> oldest_waiting() const noexcept;

private:
  using box = outbox<recipient>;

  /// One that is under way, and whose sender waits for its outcomes.
  struct open_batch {
    batch_reply asker;
    batch_sent answer;
    std::size_t open = 0;
  };

  /// Writes down what became of a message of a batch, if it is one.
  void note_in_batch(const settled& what);

  /// The same as `accept` where stream 0 is of a session.
  result<std::uint64_t> accept_in_session(payload& body, const send_options& options, recipient& whom);
  result<void> accept_in_session(send_batch& batch, batch_reply& asker, const caf::strong_actor_ptr& reporter);
  /// Notes that somebody waits for the outcome of the batch that is accepted next.
  void open_batch_of(const send_batch& batch, const batch_reply& asker);

  /// Null for a stream that cannot be sent on.
  [[nodiscard]] box* find(stream_id stream) noexcept;
  [[nodiscard]] const box* find(stream_id stream) const noexcept;
  template <class Visitor>
  void for_each(Visitor&& visit);
  /// Gives up the streams other than 0.
  [[nodiscard]] loss abandon_streams(const transport_error& why);

  [[nodiscard]] time_point time_of_acceptance(const box& target, const send_options& options) const;
  void settle(recipient&& whom, const settled& what);
  void note_departure(const recipient& whom, std::uint64_t sequence);

  /// What the outboxes tell.
  struct settler_of {
    outbound& owner;
    void operator()(recipient&& whom, const settled& what) const { owner.settle(std::move(whom), what); }
    void note_departure(const recipient& whom, std::uint64_t sequence) const { owner.note_departure(whom, sequence); }
  };
  settler_of settler() noexcept { return {*this}; }
  /// Settles what has waited too long.
  void expire(box& which);
  void report_expired(const loss& expired, const transport_error& why);
  /// Sees to it that what waits too long is settled in time: what is due first, or what is due at `next`.
  void follow_expiry();
  void follow_expiry(std::optional<time_point> next);
  /// A message found no room: the peer may be too slow for this channel.
  void note_full();
  void report_loss(const loss& lost, const transport_error& why);
  /// The same for what went for others, which may be many in a turn.
  void report_dropped(const loss& dropped, const transport_error& why);
  void note_loss(const loss& lost, const transport_error& why);
  void report_backpressure();
  /// Gives back to the network's memory what settled messages had taken.
  void release_memory() noexcept;

  channel_actor& owner_;
  outbox_ledger ledger_;
  box outbox_;
  /// Null without sessions.
  std::unique_ptr<lane_type> lane_;
  /// Of the streams other than 0; null without any.
  std::unique_ptr<std::map<stream_id, box>> streams_;
  /// By the number of their first message; null without any.
  std::unique_ptr<std::map<std::uint64_t, open_batch>> batches_;
  std::unique_ptr<timer> expiry_;
  /// Null while nothing went for want of room.
  std::unique_ptr<drop_report> drops_;
  /// Bytes that waited when the present connection came, as far as it has not taken as many, and as they still wait: before
  /// that it is not too slow.
  std::uint64_t backlog_ = 0;
  /// Bytes of accepted messages, with `waiting_message_cost` for each, that count against the network's memory.
  std::uint64_t reserved_bytes_ = 0;
};

} // namespace actorwire
