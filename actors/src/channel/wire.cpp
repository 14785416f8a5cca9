#include "channel/wire.hpp"

#include "channel/channel_actor.hpp"

#include <algorithm>
#include <utility>

namespace actorwire {

namespace {

/// Pieces gathered into one call of the transport; more only make the array longer (Linux takes 1,024).
constexpr std::size_t pieces_per_send = 64;

/// How long an acknowledgement is waited for before the transport is asked again.
constexpr auto shortest_acknowledgement_wait = std::chrono::milliseconds{1};
constexpr auto longest_acknowledgement_wait = std::chrono::milliseconds{50};

} // namespace

wire::wire(shard& where, local_ref<transport> bearer, channel_actor& user, flushable& flusher,
           std::function<void()> wake_me)
  : where_(where),
    bearer_(std::move(bearer)),
    user_(&user),
    flusher_(flusher),
    decoder_(user.config().framing),
    timer_(std::move(wake_me)) {}

wire::~wire() {
  where_.buffers().budget().give_back(charged_);
  bearer_->detach();
}

// -- from the transport -------------------------------------------------------------------------------------------------

void wire::handle_progress(connection_state where) {
  if (user_ != nullptr)
    user_->note_progress(where);
}

void wire::handle_connected(const transport_opening& opening) {
  is_connected_ = true;
  if (user_ == nullptr)
    return;
  user_->attach_wire(*this, opening);
  pump();
}

void wire::handle_received(payload bytes) {
  allowance_ -= std::min<std::size_t>(allowance_, bytes.size());
  decoder_.feed(std::move(bytes));
  pump();
  settle_acknowledged();
}

void wire::handle_peer_finished() {
  peer_finished_ = true;
  end_if_done();
}

void wire::handle_writable() {
  is_blocked_ = false;
  flush();
}

void wire::handle_closed(const transport_error& reason) {
  is_connected_ = false;
  timer_.cancel();
  deadlines_.fill(never);
  // What arrived before an orderly end is delivered, if need be when there is credit for it again.
  if (reason.code == error_code::closed && user_ != nullptr && decoder_.unread_size() > 0) {
    ending_ = std::make_unique<const transport_error>(reason);
    set(deadline::progress, where_.now() + user_->config().operation_timeout);
    pump();
    return;
  }
  give_up(reason);
}

void wire::give_up(const transport_error& reason) {
  // An orderly end that this side did not ask for is the peer's doing, and a reason to connect again.
  auto cause = reason;
  if (reason.code == error_code::closed && !end_is_wanted_)
    cause = make_error(error_code::peer_closed, reason.where, origin::remote, "closed by the peer");
  // `reason` may be the one that was waited with.
  const auto waited_with = std::move(ending_);
  timer_.cancel();
  if (auto* user = std::exchange(user_, nullptr)) {
    user->sending().settle_acknowledged(bearer_->bytes_acked());
    user->detach_wire(*this, cause);
  }
  end_ = std::make_unique<const transport_error>(std::move(cause));
}

std::unique_ptr<const transport_error> wire::take_end() noexcept {
  return std::exchange(end_, nullptr);
}

void wire::handle_timeout() {
  const auto now = where_.now();
  if (deadlines_[static_cast<std::size_t>(deadline::progress)] <= now) {
    if (ending_) {
      give_up(*ending_);
      return;
    }
    set(deadline::progress, never);
    // What waited may have expired meanwhile; then there is nothing that should have moved.
    if (user_ != nullptr && !user_->sending().is_flushed()) {
      abort(make_error(error_code::stalled, phase::established, origin::remote,
                       "no byte was taken for operation_timeout although some wait"));
      return;
    }
  }
  if (deadlines_[static_cast<std::size_t>(deadline::partial_frame)] <= now) {
    set(deadline::partial_frame, never);
    // Whoever wanted the frame may have ended meanwhile, and nobody reads what is missing.
    if (user_ != nullptr && user_->credit() > 0) {
      abort(make_error(error_code::partial_frame_timeout, phase::established, origin::remote,
                       "a frame was begun and not completed within framing.partial_frame_timeout"));
      return;
    }
  }
  if (deadlines_[static_cast<std::size_t>(deadline::acknowledgement)] <= now) {
    settle_acknowledged();
    end_if_done();
  }
  if (deadlines_[static_cast<std::size_t>(deadline::peer_finished)] <= now)
    follow_peer();
  if (deadlines_[static_cast<std::size_t>(deadline::retirement)] <= now) {
    abort(make_error(error_code::closed, phase::close, origin::local,
                     "a connection that was to be renewed did not end in time"));
    return;
  }
  if (const auto next = *std::min_element(deadlines_.begin(), deadlines_.end()); next != never)
    where_.arm(timer_, next - now);
}

// -- from the channel ---------------------------------------------------------------------------------------------------

void wire::flush() {
  if (std::exchange(pump_wanted_, false))
    pump();
  if (!is_connected_ || is_blocked_ || user_ == nullptr)
    return;
  std::array<outgoing, pieces_per_send> pieces;
  while (const auto count = gather(pieces)) {
    std::size_t offered = 0;
    for (std::size_t index = 0; index < count; ++index)
      offered += pieces[index].size;
    const auto taken = bearer_->send({pieces.data(), count});
    // Without an answer the transport is about to report its end.
    if (!taken)
      return;
    if (*taken > 0) {
      bytes_taken_ += *taken;
      user_->sending().hand_over(*taken);
      set(deadline::progress, never);
    }
    if (*taken < offered) {
      is_blocked_ = true;
      if (deadlines_[static_cast<std::size_t>(deadline::progress)] == never)
        set(deadline::progress, where_.now() + user_->config().operation_timeout);
      break;
    }
  }
  if (!is_blocked_)
    set(deadline::progress, never);
  if (user_->sending().waits_for_acks() && deadlines_[static_cast<std::size_t>(deadline::acknowledgement)] == never)
    settle_acknowledged();
  end_if_done();
}

std::size_t wire::gather(std::span<outgoing> pieces) {
  const auto count = user_->sending().gather(pieces);
  if (!is_retiring_)
    return count;
  // A message that has begun is the last.
  auto left = user_->sending().started_rest();
  std::size_t kept = 0;
  for (; kept < count && left > 0; ++kept) {
    pieces[kept].size = std::min(pieces[kept].size, left);
    left -= pieces[kept].size;
  }
  return kept;
}

void wire::pump_later() {
  pump_wanted_ = true;
  where_.flush_later(flusher_);
}

void wire::pump() {
  if ((!is_connected_ && !ending_) || user_ == nullptr)
    return;
  auto frame_came = false;
  while (user_->credit() > 0) {
    auto next = decoder_.next();
    if (!next) {
      abort(next.error());
      return;
    }
    if (!next->has_value())
      break;
    frame_came = true;
    user_->deliver(std::move(**next));
  }
  if (ending_) {
    if (decoder_.unread_size() == 0)
      give_up(*ending_);
    return;
  }
  if (!charge_assembly()) {
    abort(make_error(error_code::memory_limit, phase::established, origin::local,
                     "the network's memory_limit leaves no room for the frame that has begun"));
    return;
  }
  // The time for a frame begins with its first byte, and not anew with each further one. It does not run while it is our
  // side that does not read.
  const auto wanted = user_->credit();
  if (!decoder_.has_partial() || wanted == 0)
    set(deadline::partial_frame, never);
  else if (frame_came || deadlines_[static_cast<std::size_t>(deadline::partial_frame)] == never)
    set(deadline::partial_frame, where_.now() + user_->config().framing.partial_frame_timeout);
  // Small top-ups would cost a call for each message; half of the credit is never waited for.
  if (allowance_ < wanted && allowance_ <= wanted / 2) {
    const auto more = wanted - allowance_;
    allowance_ = wanted;
    bearer_->receive(more);
  }
  end_if_done();
}

bool wire::charge_assembly() {
  auto& budget = where_.buffers().budget();
  const auto size = decoder_.assembly_capacity();
  if (size > charged_ && !budget.try_take(size - charged_))
    return false;
  if (size < charged_)
    budget.give_back(charged_ - size);
  charged_ = size;
  return true;
}

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
  if (is_connected_)
    where_.flush_later(flusher_);
}

void wire::retire(std::chrono::milliseconds limit) {
  is_retiring_ = true;
  end_is_wanted_ = true;
  set(deadline::retirement, where_.now() + limit);
  where_.flush_later(flusher_);
}

void wire::abort(const transport_error& reason) {
  if (ending_)
    give_up(reason);
  else
    bearer_->close(reason);
}

void wire::cut(const transport_error& reason) {
  end_is_wanted_ = true;
  user_ = nullptr;
  if (!ending_) {
    bearer_->close(reason);
    return;
  }
  // The transport has ended before; only the owner is still to hear of it.
  give_up(reason);
  where_.flush_later(flusher_);
}

void wire::set(deadline which, time_point when) {
  auto& present = deadlines_[static_cast<std::size_t>(which)];
  if (present == when)
    return;
  present = when;
  // A timer that goes off too early finds nothing due and sets itself anew; only an earlier deadline must move it.
  if (when != never && (!timer_.is_armed() || when < timer_.deadline()))
    where_.arm(timer_, when - where_.now());
}

bool wire::close_when_acknowledged() {
  // A transport that is closed with bytes on their way resets the connection, and the peer could lose them.
  if (bearer_->bytes_acked() >= bytes_taken_) {
    bearer_->close(make_error(error_code::closed, phase::close, origin::local,
                              is_retiring_ ? "to be connected anew" : "closed by this side"));
    return false;
  }
  if (deadlines_[static_cast<std::size_t>(deadline::acknowledgement)] == never)
    set(deadline::acknowledgement, where_.now() + acknowledgement_wait());
  return true;
}

void wire::settle_acknowledged() {
  set(deadline::acknowledgement, never);
  if (!is_connected_ || user_ == nullptr || !user_->sending().waits_for_acks())
    return;
  user_->sending().settle_acknowledged(bearer_->bytes_acked());
  if (user_->sending().waits_for_acks())
    set(deadline::acknowledgement, where_.now() + acknowledgement_wait());
}

std::chrono::milliseconds wire::acknowledgement_wait() const {
  const auto round_trip = std::chrono::duration_cast<std::chrono::milliseconds>(bearer_->stats().latency);
  return std::clamp(round_trip, shortest_acknowledgement_wait, longest_acknowledgement_wait);
}

void wire::end_if_done() {
  if (user_ == nullptr || !is_connected_)
    return;
  if (finish_wanted_ && !is_finished_ && user_->sending().is_flushed()) {
    is_finished_ = true;
    bearer_->finish();
  }
  if (is_retiring_ && !is_finished_ && user_->sending().started_rest() == 0) {
    is_finished_ = true;
    bearer_->finish();
  }
  // One that retires waits for the peer's end: what it was sent may still be answered.
  if (close_wanted_ && is_finished_ && !close_when_acknowledged())
    return;
  // The peer's end is passed on when all that came before it was.
  if (peer_finished_ && decoder_.unread_size() == 0) {
    peer_finished_ = false;
    if (const auto whole = decoder_.finish(); !whole) {
      abort(whole.error());
      return;
    }
    // A subscriber that never answers does not keep the connection half open for ever.
    if (!user_->config().allow_half_open)
      set(deadline::peer_finished, where_.now() + user_->config().operation_timeout);
    user_->note_peer_finished();
  }
}

} // namespace actorwire
