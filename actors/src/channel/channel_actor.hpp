#pragma once

#include "channel/audience.hpp"
#include "channel/figures.hpp"
#include "channel/health.hpp"
#include "channel/outbound.hpp"
#include "channel/socket_names.hpp"
#include "channel/streams.hpp"
#include "channel/waiting_requests.hpp"
#include "seam/shard_actor.hpp"
#include "supervision/state_machine.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/frame_label.hpp>
#include <actorwire/transports/transport.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace actorwire {

class calls;
class wire;

/// What a connection and a peer have in common: the public interface, the sending half, the audience, the state machine.
/// What differs is where the bytes come from: a connection has one wire for life, a peer a new one with each generation.
/// *Thread:* shard only, apart from CAF's own entry points.
class channel_actor : public shard_actor<channel_interface::base> {
public:
  channel_actor(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id,
                const endpoint& remote, std::shared_ptr<const transport_config> settings);

  ~channel_actor() override;

  behavior_type make_behavior() override;

  // -- for the wire -----------------------------------------------------------------------------------------------------

  [[nodiscard]] const transport_config& config() const noexcept { return *config_; }

  [[nodiscard]] const endpoint& remote() const noexcept { return status_.remote; }

  /// The attempt ended before there was a wire.
  void note_failed_attempt(const transport_error& reason);

  /// The attempt has come so far.
  void note_progress(connection_state where);

  /// The wire, which is not connected yet, takes what may leave already.
  void note_early_data(wire& carrier) noexcept { early_wire_ = &carrier; }

  /// The wire is connected: what waits can go.
  void attach_wire(wire& carrier, const transport_opening& opening);

  /// The wire is gone; comes once for each wire, whether it was ever attached or not.
  void detach_wire(wire& carrier, const transport_error& reason);

  /// A wire is connected that was made to take the place of the present one, as soon as that has ended.
  virtual void note_successor_ready(wire& carrier);

  /// The wire takes no further message: what is accepted from now on leaves by another.
  void note_retirement();

  /// Whether what goes over stream 0 is a session, so that a wire is attached when the two sides have greeted each other.
  [[nodiscard]] bool has_session() const noexcept { return config_->session.mode == session_mode::on; }

  /// The wire is connected: says what is to be said first, and hears what the other side does. In the end the wire is told
  /// `greeted_later`.
  void begin_greeting(wire& carrier);

  /// Whether that has not come.
  [[nodiscard]] bool awaits_greeting() const noexcept;

  /// The peer's end has come, behind all its data.
  void note_peer_finished();

  /// The connection goes on between other addresses.
  void note_address_changed(const std::string& local, const std::string& remote);

  /// How much is wanted now of a stream on which a message of this kind comes next, in bytes. Empty: that is not known yet.
  [[nodiscard]] std::size_t credit(stream_id stream, std::optional<frame_kind> next) const noexcept;

  void deliver(stream_id stream, payload body, const frame_label& label);

  /// Something of what the peer sends has come, on whatever stream: data, or else its end.
  virtual void note_arrival(bool /*is_end*/) {}

  /// How much of a stream may be read, and kept, though nobody wants any, beside `unread` that are here already, in bytes.
  [[nodiscard]] std::size_t room_ahead(stream_id stream, std::size_t unread) const noexcept;

  /// Nothing more comes on this stream, which is not 0.
  void end_receiving(stream_id stream, const transport_error& why);

  /// Whether anybody wants to hear of streams other than 0.
  [[nodiscard]] bool wants_streams() const noexcept { return audience_.wants_data(any_other_stream); }
  /// Whether all of them have room to hear of another one; if not, all streams are pumped when they have.
  [[nodiscard]] bool has_room_for_stream() noexcept { return audience_.has_room_for_stream(); }

  /// Passes a datagram on; returns whether anybody had room for it.
  [[nodiscard]] bool deliver_datagram(payload body);

  [[nodiscard]] outbound& sending() noexcept { return sending_; }

  // -- for its parts ----------------------------------------------------------------------------------------------------

  /// A session is over, and everyone was told.
  virtual void note_session_over() {}

  /// What became of the message of a call; of others nothing happens.
  void note_call_outcome(const settled& what);
  /// The connection has all of the message of a call, or of another.
  void note_call_left(std::uint64_t number);
  /// No call that has left is open any more.
  void note_no_answer_awaited();
  /// Nothing while answers can come on this stream of the present connection.
  [[nodiscard]] result<void> why_no_answer(stream_id stream) const;
  /// Whether a call that has left can still be answered by the present connection, on any stream.
  [[nodiscard]] bool awaits_answers() const noexcept;

  // -- for its handler in the shard: see channel_handler.cpp

  /// Has a handler made. *Errors:* `conflicting_values` if there is one; `closed` when the channel has ended.
  [[nodiscard]] result<void> add_handler(const handler_factory& make);
  /// The handler has failed with `reason`: the channel ends.
  void note_failed_handler(const transport_error& reason);
  /// The handler takes data again.
  void note_reading_again();
  /// Takes a message for sending that is not asked about, or says why not. `body` is left as it was then.
  [[nodiscard]] result<std::uint64_t> send_unasked(payload& body, const send_options& options);
  void finish(stream_id stream);
  /// Asks itself to close, so that it does not end within a call from its wire.
  void close_soon(const close& request);
  /// What is so now. Between the loss of a wire and what the supervisor makes of it nothing is announced yet.
  [[nodiscard]] connection_status present_status() const;

  /// What is told of this channel at this moment.
  [[nodiscard]] stats statistics() const;

  [[nodiscard]] figures& lifetime_figures() noexcept { return figures_; }

  /// The smoothed round-trip time of the present connection; 0 while it is not known.
  [[nodiscard]] std::chrono::microseconds round_trip() const;

  /// Bytes that have come on the present connection.
  [[nodiscard]] std::uint64_t received_bytes() const;

  /// Whether all that comes on the present connection is read and passed on, as soon as it is there.
  [[nodiscard]] bool reads_all() const noexcept;

  /// Whether it is wanted to be known when each message that waits was accepted.
  [[nodiscard]] bool keeps_times() const noexcept { return health_ != nullptr; }

  /// Whether the present connection takes no further message of stream 0, and what is accepted now leaves by the next.
  [[nodiscard]] bool is_retiring() const noexcept;

  /// There is a first cause to be degraded, or none any more.
  void note_degraded(const transport_error& reason) { transition(state_event::degrade, reason); }
  void note_recovered() { transition(state_event::recover); }

  /// What its events name as their source.
  [[nodiscard]] connection_id source() const noexcept { return status_.id; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return status_.generation; }
  [[nodiscard]] connection_info info() const;

  /// Why there is no connection, as far as that is known: the last failure, or what holds the peer back; nothing while there is
  /// one.
  [[nodiscard]] std::optional<transport_error> obstacle() const;

  /// Whether the end has come and was told to everyone.
  [[nodiscard]] bool is_over() const noexcept { return has_ended_; }

  /// Sends `event` to all who want to hear of `topic`.
  template <class Event>
  void publish(event_mask topic, const Event& event) {
    audience_.publish(topic, event);
  }

  /// Lets the wire, if there is one, take what waits at the end of the turn, on a stream if one is named.
  void flush_later();
  void flush_later(stream_id stream);

  /// Lets the wire, if there is one that is connected, end with `reason` at the end of the turn.
  void abort_later(const transport_error& reason);

  /// Lets the wire, if there is one, see at the end of the turn how much data is wanted now, of all streams or of one.
  void pump_later();
  void pump_later(stream_id stream);

protected:
  // -- what differs -----------------------------------------------------------------------------------------------------

  /// The stream is to be finished: nothing is accepted from now on, and what was accepted still goes out. Comes once.
  virtual void finishes() {}

  /// The channel begins to close, or ends; nobody was told yet. May come twice.
  virtual void leaves() {}

  /// The channel has come to its end, and whoever waited was told. Comes once.
  virtual void has_left() {}

  /// A wire was attached, and nobody was told yet.
  virtual void becomes_ready(const transport_opening& /*opening*/) {}

  /// A wire was attached and everyone was told.
  virtual void became_ready() {}

  /// Whether the present connection ends, or has ended, because nobody used it.
  [[nodiscard]] virtual bool is_resting() const noexcept { return false; }

  /// Whether what is not to wait for a connection cannot be sent.
  [[nodiscard]] bool is_down() const noexcept {
    return is_ready() ? is_retiring() && is_resting() : !is_between_connections();
  }

  /// Something asks for a connection, whether there is one or not.
  virtual void is_wanted() {}

  /// The wire that was attached is gone, and the state is still what it was. Ends the channel, or waits for another.
  virtual void wire_lost(const transport_error& reason) = 0;

  /// A wire is connected that is to be greeted: says what this side says first, if it is the one to begin.
  virtual void greets() {}

  /// What the other side says first has come. *Errors:* the wire is aborted.
  [[nodiscard]] virtual result<void> is_greeted(const session_frame& frame) = 0;

  /// The channel has come to its end, and what its session is for is about to be given up: the last occasion to give it to
  /// others. Comes once.
  virtual void leaves_session(const transport_error& /*reason*/) {}

  /// Whether another wire is connected that takes the place of the present one when that has ended.
  [[nodiscard]] virtual bool has_successor() const noexcept { return false; }

  /// A wire that was to take the place of another is gone before it did.
  virtual void successor_lost(wire& /*carrier*/, const transport_error& /*reason*/) {}

  /// Whether a little of a stream is to be read though nobody wants any.
  [[nodiscard]] virtual bool reads_ahead(stream_id /*stream*/) const noexcept { return false; }

  /// Whether it can be that a connection has streams other than 0.
  [[nodiscard]] virtual bool can_have_streams() const noexcept { return status_.remote.proto == protocol::quic; }

  /// The supervisor has decided something; only peers have one.
  virtual void obey(peer_directive& directive) = 0;

  /// Whether the end of `who` matters even when it subscribes to nothing.
  [[nodiscard]] virtual bool depends_on(const caf::actor_addr&) const noexcept { return false; }

  /// What a message is told that may not wait.
  [[nodiscard]] virtual transport_error why_not_ready() const;

  /// Ends whatever would bring bytes: the wire, or an attempt.
  virtual void cut(const transport_error& reason) = 0;

  // -- state ------------------------------------------------------------------------------------------------------------

  [[nodiscard]] connection_state state() const noexcept { return status_.state; }
  [[nodiscard]] bool is_ready() const noexcept { return wire_ != nullptr; }
  /// Whether a connection was renewed and the next is being greeted: the session goes on, and so does the state.
  [[nodiscard]] bool is_between_connections() const noexcept {
    return greeting_ != nullptr && (state() == connection_state::ready || state() == connection_state::degraded);
  }

  /// Whether the handler has thrown, for which the channel is about to end.
  [[nodiscard]] bool has_failed_handler() const noexcept { return audience_.has_failed_handler(); }

  /// Whether anything is still to come or to go by the present connection.
  [[nodiscard]] bool is_in_use() const noexcept;
  /// How the wire was connected that is being greeted.
  [[nodiscard]] const transport_opening& opening_in_greeting() const noexcept;
  /// Lets the wire end with `reason` at the end of the turn, attached or being greeted.
  void abort_line_later(const transport_error& reason);
  /// The session is open: the wire that is being greeted is attached soon.
  void end_greeting();
  /// There will be none: the wire ends behind this answer.
  void refuse_greeting(session_frame&& answer);

  /// Adds a subscriber as if it had asked itself.
  void add_subscriber(const caf::strong_actor_ptr& who, subscribe request);

  /// The peer has ended its side, and the connection goes on.
  void receive_no_more();

  /// No other wire is to take the place of the present one, as far as that can still be used.
  void keep_wire();

  /// Begins to close, or changes how.
  void begin_close(const close& request);

  /// The present connection lets go: nobody is asked any more how it is doing.
  void stop_probing();

  /// Whether a close, or a stream that was finished with all that it had, makes the end of the wire the end of the
  /// channel.
  [[nodiscard]] bool wants_to_end() const noexcept { return closing_ != nullptr || has_finished_; }

  /// Nothing will ever dial again unless the user asks for it: whoever waits for a connection is told so.
  void fail_waiting(const transport_error& reason);

  /// Makes the transition and publishes it; an event that means nothing in the present state changes nothing. Without
  /// `attempt` there are as many failed attempts as before.
  void transition(state_event event, const transport_error& reason = {}, std::optional<std::uint32_t> attempt = {},
                  std::chrono::milliseconds next_retry = std::chrono::milliseconds{0});

  /// Ends all subscriptions, and answers everyone who waits for a connection or for data.
  void dismiss(const transport_error& reason);

  /// Gives up everything that waits and reports it, answers everyone, and ends the actor. The first reason counts.
  void end(const transport_error& reason);

  /// The same, and ends before whatever would bring bytes.
  void cut_and_end(const transport_error& reason);

  void tear_down(const caf::error& reason) noexcept override;

  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;

  bool handle_often(caf::mailbox_element& message) override;

  /// What `connection_status` is made of. Most connections are not encrypted, and idle ones are to be small.
  struct situation {
    connection_id id = 0;
    std::uint64_t generation = 0;
    endpoint remote;
    socket_names names;
    /// Null where that is `remote`.
    std::unique_ptr<const endpoint> carried_by;
    /// Null where nothing is encrypted.
    std::unique_ptr<const tls_info> tls;
    connection_state state = connection_state::idle;
    bool stale_addresses = false;
    bool is_held_back = false;
    std::uint64_t sequence = 0;
    std::uint32_t attempt = 0;
    std::chrono::milliseconds next_retry{0};
    /// Null while there was none.
    std::unique_ptr<const transport_error> last_error;
  };

  /// `none` while there was none.
  [[nodiscard]] transport_error last_error() const {
    return status_.last_error != nullptr ? *status_.last_error : transport_error{};
  }
  void note_error(const transport_error& reason) {
    status_.last_error = std::make_unique<const transport_error>(reason);
  }

  situation status_;
  wire* wire_ = nullptr;
  /// The wire of an attempt that takes messages already.
  wire* early_wire_ = nullptr;

private:
  struct closing;
  /// A wire that is connected, and not attached before the two sides have greeted each other.
  struct greeting {
    wire* line;
    /// What the other side says first has come.
    bool is_heard = false;
  };

  /// All streams other than 0 are wanted, or not, by the same subscribers.
  static constexpr stream_id any_other_stream = 1;

  /// The channel whose handler is running on this thread.
  [[nodiscard]] static channel_actor& at_work() noexcept;

  using call_promise = caf::typed_response_promise<answered>;

  // -- requests
  caf::typed_response_promise<connection_info> handle(connect);
  call_promise handle(call& request);
  outbound::reply handle(answer& request);
  outbound::reply handle(const refuse& request);
  outbound::reply handle(actorwire::send& message);
  void handle(cast& message);
  outbound::batch_reply handle(send_batch& batch);
  caf::typed_response_promise<received> handle(const receive& request);
  connection_status handle(subscribe request);
  void handle(const unsubscribe&);
  void handle(const grant& credit);
  void handle(const finish_stream& request) { finish(request.stream); }
  streams::open_promise handle(const open_stream& request);
  caf::result<void> handle(const reset_stream& request);
  caf::result<void> handle(const stop_stream& request);
  caf::result<void> handle(const prioritize_stream& request);
  streams::datagram_promise handle(send_datagram& request);
  /// What the last transition announced, with the time that is left now: what a subscriber's events continue.
  [[nodiscard]] connection_status announced_status() const;
  [[nodiscard]] connection_state present_state() const noexcept;
  void handle(const stream_stats& request);
  health_report report_health();
  caf::result<void> handle(const set_probe& request);
  caf::typed_response_promise<close_report> handle(const close& request);

  /// Takes a message for sending that nobody asks about.
  void take(payload& body, const send_options& options);
  /// What whoever sends a message is told while the channel closes.
  [[nodiscard]] transport_error why_draining() const;
  /// What is to be said to whoever sends a message at present; nothing while it may be accepted.
  [[nodiscard]] result<void> may_accept(const send_options& options);
  /// Takes a message for sending, or says why not.
  result<std::uint64_t> accept(payload& body, const send_options& options, outbound::recipient& whom);
  /// The same as `may_accept` for a stream other than 0.
  [[nodiscard]] result<void> may_accept_on(stream_id stream) const;
  /// Whether a stream other than 0 is there to be received from. *Errors:* what a `receive` is to be told.
  [[nodiscard]] result<void> check_receivable(stream_id stream) const;
  /// Whether a message with these options is to be dropped now.
  [[nodiscard]] bool is_unwanted_now(const send_options& options) const noexcept;
  /// Whether what still comes on a stream is read and dropped: it closes, and nobody wants data. Otherwise it would not
  /// see the peer's end behind that data.
  [[nodiscard]] bool drops_data(stream_id stream) const noexcept;
  /// The streams other than 0 of the present connection.
  /// *Errors:* `unsupported` where the protocol has none, `not_connected`.
  [[nodiscard]] result<streams*> present_streams() const;
  /// The same, for what is not allowed any more when the channel closes. *Errors:* also `draining`.
  [[nodiscard]] result<streams*> streams_to_send_on() const;
  /// Carries a request about a stream out, and answers it.
  template <class Request, class Action>
  caf::result<void> apply(const Request& request, Action action);
  // -- calls
  /// Sends a call. *Errors:* what its sender is to be told.
  [[nodiscard]] result<void> make_call(call& request, const call_promise& asker);
  template <class Request>
  outbound::reply reply_to_call(const Request& request, frame_kind kind, payload body);
  /// Takes an answer or a refusal for sending. *Errors:* what its sender is to be told.
  [[nodiscard]] result<void> accept_answer(std::uint64_t generation, stream_id stream, const frame_label& label,
                                           payload body, const outbound::reply& asker);
  /// *Errors:* `unsupported` where the framing has no numbers.
  [[nodiscard]] result<void> check_framing(std::string_view what) const;
  void deliver_numbered(stream_id stream, payload body, const frame_label& label);
  void refuse_pulled_call(stream_id stream, std::uint64_t number);
  [[nodiscard]] bool awaits_answers(stream_id stream) const noexcept;
  /// No answer comes any more to what has left: on any stream, or on one.
  void end_answers(const transport_error& why);
  void end_answers(stream_id stream, const transport_error& why);
  [[nodiscard]] call_totals totals_of_calls() const noexcept;
  [[nodiscard]] calls& all_calls();

  // -- sessions: see channel_session.cpp
  void hear_greeting(const session_frame& frame);
  void deliver_in_session(payload body, const frame_label& label);
  /// A wire is gone, perhaps the one that was being greeted.
  void leave_greeting(const wire& carrier, const transport_error& reason);
  void announce_session();
  /// The session ends in order as soon as everything was delivered.
  void finish_session() noexcept;
  /// *Errors:* `unsupported` for stream 0 of a session.
  [[nodiscard]] result<void> check_calls_on(stream_id stream) const;

  /// Whether `who` is sent anything without asking each time; it is watched then.
  [[nodiscard]] bool serves(const caf::actor_addr& who) const noexcept;
  void watch_if_new(const caf::strong_actor_ptr& who);
  void unwatch_if_gone(const caf::actor_addr& who);
  /// Somebody subscribes, or reads in another way, to whom others give way that pull.
  void note_new_reader();
  /// Forgets whoever is served. Returns what the handler in the shard has made of that, if it has failed.
  std::optional<transport_error> dismiss_all(const transport_error& reason);
  void dismiss_prober();
  /// What is known of how the connection is doing, made if need be.
  [[nodiscard]] health& watched_health();
  /// The connection is ready, and everyone knows.
  void begin_health();
  /// Keeps the figures of the wire, which is about to go.
  void end_generation();
  void finish_closing();
  /// Has the wire do what the close asks for.
  void finish_wire();

  std::shared_ptr<const transport_config> config_;
  /// Before what it observes.
  figures figures_;
  outbound sending_;
  audience audience_;
  waiting_requests waiting_;
  /// Null where nobody wants to know.
  std::unique_ptr<health> health_;
  /// Null for a channel without any.
  std::unique_ptr<calls> calls_;
  std::unique_ptr<closing> closing_;
  /// Null unless a wire is connected that is not attached yet.
  std::unique_ptr<greeting> greeting_;
  /// When the last transition was, or the channel was made.
  time_point changed_at_;
  /// The peer sends no more on stream 0 of this connection.
  bool peer_has_finished_ = false;
  /// The same, and the connection stays half open.
  bool has_received_all_ = false;
  bool is_finishing_ = false;
  /// The stream was finished, and the wire that is gone had taken all of it, as far as it was not torn.
  bool has_finished_ = false;
  bool has_ended_ = false;
};

} // namespace actorwire
