// How a wire ends: when all is sent, when the peer ends, in favour of another, or at once.

#include "channel/channel_actor.hpp"
#include "channel/wire.hpp"

#include <algorithm>
#include <utility>

namespace actorwire {

namespace {

/// What is left to a transport, whose time to end is over, after the streams that were still open were given up.
constexpr auto time_to_part = std::chrono::seconds{1};

} // namespace

// -- in order -----------------------------------------------------------------------------------------------------------

void wire::finish(bool then_close) {
  end_is_wanted_ = true;
  finish_wanted_ = true;
  close_wanted_ = close_wanted_ || then_close;
  if (is_connected_)
    where_.flush_later(flusher_);
}

void wire::follow_peer() {
  set(deadline::peer_finished, never);
  finish_wanted_ = true;
  finish_streams();
  if (is_connected_)
    where_.flush_later(flusher_);
}

void wire::end_if_done() {
  if (user_ == nullptr || !is_connected_)
    return;
  const auto has_sent_all =
      (finish_wanted_ && user_->sending().is_flushed(0)) || (is_retiring_ && user_->sending().started_rest() == 0);
  // Most programs end their side when the other has ended its, and answer nothing any more.
  if (has_sent_all && !is_finished_ && (close_wanted_ || !user_->awaits_answers())) {
    is_finished_ = true;
    bearer_->finish();
  }
  // One that retires waits for the peer's end: what it was sent may still be answered.
  if (close_wanted_ && is_finished_ && (streams_ == nullptr || streams_->is_finished()) && !close_when_acknowledged())
    return;
  if (is_greeting()) {
    // Whoever refuses the greeting has said so, and ends.
    if (peer_finished_ && intake_.is_drained() && !finish_wanted_ && !reserve_->is_greeted)
      abort_later(not_greeted("the other side has ended"));
    return;
  }
  // The peer's end is passed on when all that came before it was.
  if (peer_finished_ && intake_.is_drained()) {
    peer_finished_ = false;
    if (const auto whole = intake_.finish(); !whole) {
      abort(whole.error());
      return;
    }
    // A subscriber that never answers does not keep the connection half open for ever.
    if (!user_->config().allow_half_open)
      set(deadline::peer_finished, where_.lived() + user_->config().operation_timeout);
    // The other is there already, for what the peer may not read any more.
    if (is_to_retire_ && !is_retiring_)
      begin_to_retire();
    user_->note_peer_finished();
  }
}

bool wire::close_when_acknowledged() {
  // A transport that is closed with bytes on their way resets the connection, and the peer could lose them.
  if (bearer_->bytes_acked() >= bytes_taken_ && (streams_ == nullptr || streams_->is_all_acknowledged())) {
    bearer_->close(make_error(error_code::closed, phase::close, origin::local, "closed by this side"));
    return false;
  }
  if (!deadlines_.is_set(deadline::acknowledgement))
    set(deadline::acknowledgement, where_.lived() + acknowledgement_wait());
  return true;
}

bool wire::waits_for_answers() const noexcept {
  return finish_wanted_ && !close_wanted_ && !is_retiring_ && !is_finished_ && user_ != nullptr
      && user_->awaits_answers();
}

void wire::end_when_drained() {
  if (const auto left = unread_size(); left > 0) {
    // Who reads slowly gets all of it, and who has stopped does not keep the peer from being dialled anew.
    if (std::exchange(unread_at_end_, left) != left)
      set(deadline::progress, where_.lived() + user_->config().operation_timeout);
    return;
  }
  const auto whole = peer_finished_ ? intake_.finish() : result<void>{};
  give_up(whole ? *ending_ : whole.error());
}

// -- in favour of another -----------------------------------------------------------------------------------------------

void wire::retire(std::chrono::milliseconds limit) {
  is_to_retire_ = true;
  set(deadline::retirement, std::min<time_point>(deadlines_.of(deadline::retirement), where_.lived() + limit));
  if (is_multiplexed() && user_ != nullptr)
    all_streams().refuse_new(true);
  retire_if_due();
}

bool wire::stay() {
  if (is_finished_ || !is_to_retire_)
    return false;
  is_to_retire_ = gave_up_streams_ = false;
  set(deadline::retirement, never);
  if (streams_ != nullptr)
    streams_->refuse_new(false);
  return std::exchange(is_retiring_, false);
}

void wire::retire_if_due() {
  // Where all that was accepted is to leave by this transport, that is its end as well.
  if (is_to_retire_ && !is_retiring_ && !end_is_wanted_ && (streams_ == nullptr || !streams_->is_in_use()))
    begin_to_retire();
}

void wire::begin_to_retire() {
  is_retiring_ = true;
  where_.flush_later(flusher_);
  if (user_ != nullptr)
    user_->note_retirement();
}

bool wire::give_up_streams() {
  if (gave_up_streams_ || ending_ || user_ == nullptr || streams_ == nullptr || streams_->is_empty())
    return false;
  gave_up_streams_ = true;
  set(deadline::retirement, where_.lived() + time_to_part);
  streams_->give_up_all();
  begin_to_retire();
  return true;
}

// -- at once ------------------------------------------------------------------------------------------------------------

void wire::abort(const transport_error& reason) {
  if (ending_)
    give_up(reason);
  else
    bearer_->close(reason);
}

void wire::abort_later(const transport_error& reason) {
  // The transport has ended, and what it brought is still to be read.
  if (ending_)
    return;
  if (abort_wanted_ == nullptr)
    abort_wanted_ = std::make_unique<const transport_error>(reason);
  where_.flush_later(flusher_);
}

void wire::cut(const transport_error& reason) {
  end_is_wanted_ = true;
  if (user_ != nullptr && streams_ != nullptr)
    streams_->end(reason);
  user_ = nullptr;
  if (!ending_) {
    bearer_->close(reason);
    return;
  }
  // The transport has ended before; only the owner is still to hear of it.
  give_up(reason);
  where_.flush_later(flusher_);
}

void wire::give_up(const transport_error& reason) {
  // An orderly end that this side did not ask for is the peer's doing, and a reason to connect again.
  auto cause = reason;
  if (reason.code == error_code::closed && !end_is_wanted_ && !is_to_retire_)
    cause = make_error(error_code::peer_closed, reason.where, origin::remote, "closed by the peer");
  // The transport was established, and the connection was not.
  if (is_greeting() && cause.where == phase::established)
    cause.where = phase::handshake;
  // `reason` may be the one that was waited with.
  const auto waited_with = std::move(ending_);
  timer_ = nullptr;
  if (auto* user = std::exchange(user_, nullptr)) {
    // What is not the channel's wire has been given nothing.
    if (reserve_ == nullptr)
      user->sending().settle_acknowledged(0, bearer_->bytes_acked());
    if (streams_ != nullptr)
      streams_->end(cause);
    user->detach_wire(*this, cause);
  }
  end_ = std::make_unique<const transport_error>(std::move(cause));
}

std::unique_ptr<const transport_error> wire::take_end() noexcept {
  return std::exchange(end_, nullptr);
}

} // namespace actorwire
