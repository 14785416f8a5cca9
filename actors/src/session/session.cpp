#include "session/session.hpp"

#include "engine/frame_error.hpp"

#include <actorwire/messages/error.hpp>

#include <cassert>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

namespace {

template <class Body>
session_frame frame_of(frame_kind kind, std::uint64_t number, const Body& body) {
  return {kind, number, payload::copy_of(encode(body))};
}

transport_error unexpected(const session_frame& frame, std::string_view allowed) {
  return malformed_frame("frame kind = " + std::to_string(static_cast<unsigned>(frame.kind)) + ": must be "
                         + std::string{allowed});
}

} // namespace

session::session(const session_id& id, const session_limits& limits) noexcept
  : id_(id), sender_(limits), receiver_(limits) {
  assert(id != session_id{});
}

// -- the connection -----------------------------------------------------------------------------------------------------

std::uint64_t session::handle_connected() {
  transition(session_event::connect);
  ++epoch_;
  pending_ = frame_of(frame_kind::hello, 0, session_hello{id_, epoch_, was_welcomed_, position()});
  // Told with the hello, not with what the program is delivered until the welcome comes.
  receiver_.resume();
  return epoch_;
}

result<number_range> session::handle_hello(const session_hello& hello) {
  assert(hello.id == id_ && hello.epoch > epoch_ && !is_connected());
  auto confirmed = resume(hello.position);
  if (!confirmed) {
    // One that was never open cannot be lost: it never was.
    end(state_ == session_state::fresh ? session_event::end : session_event::lose, sender_.sent());
    return confirmed;
  }
  is_resumed_ = state_ == session_state::broken;
  transition(session_event::accept);
  was_welcomed_ = true;
  // To finish was the wish of the program of another connection.
  is_finishing_ = false;
  epoch_ = hello.epoch;
  pending_ = frame_of(frame_kind::welcome, 0,
                      session_welcome{is_resumed_ ? session_answer::resumed : session_answer::begun, id_, epoch_,
                                      is_resumed_ ? position() : session_position{}});
  receiver_.resume();
  return confirmed;
}

void session::handle_disconnected(std::uint64_t epoch) noexcept {
  if (epoch != epoch_)
    return;
  pending_.reset();
  if (is_connected())
    transition(session_event::disconnect);
}

result<session_progress> session::handle_frame(std::uint64_t epoch, const session_frame& frame) {
  if (epoch != epoch_ || !is_connected())
    return session_progress{};
  auto progress = state_ == session_state::offered ? react_while_offered(frame) : react_while_open(frame);
  if (!progress)
    handle_disconnected(epoch);
  return progress;
}

result<session_progress> session::react_while_offered(const session_frame& frame) {
  if (frame.kind != frame_kind::welcome)
    return unexpected(frame, "that of a welcome, as the first frame of a listener");
  const auto welcome = parse_session_welcome(frame.number, frame.body.bytes());
  if (!welcome)
    return welcome.error();
  if (welcome->id != id_)
    return malformed_frame("session welcome: id: must be that of the hello");
  if (welcome->epoch != epoch_)
    return malformed_frame("session welcome: epoch = " + std::to_string(welcome->epoch)
                           + ": must be that of the hello, " + std::to_string(epoch_));
  return be_welcomed(*welcome);
}

result<session_progress> session::be_welcomed(const session_welcome& welcome) {
  session_progress progress{.has_moved = true};
  switch (welcome.answer) {
    case session_answer::begun:
      if (was_welcomed_)
        return malformed_frame("session welcome: answer = begun: must not be, since the session was begun before");
      is_resumed_ = false;
      break;
    case session_answer::resumed: {
      const auto confirmed = resume(welcome.position);
      if (!confirmed) {
        // It would be the same with the next connection.
        end(session_event::lose, sender_.sent());
        return progress;
      }
      progress.confirmed = *confirmed;
      // What an earlier attempt began, without an answer that came, begins here.
      is_resumed_ = was_welcomed_;
      break;
    }
    case session_answer::not_known:
      end(session_event::lose, sender_.sent());
      return progress;
    case session_answer::superseded:
      end(session_event::fence, sender_.sent());
      return progress;
    case session_answer::no_room:
      handle_disconnected(epoch_);
      return progress;
  }
  transition(session_event::welcome);
  was_welcomed_ = true;
  return progress;
}

result<session_progress> session::react_while_open(const session_frame& frame) {
  session_progress progress;
  switch (frame.kind) {
    case frame_kind::data: {
      const auto is_new = receiver_.handle_data(frame.number, frame.body.size());
      if (!is_new)
        return is_new.error();
      progress.delivers = *is_new;
      return progress;
    }
    case frame_kind::acknowledge: {
      if (!frame.body.empty())
        return malformed_frame("session acknowledgement: length = " + std::to_string(frame.body.size())
                               + ": must be 0");
      const auto confirmed = sender_.acknowledge(frame.number);
      if (!confirmed)
        return confirmed.error();
      progress.confirmed = *confirmed;
      return progress;
    }
    case frame_kind::goodbye:
      return be_left(frame);
    case frame_kind::hello:
    case frame_kind::welcome:
    case frame_kind::call:
    case frame_kind::answer:
    case frame_kind::refusal:
      break;
  }
  return unexpected(frame, "that of data, an acknowledgement or a goodbye");
}

result<session_progress> session::be_left(const session_frame& frame) {
  const auto goodbye = parse_session_goodbye(frame.number, frame.body.bytes());
  if (!goodbye)
    return goodbye.error();
  if (goodbye->received > sender_.sent())
    return malformed_frame("session goodbye: received = " + std::to_string(goodbye->received) + ": must be at most "
                           + std::to_string(sender_.sent()));
  const auto confirmed = sender_.acknowledge(frame.number);
  if (!confirmed)
    return confirmed.error();
  end(session_event::end, goodbye->received);
  return session_progress{.has_moved = true, .confirmed = *confirmed};
}

session_position session::position() const noexcept {
  return {receiver_.delivered(), sender_.buffer().acknowledged() + 1, sender_.sent()};
}

result<number_range> session::resume(const session_position& theirs) {
  if (theirs.sent < receiver_.received())
    return malformed_frame("sent = " + std::to_string(theirs.sent) + ": must be at least "
                           + std::to_string(receiver_.received()));
  if (theirs.replays_from - 1 > receiver_.delivered())
    return malformed_frame("replays_from = " + std::to_string(theirs.replays_from) + ": must be at most "
                           + std::to_string(receiver_.delivered() + 1));
  return sender_.resume(theirs.delivered);
}

// -- the program --------------------------------------------------------------------------------------------------------

result<void> session::check() const {
  if (is_over(state_))
    return make_error(error_code::closed, phase::established, origin::local,
                      "the session is " + std::string{name_of(state_)});
  if (is_finishing_)
    return make_error(error_code::draining, phase::established, origin::local, "the session is finishing");
  return {};
}

result<std::uint64_t> session::send(payload&& body) {
  if (auto possible = check(); !possible)
    return possible.error();
  return sender_.accept(std::move(body));
}

void session::handle_delivered(std::uint64_t number, time_point now) noexcept {
  receiver_.handle_delivered(number, now);
}

void session::abandon() {
  if (is_over(state_))
    return;
  if (state_ == session_state::open)
    say_goodbye();
  else
    end(session_event::end, sender_.sent());
}

void session::forget() noexcept {
  if (state_ == session_state::broken)
    end(session_event::lose, sender_.sent());
}

void session::say_goodbye() {
  // A client that was not welcomed on this connection does not expect it, and will be told when it comes back.
  const auto is_greeted = !pending_;
  end(session_event::end, sender_.sent());
  if (is_greeted)
    pending_ = frame_of(frame_kind::goodbye, receiver_.delivered(), session_goodbye{receiver_.received()});
}

// -- what comes of it ---------------------------------------------------------------------------------------------------

std::optional<session_frame> session::poll_transmit(time_point now) {
  if (!pending_ && state_ == session_state::open) {
    if (const auto number = receiver_.poll_acknowledgement(now))
      return session_frame{frame_kind::acknowledge, *number, {}};
    if (auto message = sender_.poll_transmit())
      return message;
    if (is_done())
      say_goodbye();
  }
  return std::exchange(pending_, std::nullopt);
}

std::optional<time_point> session::next_timeout() const noexcept {
  if (state_ != session_state::open)
    return std::nullopt;
  return receiver_.next_timeout();
}

const session_ranges& session::ranges() const noexcept {
  assert(is_over(state_));
  return ranges_;
}

void session::transition(session_event event) noexcept {
  const auto to = next(state_, event);
  assert(to);
  state_ = *to;
}

void session::end(session_event event, std::uint64_t received) noexcept {
  transition(event);
  pending_.reset();
  ranges_ = sender_.end(received);
}

} // namespace actorwire
