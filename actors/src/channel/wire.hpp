#pragma once

#include "channel/intake.hpp"
#include "channel/streams.hpp"
#include "channel/wire_deadlines.hpp"

#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/multiplexer.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace actorwire {

class channel_actor;

/// One transport at work for one channel: takes what the outbox holds, and brings what arrives. It lives for
/// one generation; the channel may live for many.
///
/// The actor that owns it passes on the transport's events and calls `flush` at the end of a turn, each within its own
/// message handling, so that a failure in here is a crash of that actor.
/// *Thread:* shard only.
class wire {
public:
  /// Events of the streams of a wire that stands by, at most; the peer opens no more streams than it is allowed, so there are
  /// few. With more it is given up.
  static constexpr std::size_t events_max = 4'096;

  /// Bytes of a stream that are read where the channel reads ahead, though nobody wants them.
  static constexpr std::size_t read_ahead_max = std::size_t{16} << 10U;

  /// `flusher` is to call `flush` within the owner's message handling.
  wire(shard& where, local_ref<transport> bearer, channel_actor& user, flushable& flusher);

  /// Ends the transport without a word, if it has not ended.
  ~wire();

  wire(const wire&) = delete;
  wire& operator=(const wire&) = delete;

  // -- from the transport -----------------------------------------------------------------------------------------------

  void handle_progress(connection_state where);
  void handle_early_data();
  void handle_connected(const transport_opening& opening);
  void handle_received(payload bytes);
  void handle_peer_finished();
  void handle_writable();
  /// The transport has ended; tells the channel, as soon as that has what arrived before.
  void handle_closed(const transport_error& reason);

  /// Has `told` hear of streams other than 0, if the transport has such. To be called before it is connected, and once more
  /// then: of several endpoints it is not known before which one carries.
  void multiplex(multiplexer_observer& told);

  void handle_address_changed(const std::string& local, const std::string& remote);

  /// Has `event` told to the streams other than 0, when this is the wire of the channel.
  template <class Event>
  void handle_streams(Event&& event) {
    if (user_ == nullptr)
      return;
    if (reserve_ != nullptr) {
      put_off(std::forward<Event>(event));
      return;
    }
    event(all_streams());
    after_streams();
  }

  /// The end of a turn: hands over to the transport what the outbox holds, and does what was put off until then.
  void flush();

  /// Ends the work at once, for `reason`, and tells the channel.
  void give_up(const transport_error& reason);

  /// Returns once, when all is over, the reason as the channel saw it; otherwise null. The owner asks after each event.
  [[nodiscard]] std::unique_ptr<const transport_error> take_end() noexcept;

  // -- one that takes the place of another ------------------------------------------------------------------------------

  /// When the transport is connected the channel is told so by `note_successor_ready`, and no more until `take_over`. To be
  /// called before the transport is told to connect.
  void stand_by() { reserve_ = std::make_unique<reserve>(); }

  /// Whether it is not the channel's wire yet.
  [[nodiscard]] bool stands_by() const noexcept {
    return reserve_ != nullptr && !is_connected_ && !reserve_->is_greeting;
  }

  /// A datagram has come that nobody can be given.
  void drop_datagram() noexcept { ++reserve_->datagrams_dropped; }

  /// The channel's other wire has ended: this one is attached in its place.
  void take_over();

  // -- one that has a session: it is attached when the two sides have greeted each other. See wire_greeting.cpp -----------

  /// Whether the transport is connected, and the greeting is not over.
  [[nodiscard]] bool is_greeting() const noexcept { return reserve_ != nullptr && reserve_->is_greeting; }

  /// How the transport was connected. Only if `is_greeting`.
  [[nodiscard]] const transport_opening& opening() const noexcept { return reserve_->opening; }

  /// The greeting is over: the wire is attached at the end of the turn.
  void greeted_later();

  /// The transport ends when what was said last has left.
  void part();

  /// Returns once, when a greeting is over that the owner has seen the transport connected for, how that is; otherwise null.
  [[nodiscard]] std::unique_ptr<const transport_opening> take_greeted() noexcept { return std::move(greeted_); }

  // -- from the channel: what may call the transport is put off to `flush`, so that it runs as the owner's handling ------

  /// Delivers what waits, as far as the channel wants it, and lets the transport read more.
  void pump_later();

  /// Ends our side once everything accepted is handed over and no call of ours waits for its answer. With `then_close` the
  /// transport is closed when the peer's has acknowledged it all, without waiting for answers or for the peer's end.
  void finish(bool then_close);

  /// Ends our halves of the other streams in the same way, and of those that the peer still opens.
  void finish_streams();

  /// Ends our side like `finish`, but because the peer ended its.
  void follow_peer();

  /// Lets the transport go, in favour of another, or because nobody uses it. Streams other than 0 that are open go on until they
  /// are over, or given up after `limit`, and none is opened any more. Then, which is at once where there are none, it
  /// *retires*: it takes no further message, tells the peer its end behind those that it took, when the calls among them are
  /// answered, ends when the peer does, and is cut after `limit`, or a moment later where streams had to be given up. What
  /// waits stays for the next. A second call can only shorten the time.
  void retire(std::chrono::milliseconds limit);

  /// Whether our end is to come, as soon as nothing keeps it back.
  [[nodiscard]] bool is_about_to_finish() const noexcept { return (finish_wanted_ || is_retiring_) && !is_finished_; }
  /// Whether that is so only because calls of ours wait for their answers, and messages may still be sent.
  [[nodiscard]] bool waits_for_answers() const noexcept;

  /// There is no other: unless the peer was told the end already, the transport goes on as before. Returns whether it had
  /// retired, and takes messages again.
  bool stay();

  /// Whether what is accepted now leaves by another.
  [[nodiscard]] bool is_retiring() const noexcept { return is_retiring_; }

  /// Lets the transport go at once, in favour of another that goes on with the session.
  void give_way();

  /// Ends the transport at once.
  void abort(const transport_error& reason);

  /// The same at the end of the turn; the first reason counts.
  void abort_later(const transport_error& reason);

  /// The channel ends first: it is not called any more, and the transport ends at once.
  void cut(const transport_error& reason);

  /// Whether the transport has streams other than 0, and datagrams.
  [[nodiscard]] bool is_multiplexed() const noexcept { return multiplexer_ != nullptr; }

  /// These streams; null while there was nothing to do with them.
  [[nodiscard]] streams* open_streams() noexcept { return streams_.get(); }
  /// The same, made if need be. Only if `is_multiplexed`.
  [[nodiscard]] streams& all_streams();

  /// What to put on the shard's list when there is something to flush.
  [[nodiscard]] flushable& flusher() noexcept { return flusher_; }

  [[nodiscard]] transport_stats stats() const;

  /// Whether anything of the present connection is still to be passed on, acknowledged or ended.
  [[nodiscard]] bool is_in_use() const noexcept;

  /// Bytes that arrived, on all streams, and were not passed on.
  [[nodiscard]] std::size_t unread_size() const noexcept;

  /// Something of what the peer sends has come.
  void note_arrival();
  /// When that was last so, or else when the transport was connected.
  [[nodiscard]] time_point last_arrival() const noexcept { return last_arrival_; }

  /// Whether something has arrived that was not passed on, be it a part of a frame.
  [[nodiscard]] bool has_unread() const noexcept { return intake_.has_partial() || unread_size() > 0; }

  /// Since when this is the channel's wire.
  [[nodiscard]] time_point ready_since() const noexcept { return ready_since_; }

private:
  using deadline = wire_deadline;
  static constexpr time_point never = wire_deadlines::never;

  /// What is kept until it is time.
  struct reserve {
    transport_opening opening;
    std::uint64_t datagrams_dropped = 0;
    /// What was to be told of the streams other than 0.
    std::vector<std::function<void(streams&)>> events{};
    /// It is connected, and only waits for the greeting; and whether that is over.
    bool is_greeting = false;
    bool is_greeted = false;
    /// Whether the owner is to be told then.
    bool is_to_be_told = false;
  };
  void begin_greeting(bool is_to_be_told);
  void end_greeting();
  [[nodiscard]] static transport_error not_greeted(std::string text);
  /// Why there was no greeting in time.
  [[nodiscard]] transport_error late_greeting() const;
  /// Sees to it that the session says in time what it has to say.
  void follow_session();
  void put_off(std::function<void(streams&)> event);
  void catch_up();

  /// Retires if it is to and can.
  void retire_if_due();
  void begin_to_retire();
  /// Cuts the other streams short, for which there is no more time. Returns whether there were any, for the first time.
  bool give_up_streams();

  void pump();
  void handle_timeout();
  void note_end();
  void send_early();
  void set(deadline which, time_point when);
  void arm_timer(duration delay);
  void settle_acknowledged();
  [[nodiscard]] std::chrono::milliseconds acknowledgement_wait() const;
  void end_if_done();
  /// Gathers what may leave.
  [[nodiscard]] std::size_t gather(std::span<outgoing> pieces);
  /// Closes the transport when all that it took has arrived; returns whether that is still waited for.
  [[nodiscard]] bool close_when_acknowledged();
  /// Lets the streams other than 0 do what they put off, and sees to what they came to.
  void flush_streams();
  void after_streams();
  /// The transport has ended in order: tells the channel when that has all that arrived, or takes no more of it.
  void end_when_drained();
  [[nodiscard]] bool waits_for_acks() const noexcept;

  shard& where_;
  local_ref<transport> bearer_;
  channel_actor* user_;
  flushable& flusher_;
  intake intake_;
  multiplexer* multiplexer_ = nullptr;
  /// The streams other than 0. Most connections never have any.
  std::unique_ptr<streams> streams_;
  /// Null while there was no deadline.
  std::unique_ptr<timer> timer_;
  wire_deadlines deadlines_;
  /// Null unless the channel has another wire, or this one is being greeted.
  std::unique_ptr<reserve> reserve_;
  std::unique_ptr<const transport_opening> greeted_;
  std::uint64_t bytes_taken_ = 0;
  time_point last_arrival_{};
  time_point ready_since_{};
  /// The orderly end of the transport, while the channel does not have all that arrived before it.
  std::unique_ptr<const transport_error> ending_;
  std::size_t unread_at_end_ = 0;
  std::unique_ptr<const transport_error> end_;
  /// Why the transport is to be ended with this turn; null if it is not.
  std::unique_ptr<const transport_error> abort_wanted_;
  bool takes_early_data_ = false;
  bool is_connected_ = false;
  bool is_blocked_ = false;
  /// The timer has gone off, for `flush` to look at.
  bool timeout_is_due_ = false;
  bool pump_wanted_ = false;
  bool end_is_wanted_ = false;
  bool finish_wanted_ = false;
  bool close_wanted_ = false;
  bool is_to_retire_ = false;
  bool gave_up_streams_ = false;
  bool is_retiring_ = false;
  bool is_finished_ = false;
  bool peer_finished_ = false;
};

} // namespace actorwire
