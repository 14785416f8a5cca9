#include "channel/wire.hpp"

#include "channel/channel_actor.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <variant>

namespace actorwire {

namespace {

/// Pieces gathered into one call of the transport; more only make the array longer (Linux takes 1,024).
constexpr std::size_t pieces_per_send = 64;

/// Pieces of a message, and those of a little one behind it: what most turns have to send.
constexpr std::size_t few_pieces = 4;

/// How long an acknowledgement is waited for before the transport is asked again.
constexpr auto shortest_acknowledgement_wait = std::chrono::milliseconds{1};
constexpr auto longest_acknowledgement_wait = std::chrono::milliseconds{50};

} // namespace

wire::wire(shard& where, local_ref<transport> bearer, channel_actor& user, flushable& flusher)
  : where_(where),
    bearer_(std::move(bearer)),
    user_(&user),
    flusher_(flusher),
    intake_(user.config().framing, user.config().session.mode) {}

wire::~wire() {
  intake_.release(where_.buffers().budget());
  bearer_->detach();
}

// -- from the transport -------------------------------------------------------------------------------------------------

void wire::handle_progress(connection_state where) {
  if (user_ != nullptr && reserve_ == nullptr)
    user_->note_progress(where);
}

void wire::handle_early_data() {
  if (user_ == nullptr || reserve_ != nullptr)
    return;
  takes_early_data_ = true;
  user_->note_early_data(*this);
  send_early();
}

void wire::handle_connected(const transport_opening& opening) {
  if (reserve_ != nullptr) {
    reserve_->opening = opening;
    if (user_ != nullptr)
      user_->note_successor_ready(*this);
    return;
  }
  takes_early_data_ = false;
  is_connected_ = true;
  ready_since_ = last_arrival_ = where_.now();
  if (user_ == nullptr)
    return;
  if (user_->has_session()) {
    reserve_ = std::make_unique<reserve>(reserve{opening});
    begin_greeting(true);
  } else {
    user_->attach_wire(*this, opening);
  }
  pump();
}

void wire::multiplex(multiplexer_observer& told) {
  if (multiplexer_ == nullptr)
    multiplexer_ = bearer_->multiplex(told);
}

void wire::note_arrival() {
  last_arrival_ = where_.now();
  if (user_ != nullptr && reserve_ == nullptr)
    user_->note_arrival(false);
}

/// The peer's end has come, behind what was not passed on yet.
void wire::note_end() {
  if (user_ != nullptr && reserve_ == nullptr)
    user_->note_arrival(true);
}

void wire::handle_received(payload bytes) {
  note_arrival();
  intake_.feed(std::move(bytes));
  pump();
  settle_acknowledged();
}

void wire::handle_peer_finished() {
  // What is sent on it may never be read.
  if (user_ != nullptr && stands_by() && !user_->config().allow_half_open) {
    abort_later(make_error(error_code::peer_closed, phase::established, origin::remote,
                           "the peer ended its side before the connection was used"));
    return;
  }
  peer_finished_ = true;
  note_end();
  end_if_done();
}

void wire::handle_writable() {
  is_blocked_ = false;
  flush();
}

void wire::handle_address_changed(const std::string& local, const std::string& remote) {
  catch_up();
  if (user_ == nullptr)
    return;
  if (reserve_ == nullptr) {
    user_->note_address_changed(local, remote);
    return;
  }
  reserve_->opening.local = local;
  reserve_->opening.remote = remote;
}

void wire::handle_closed(const transport_error& reason) {
  catch_up();
  is_connected_ = takes_early_data_ = false;
  timer_ = nullptr;
  deadlines_.clear();
  if (streams_ != nullptr)
    streams_->detach_transport();
  // What arrived before an orderly end is delivered, if need be when there is credit for it again.
  if (reason.code == error_code::closed && user_ != nullptr && reserve_ == nullptr && unread_size() > 0) {
    ending_ = std::make_unique<const transport_error>(reason);
    note_end();
    pump();
    // What waits there for memory, too, is to be tried again.
    if (ending_ && user_ != nullptr && streams_ != nullptr)
      after_streams();
    return;
  }
  give_up(reason);
}

void wire::handle_timeout() {
  const auto now = where_.lived();
  if (deadlines_.is_due(deadline::streams, now)) {
    set(deadline::streams, never);
    if (user_ != nullptr && streams_ != nullptr) {
      if (const auto late = streams_->find_late_frame(now)) {
        abort(*late);
        return;
      }
      // Stream 0 may have waited for the room that these had taken.
      if (streams_->cut_stalled(now) && deadlines_.is_set(deadline::progress))
        set(deadline::progress, now + user_->config().operation_timeout);
      after_streams();
    }
  }
  if (deadlines_.is_due(deadline::progress, now)) {
    if (ending_) {
      give_up(intake_.waits_for_memory() ? intake_.late_frame() : *ending_);
      return;
    }
    set(deadline::progress, never);
    // What waited may have expired meanwhile; then there is nothing that should have moved.
    if (user_ != nullptr && !user_->sending().is_flushed(0)) {
      abort(make_error(error_code::stalled, phase::established, origin::remote,
                       "no byte was taken for operation_timeout although some wait"));
      return;
    }
  }
  if (deadlines_.is_due(deadline::partial_frame, now)) {
    set(deadline::partial_frame, never);
    // Whoever wanted the frame may have ended meanwhile, and nobody reads what is missing.
    if (user_ != nullptr && user_->credit(0, intake_.next_kind()) > 0) {
      abort(intake_.late_frame());
      return;
    }
  }
  if (deadlines_.is_due(deadline::memory, now)) {
    set(deadline::memory, never);
    pump();
    if (user_ == nullptr)
      return;
  }
  if (deadlines_.is_due(deadline::greeting, now)) {
    abort(late_greeting());
    return;
  }
  if (deadlines_.is_due(deadline::session, now)) {
    set(deadline::session, never);
    where_.flush_later(flusher_);
  }
  if (deadlines_.is_due(deadline::acknowledgement, now)) {
    settle_acknowledged();
    end_if_done();
  }
  if (deadlines_.is_due(deadline::peer_finished, now))
    follow_peer();
  if (deadlines_.is_due(deadline::retirement, now) && !give_up_streams()) {
    abort(make_error(error_code::closed, phase::close, origin::local,
                     "a connection that was let go, to be renewed or because nobody used it, did not end in time"));
    return;
  }
  if (const auto next = deadlines_.earliest(); next != never)
    arm_timer(next - now);
}

// -- from the channel ---------------------------------------------------------------------------------------------------

void wire::flush() {
  if (const auto reason = std::exchange(abort_wanted_, nullptr); reason != nullptr && user_ != nullptr) {
    abort(*reason);
    return;
  }
  if (std::exchange(timeout_is_due_, false))
    handle_timeout();
  if (is_greeting() && reserve_->is_greeted)
    end_greeting();
  catch_up();
  if (std::exchange(pump_wanted_, false))
    pump();
  flush_streams();
  if (takes_early_data_)
    send_early();
  if (!is_connected_ || is_blocked_ || user_ == nullptr)
    return;
  // The room for many is made for those only who have as many: to make it takes longer than to gather a few.
  std::array<outgoing, few_pieces> few;
  std::optional<std::array<outgoing, pieces_per_send>> many;
  std::span<outgoing> pieces{few};
  while (auto count = gather(pieces)) {
    if (count == few.size() && !many) {
      pieces = many.emplace();
      count = gather(pieces);
    }
    std::size_t offered = 0;
    for (std::size_t index = 0; index < count; ++index)
      offered += pieces[index].size;
    const auto taken = bearer_->send(pieces.first(count));
    // Without an answer the transport is about to report its end.
    if (!taken)
      return;
    if (*taken > 0) {
      bytes_taken_ += *taken;
      user_->sending().hand_over(0, *taken);
      set(deadline::progress, never);
    }
    if (*taken < offered) {
      is_blocked_ = true;
      if (!deadlines_.is_set(deadline::progress))
        set(deadline::progress, where_.lived() + user_->config().operation_timeout);
      break;
    }
    // Without a session there was nothing else.
    if (count < pieces.size() && !user_->has_session())
      break;
  }
  if (!is_blocked_)
    set(deadline::progress, never);
  if (user_->sending().waits_for_acks(0) && !deadlines_.is_set(deadline::acknowledgement))
    settle_acknowledged();
  follow_session();
  end_if_done();
}

void wire::take_over() {
  is_connected_ = true;
  ready_since_ = where_.now();
  // Nothing was read before.
  note_arrival();
  if (user_->has_session())
    begin_greeting(false);
  else
    user_->attach_wire(*this, reserve_->opening);
  // The rest is this transport's doing, and comes with its own turn.
  pump_later();
}

void wire::put_off(std::function<void(streams&)> event) {
  if (reserve_->events.size() < events_max)
    reserve_->events.push_back(std::move(event));
  else
    abort_later(make_error(error_code::peer_error, phase::established, origin::remote,
                           "more happened on a connection than may before it is used"));
}

/// Tells what was put off, now that this is the channel's wire.
void wire::catch_up() {
  if (reserve_ == nullptr || !is_connected_ || is_greeting())
    return;
  const auto kept = std::move(reserve_);
  if (kept->datagrams_dropped > 0 && user_ != nullptr)
    all_streams().note_discarded(kept->datagrams_dropped);
  for (const auto& event : kept->events)
    handle_streams(event);
  if (peer_finished_)
    note_end();
}

/// What does not fit leaves when there is a connection.
void wire::send_early() {
  std::array<outgoing, pieces_per_send> pieces;
  while (const auto count = user_ != nullptr ? user_->sending().gather_early(pieces) : 0) {
    std::size_t offered = 0;
    for (std::size_t index = 0; index < count; ++index)
      offered += pieces[index].size;
    const auto taken = bearer_->send({pieces.data(), count});
    if (!taken)
      return;
    bytes_taken_ += *taken;
    user_->sending().lend(*taken);
    if (*taken < offered)
      return;
  }
}

std::size_t wire::gather(std::span<outgoing> pieces) {
  const auto count = user_->sending().gather(0, pieces);
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
  if (is_greeting() && user_->awaits_greeting() && intake_.next_kind() == frame_kind::data) {
    abort_later(not_greeted("there is data in front of it"));
    return;
  }
  const auto came = intake_.deliver(
      where_.buffers().budget(), [this](std::optional<frame_kind> next) { return user_->credit(0, next); },
      [this](payload frame, const frame_label& label) { user_->deliver(0, std::move(frame), label); });
  if (!came) {
    abort(came.error());
    return;
  }
  const auto wanted = user_->credit(0, intake_.next_kind());
  set(deadline::memory, intake_.waits_for_memory() && wanted > 0 ? where_.lived() + intake::memory_pause : never);
  if (ending_) {
    end_when_drained();
    return;
  }
  // The time for a frame begins with its first byte, and not anew with each further one. It does not run while it is our
  // side that does not read.
  if (!intake_.has_partial() || wanted == 0)
    set(deadline::partial_frame, never);
  else if (*came || !deadlines_.is_set(deadline::partial_frame))
    set(deadline::partial_frame, where_.lived() + user_->config().framing.partial_frame_timeout);
  if (const auto more = intake_.top_up(wanted > 0 ? wanted : user_->room_ahead(0, intake_.unread_size())); more > 0)
    bearer_->receive(more);
  follow_session();
  end_if_done();
}

void wire::set(deadline which, time_point when) {
  if (deadlines_.of(which) == when)
    return;
  deadlines_.set(which, when);
  // A timer that goes off too early finds nothing due and sets itself anew; only an earlier deadline must move it.
  if (when != never && (timer_ == nullptr || !timer_->is_armed() || when + where_.stalled() < timer_->deadline()))
    arm_timer(when - where_.lived());
}

void wire::arm_timer(duration delay) {
  if (timer_ == nullptr)
    timer_ = std::make_unique<timer>([this] {
      timeout_is_due_ = true;
      where_.flush_later(flusher_);
    });
  where_.arm(*timer_, delay);
}

// -- other streams ------------------------------------------------------------------------------------------------------

streams& wire::all_streams() {
  if (streams_ == nullptr)
    streams_ = std::make_unique<streams>(where_, *multiplexer_, *user_);
  return *streams_;
}

void wire::finish_streams() {
  if (is_multiplexed() && user_ != nullptr)
    all_streams().finish_all();
}

void wire::flush_streams() {
  if (streams_ == nullptr || user_ == nullptr || !(is_connected_ || ending_))
    return;
  streams_->flush();
  after_streams();
}

void wire::after_streams() {
  if (const auto& failure = streams_->failure()) {
    abort(*failure);
    return;
  }
  set(deadline::streams, streams_->next_timeout());
  if (ending_) {
    end_when_drained();
    return;
  }
  retire_if_due();
  if (streams_->has_work())
    where_.flush_later(flusher_);
  if (streams_->waits_for_acks() && !deadlines_.is_set(deadline::acknowledgement))
    set(deadline::acknowledgement, where_.lived() + acknowledgement_wait());
  end_if_done();
}

std::size_t wire::unread_size() const noexcept {
  return intake_.unread_size() + (streams_ != nullptr ? streams_->unread_size() : 0);
}

bool wire::is_in_use() const noexcept {
  return peer_finished_ || ending_ != nullptr || unread_size() > 0 || (streams_ != nullptr && streams_->is_in_use());
}

transport_stats wire::stats() const {
  auto figures = bearer_->stats();
  if (auto* quic = std::get_if<quic_metrics>(&figures.metrics); quic != nullptr && streams_ != nullptr)
    quic->datagrams.discarded += streams_->datagrams_discarded();
  return figures;
}

// -- acknowledgements --------------------------------------------------------------------------------------------------

void wire::settle_acknowledged() {
  set(deadline::acknowledgement, never);
  if (!is_connected_ || user_ == nullptr || !waits_for_acks())
    return;
  if (user_->sending().waits_for_acks(0))
    user_->sending().settle_acknowledged(0, bearer_->bytes_acked());
  if (streams_ != nullptr)
    streams_->settle_acknowledged();
  if (waits_for_acks())
    set(deadline::acknowledgement, where_.lived() + acknowledgement_wait());
}

bool wire::waits_for_acks() const noexcept {
  return user_->sending().waits_for_acks(0) || (streams_ != nullptr && streams_->waits_for_acks());
}

std::chrono::milliseconds wire::acknowledgement_wait() const {
  const auto round_trip = std::chrono::duration_cast<std::chrono::milliseconds>(bearer_->stats().latency);
  return std::clamp(round_trip, shortest_acknowledgement_wait, longest_acknowledgement_wait);
}

} // namespace actorwire
