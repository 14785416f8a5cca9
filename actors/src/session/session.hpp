#pragma once

#include "session/session_frame.hpp"
#include "session/session_handshake.hpp"
#include "session/session_limits.hpp"
#include "session/session_receiver.hpp"
#include "session/session_sender.hpp"
#include "session/session_state.hpp"

#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/sessions.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstdint>
#include <optional>

namespace actorwire {

/// What a frame has come to.
struct session_progress {
  /// It is a message, and its body is to be passed on to the program, now.
  bool delivers = false;
  /// The state is another than before.
  bool has_moved = false;
  /// Of what was sent, these are now known to be delivered.
  number_range confirmed{};
};

/// One side of a session: messages in both directions over one connection after another, each delivered once and in order.
///
/// It makes one promise to whoever sends, about each number that `send` returned: it is in one range of `confirmed`, or, when
/// the session is over, in one of `ranges()`. What is `confirmed` or `delivered` was passed on by the other side exactly once;
/// what is `not_delivered` was not and will not be; what is `maybe_delivered` was at most once. That holds as long as both
/// processes live: a session is memory. A process that ends takes with it what it was passed and had not handled, whether that
/// was acknowledged or not, and its peer is told `not_known`.
///
/// The connections of a session are told apart by their epoch, and only the newest one counts: a frame of another is ignored.
/// *Limits:* those of `session_limits`. *Thread:* one at a time; it may be handed on.
class session {
public:
  session(const session_id& id, const session_limits& limits) noexcept;

  // -- from the connection ----------------------------------------------------------------------------------------------

  /// A client has a connection, and the session has none: its hello is to be transmitted. Returns the epoch of the connection.
  std::uint64_t handle_connected();

  /// A listener has a connection on which this was said, of the same id and a higher epoch, and the session has none: its
  /// welcome is to be transmitted. What an earlier connection was to `finish` goes on with this one. Returns what is known to be
  /// delivered since. *Errors:* `malformed` if the two sides cannot have been in one session; it is `lost` then, and nothing is
  /// to be transmitted.
  [[nodiscard]] result<number_range> handle_hello(const session_hello& hello);

  /// A frame has come on the connection of that epoch. One that is not the present connection's comes to nothing.
  /// *Errors:* `malformed` naming what is wrong; the session has no connection then, and that one is to be closed.
  [[nodiscard]] result<session_progress> handle_frame(std::uint64_t epoch, const session_frame& frame);

  /// The connection of that epoch is gone. One that is not the present one changes nothing.
  void handle_disconnected(std::uint64_t epoch) noexcept;

  // -- from the program -------------------------------------------------------------------------------------------------

  /// Says whether messages are taken at all. *Errors:* `draining` after `finish`, `closed` when the session is over.
  [[nodiscard]] result<void> check() const;

  /// Takes a message, with a connection or without, and returns its number. *Errors:* those of `check` and of
  /// `replay_buffer::accept`. `body` is left as it was then.
  [[nodiscard]] result<std::uint64_t> send(payload&& body);

  /// The program has had every message up to `number`, which was passed on to it.
  void handle_delivered(std::uint64_t number, time_point now) noexcept;

  /// Nothing more is to be sent. The session ends with a goodbye when everything is delivered, in both directions.
  void finish() noexcept { is_finishing_ = true; }

  /// The session ends at once, with a goodbye if it is open.
  void abandon();

  /// Nobody will come back for a session without a connection.
  void forget() noexcept;

  // -- what comes of it -------------------------------------------------------------------------------------------------

  /// The next frame for the present connection; nothing when there is none for now. A frame that was polled counts as sent.
  [[nodiscard]] std::optional<session_frame> poll_transmit(time_point now);

  /// When `poll_transmit` will have something, if nothing else happens.
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept;

  /// Whether something waits for the present connection, but for acknowledgements.
  [[nodiscard]] bool has_unsent() const noexcept { return pending_.has_value() || sender_.has_unsent(); }

  [[nodiscard]] session_state state() const noexcept { return state_; }
  [[nodiscard]] const session_id& id() const noexcept { return id_; }
  /// That of the newest connection; 0 before the first.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  /// Whether the other side is known to know it: nothing was sent or delivered before.
  [[nodiscard]] bool was_welcomed() const noexcept { return was_welcomed_; }
  /// Whether the present connection goes on with what an earlier one began.
  [[nodiscard]] bool is_resumed() const noexcept { return is_resumed_; }
  /// What became of everything that was sent. Only when the session is over.
  [[nodiscard]] const session_ranges& ranges() const noexcept;

  [[nodiscard]] const session_sender& sending() const noexcept { return sender_; }
  [[nodiscard]] const session_receiver& receiving() const noexcept { return receiver_; }

private:
  [[nodiscard]] bool is_connected() const noexcept {
    return state_ == session_state::offered || state_ == session_state::open;
  }
  /// Makes a transition of the table.
  void transition(session_event event) noexcept;
  /// The session is over, and nothing beyond `received` can have been delivered.
  void end(session_event event, std::uint64_t received) noexcept;
  [[nodiscard]] session_position position() const noexcept;
  /// *Errors:* `malformed` if the other side cannot stand there.
  [[nodiscard]] result<number_range> resume(const session_position& theirs);
  [[nodiscard]] result<session_progress> react_while_offered(const session_frame& frame);
  [[nodiscard]] result<session_progress> react_while_open(const session_frame& frame);
  [[nodiscard]] result<session_progress> be_welcomed(const session_welcome& welcome);
  [[nodiscard]] result<session_progress> be_left(const session_frame& frame);
  [[nodiscard]] bool is_done() const noexcept {
    return is_finishing_ && sender_.is_all_delivered() && receiver_.delivered() == receiver_.received();
  }
  void say_goodbye();

  session_id id_;
  session_sender sender_;
  session_receiver receiver_;
  std::uint64_t epoch_ = 0;
  session_state state_ = session_state::fresh;
  /// It was open before: the other side has to know it.
  bool was_welcomed_ = false;
  bool is_resumed_ = false;
  bool is_finishing_ = false;
  /// A hello, a welcome or a goodbye, which go before all else.
  std::optional<session_frame> pending_;
  session_ranges ranges_;
};

} // namespace actorwire
