#include "channel/streams.hpp"

#include "channel/channel_actor.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/messages/stream.hpp>
#include <actorwire/transports/transport.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace actorwire {

namespace {

/// Pieces gathered into one call of the transport.
constexpr std::size_t pieces_per_send = 64;

transport_error no_stream(stream_id stream) {
  return make_error(error_code::stream_closed, phase::established, origin::local,
                    "stream " + std::to_string(stream) + " is not open");
}

transport_error half_is_over(stream_id stream, stream_half half) {
  return make_error(error_code::stream_closed, phase::established, origin::local,
                    "stream " + std::to_string(stream) + ": nothing more can be "
                        + (half == stream_half::sending ? "sent on it" : "received on it"));
}

transport_error cut_short(stream_id stream, std::uint64_t code, origin who) {
  return make_error(error_code::stream_reset, phase::established, who,
                    "stream " + std::to_string(stream) + " was cut short by "
                        + (who == origin::local ? "this side" : "the peer") + " with code " + std::to_string(code));
}

transport_error has_stalled(stream_id stream) {
  return make_error(error_code::stalled, phase::established, origin::remote,
                    "stream " + std::to_string(stream)
                        + " was cut short: no byte was taken for operation_timeout although some wait");
}

transport_error out_of_time(stream_id stream) {
  return make_error(error_code::stream_reset, phase::close, origin::local,
                    "stream " + std::to_string(stream)
                        + " was cut short: it was still open when its connection had to end in favour of another");
}

transport_error leaving() {
  return make_error(error_code::not_connected, phase::close, origin::local,
                    "the connection takes no new streams, because it ends");
}

const transport_error& ended() {
  static const auto reason = make_error(error_code::not_connected, phase::close, origin::remote,
                                        "the connection has ended, and only what it brought is left to be read");
  return reason;
}

} // namespace

streams::streams(shard& where, multiplexer& carrier, channel_actor& user)
  : where_(where), carrier_(&carrier), user_(user) {}

streams::~streams() {
  for (auto& [id, each] : streams_)
    if (each.in)
      each.in->release(where_.buffers().budget());
}

// -- from the channel ---------------------------------------------------------------------------------------------------

void streams::open(const open_stream& request, open_promise asker) {
  put_off([this, request, asker](const transport_error* lost) mutable {
    if (lost != nullptr || is_finishing_ || refuses_new_) {
      asker.deliver(to_caf_error(lost != nullptr ? *lost : leaving()));
      return;
    }
    const auto opened = carrier_->open(request.direction, request.priority);
    if (!opened) {
      if (opened.error().code == error_code::stream_limit)
        was_refused(request.direction) = true;
      asker.deliver(to_caf_error(opened.error()));
      return;
    }
    auto& made = add(*opened, request.direction, false);
    touch(made);
    asker.deliver(stream_opened{user_.source(), user_.generation(), made.id, made.direction, false});
  });
}

void streams::finish(stream_id id) {
  if (auto* which = find(id); which != nullptr && !which->sending_over) {
    which->finish_wanted = true;
    touch(*which);
  }
}

result<void> streams::reset(const reset_stream& request) {
  auto* which = find(request.stream);
  if (which == nullptr)
    return no_stream(request.stream);
  // One that has sent its end may still be cut short, as long as that has not arrived.
  if (which->sending_over && !user_.sending().has_stream(which->id))
    return half_is_over(request.stream, stream_half::sending);
  which->sending_over = true;
  which->note_reset(request.code);
  put_off([this, request](const transport_error* lost) {
    auto* cut = find(request.stream);
    if (lost != nullptr || cut == nullptr)
      return;
    give_up_sending(*cut, cut_short(request.stream, request.code, origin::local));
    carrier_->reset(request.stream, request.code);
  });
  return {};
}

result<void> streams::stop(const stop_stream& request) {
  auto* which = find(request.stream);
  if (which == nullptr)
    return no_stream(request.stream);
  if (!which->in)
    return half_is_over(request.stream, stream_half::receiving);
  which->note_reset(request.code);
  end_receiving(*which, cut_short(request.stream, request.code, origin::local));
  put_off([this, request](const transport_error* lost) {
    auto* cut = find(request.stream);
    if (lost != nullptr || cut == nullptr)
      return;
    carrier_->stop(request.stream, request.code);
    forget_if_over(*cut);
  });
  return {};
}

result<void> streams::prioritize(const prioritize_stream& request) {
  if (request.stream != 0 && find(request.stream) == nullptr)
    return no_stream(request.stream);
  put_off([this, request](const transport_error* lost) {
    if (lost == nullptr)
      carrier_->prioritize(request.stream, request.priority);
  });
  return {};
}

void streams::send_datagram(payload body, datagram_promise asker) {
  put_off([this, body = std::move(body), asker](const transport_error* lost) mutable {
    if (lost != nullptr) {
      if (asker.pending())
        asker.deliver(datagram_sent{datagram_outcome::dropped});
      return;
    }
    const auto queued = carrier_->send_datagram(body);
    if (!asker.pending())
      return;
    if (queued)
      datagrams_.emplace(*queued, asker);
    else
      asker.deliver(to_caf_error(queued.error()));
  });
}

bool streams::is_sendable(stream_id id) const noexcept {
  const auto* which = find(id);
  return which != nullptr && !which->sending_over && !which->finish_wanted;
}

result<void> streams::check_receivable(stream_id id) const {
  const auto* which = find(id);
  if (which == nullptr)
    return no_stream(id);
  if (!which->in)
    return half_is_over(id, stream_half::receiving);
  return {};
}

void streams::finish_all() {
  is_finishing_ = true;
  for (auto& [id, each] : streams_)
    finish(id);
}

void streams::give_up_all() {
  std::vector<stream_id> all;
  for (const auto& [id, each] : streams_)
    all.push_back(id);
  for (const auto id : all) {
    auto& which = *find(id);
    if (!which.sending_over || which.in)
      which.note_reset(stream_retired_code);
    if (!which.sending_over) {
      which.sending_over = true;
      which.send_due = stream_state::never;
      give_up_sending(which, out_of_time(id));
      carrier_->reset(id, stream_retired_code);
      publish(which, stream_reset{user_.source(), user_.generation(), id, stream_half::sending, stream_retired_code});
    }
    if (which.in) {
      end_receiving(which, out_of_time(id));
      carrier_->stop(id, stream_retired_code);
      publish(which, stream_reset{user_.source(), user_.generation(), id, stream_half::receiving, stream_retired_code});
    }
    forget_if_over(which);
  }
}

void streams::touch(stream_id id) {
  if (auto* which = find(id))
    touch(*which);
}

void streams::touch_all() {
  for (auto& [id, each] : streams_)
    touch(each);
}

// -- from the transport -------------------------------------------------------------------------------------------------

void streams::handle_opened(stream_id id, stream_direction direction) {
  auto& made = add(id, direction, true);
  announce(made);
  if (is_finishing_)
    finish(id);
  pump(made);
}

void streams::handle_received(stream_id id, payload bytes) {
  auto* which = find(id);
  if (which == nullptr || !which->in)
    return;
  which->in->feed(std::move(bytes));
  pump(*which);
  if (which->awaits_acks)
    settle_acknowledged(*which);
}

void streams::handle_finished(stream_id id) {
  if (auto* which = find(id)) {
    which->peer_finished = true;
    pump(*which);
  }
}

void streams::handle_reset(stream_id id, stream_half half, std::uint64_t code) {
  auto* which = find(id);
  if (which == nullptr)
    return;
  const auto why = cut_short(id, code, origin::remote);
  which->note_reset(code);
  if (half == stream_half::sending) {
    which->sending_over = true;
    give_up_sending(*which, why);
  } else if (which->in) {
    end_receiving(*which, why);
  } else {
    return;
  }
  publish(*which, stream_reset{user_.source(), user_.generation(), id, half, code});
}

void streams::handle_writable(stream_id id) {
  if (auto* which = find(id)) {
    which->is_blocked = false;
    touch(*which);
  }
}

void streams::handle_closed(stream_id id) {
  auto* which = find(id);
  if (which == nullptr)
    return;
  which->is_closed = true;
  which->sending_over = true;
  // Had it been cut short, there would be no outbox any more. So everything has arrived.
  user_.sending().settle_acknowledged(id, which->bytes_taken);
  user_.sending().close_stream(id, no_stream(id));
  forget_if_over(*which);
}

void streams::handle_available(stream_direction direction) {
  if (std::exchange(was_refused(direction), false))
    user_.publish(event_mask::streams, streams_available{user_.source(), user_.generation(), direction});
}

void streams::handle_datagram(payload body) {
  if (!user_.deliver_datagram(std::move(body)))
    ++datagrams_discarded_;
}

void streams::handle_datagram_done(std::uint64_t id, bool was_sent) {
  if (auto found = datagrams_.extract(id))
    found.mapped().deliver(datagram_sent{was_sent ? datagram_outcome::written : datagram_outcome::dropped});
}

// -- from the wire ------------------------------------------------------------------------------------------------------

void streams::flush() {
  // One that fails stays the first, so that whoever waits for it is answered at the end. Behind the end of the transport, while
  // what it brought waits for its reader, there is nothing to wait for.
  while (!put_off_.empty()) {
    if (carrier_ != nullptr)
      put_off_.front()(nullptr);
    else
      put_off_.front()(&ended());
    put_off_.pop_front();
  }
  for (const auto id : std::exchange(touched_, {})) {
    auto* which = find(id);
    if (which == nullptr)
      continue;
    which->is_touched = false;
    push(*which);
    // The last, because it may be the end of the stream.
    pump(*which);
  }
}

void streams::settle_acknowledged() {
  for (const auto id : std::exchange(awaiting_acks_, {}))
    if (auto* which = find(id)) {
      which->awaits_acks = false;
      settle_acknowledged(*which);
      if (user_.sending().waits_for_acks(id)) {
        which->awaits_acks = true;
        awaiting_acks_.push_back(id);
      }
    }
}

std::optional<transport_error> streams::find_late_frame(time_point now) {
  next_due_ = stream_state::never;
  std::optional<transport_error> late;
  for (auto& [id, each] : streams_) {
    // Whoever wanted the frame may have ended meanwhile, and nobody reads what is missing.
    if (each.frame_due <= now && user_.credit(id, each.in->next_kind()) == 0)
      each.frame_due = stream_state::never;
    if (each.memory_due <= now) {
      each.memory_due = stream_state::never;
      touch(each);
    }
    if (each.frame_due <= now && each.in->waits_for_memory())
      cut_for_memory(each);
    else if (each.frame_due <= now)
      late = each.in->late_frame();
    next_due_ = std::min({next_due_, each.frame_due, each.memory_due});
  }
  return late;
}

bool streams::cut_stalled(time_point now) {
  auto any = false;
  for (auto& [id, each] : streams_) {
    // What waited may have left or expired meanwhile; then there is nothing that should have moved.
    if (each.send_due != stream_state::never && !has_waiting(each))
      each.send_due = stream_state::never;
    if (each.send_due <= now && (has_moved(each) || !is_kept_back(each)))
      each.send_due = now + user_.config().operation_timeout;
    if (each.send_due <= now) {
      any = true;
      each.send_due = stream_state::never;
      each.sending_over = true;
      each.note_reset(stream_stalled_code);
      give_up_sending(each, has_stalled(id));
      carrier_->reset(id, stream_stalled_code);
      publish(each, stream_reset{user_.source(), user_.generation(), id, stream_half::sending, stream_stalled_code});
    }
    next_due_ = std::min(next_due_, each.send_due);
  }
  return any;
}

std::size_t streams::unread_size() const noexcept {
  std::size_t size = 0;
  for (const auto& [id, each] : streams_)
    size += each.in ? each.in->unread_size() : 0;
  return size;
}

bool streams::is_finished() const noexcept {
  return put_off_.empty()
      && std::all_of(streams_.begin(), streams_.end(), [](const auto& entry) { return entry.second.sending_over; });
}

bool streams::is_all_acknowledged() const {
  return carrier_ == nullptr || std::all_of(streams_.begin(), streams_.end(), [this](const auto& entry) {
           return !user_.sending().has_stream(entry.first)
               || carrier_->bytes_acked(entry.first).value_or(entry.second.bytes_taken) >= entry.second.bytes_taken;
         });
}

void streams::detach_transport() {
  if (carrier_ == nullptr)
    return;
  settle_acknowledged();
  carrier_ = nullptr;
}

void streams::end(const transport_error& why) {
  detach_transport();
  while (!put_off_.empty())
    put_off_.take_front()(&why);
  for (auto& [id, asker] : std::exchange(datagrams_, {}))
    asker.deliver(datagram_sent{datagram_outcome::dropped});
  for (auto& [id, each] : streams_)
    if (each.in)
      each.in->release(where_.buffers().budget());
  streams_.clear();
  touched_.clear();
  awaiting_acks_.clear();
}

// -- one stream ---------------------------------------------------------------------------------------------------------

stream_state* streams::find(stream_id id) noexcept {
  const auto found = streams_.find(id);
  return found != streams_.end() ? &found->second : nullptr;
}

const stream_state* streams::find(stream_id id) const noexcept {
  const auto found = streams_.find(id);
  return found != streams_.end() ? &found->second : nullptr;
}

stream_state& streams::add(stream_id id, stream_direction direction, bool by_peer) {
  auto& made = streams_.try_emplace(id, id, direction, by_peer, user_.config().framing).first->second;
  if (!made.sending_over)
    user_.sending().open_stream(id);
  return made;
}

void streams::touch(stream_state& which) {
  if (!std::exchange(which.is_touched, true))
    touched_.push_back(which.id);
  user_.flush_later();
}

void streams::put_off(task what) {
  put_off_.push_back(std::move(what));
  user_.flush_later();
}

void streams::announce(stream_state& which) {
  if (which.is_announced || !user_.wants_streams() || !user_.has_room_for_stream())
    return;
  which.is_announced = true;
  publish(which, stream_opened{user_.source(), user_.generation(), which.id, which.direction, true});
}

template <class Event>
void streams::publish(const stream_state& about, const Event& event) {
  if (about.is_announced)
    user_.publish(event_mask::streams, event);
}

void streams::pump(stream_state& which) {
  announce(which);
  if (!which.in) {
    forget_if_over(which);
    return;
  }
  // Nothing of it is read before those who are to hear of it have room: it stays open, and the peer cannot open ever more.
  if (!which.is_announced && user_.wants_streams())
    return;
  const auto came = which.in->deliver(
      where_.buffers().budget(), [&](std::optional<frame_kind> next) { return user_.credit(which.id, next); },
      [&](payload frame, const frame_label& label) { user_.deliver(which.id, std::move(frame), label); });
  if (!came)
    return fail(came.error());
  if (which.peer_finished && which.in->is_drained())
    return tell_end(which);
  const auto wanted = user_.credit(which.id, which.in->next_kind());
  follow_partial_frame(which, *came, wanted);
  const auto allowed = wanted > 0 ? wanted : user_.room_ahead(which.id, which.in->unread_size());
  if (const auto more = which.in->top_up(allowed); more > 0 && carrier_ != nullptr)
    carrier_->receive(which.id, more);
}

/// The time for a frame begins with its first byte, and not anew with each further one. It does not run while it is our
/// side that does not read.
void streams::follow_partial_frame(stream_state& which, bool frame_came, std::size_t wanted) {
  if (!which.in->has_partial() || wanted == 0)
    which.frame_due = stream_state::never;
  else if (frame_came || which.frame_due == stream_state::never)
    which.frame_due = where_.lived() + user_.config().framing.partial_frame_timeout;
  which.memory_due =
      which.in->waits_for_memory() && wanted > 0 ? where_.lived() + intake::memory_pause : stream_state::never;
  next_due_ = std::min({next_due_, which.frame_due, which.memory_due});
}

void streams::cut_for_memory(stream_state& which) {
  const auto id = which.id;
  const auto why = which.in->late_frame();
  which.note_reset(stream_no_memory_code);
  end_receiving(which, why);
  publish(which, stream_reset{user_.source(), user_.generation(), id, stream_half::receiving, stream_no_memory_code});
  put_off([this, id](const transport_error* lost) {
    auto* cut = find(id);
    if (lost != nullptr || cut == nullptr)
      return;
    carrier_->stop(id, stream_no_memory_code);
    forget_if_over(*cut);
  });
}

void streams::tell_end(stream_state& which) {
  if (const auto whole = which.in->finish(); !whole)
    return fail(whole.error());
  publish(which, peer_closing{user_.source(), user_.generation(), which.id});
  end_receiving(which, make_error(error_code::peer_closed, phase::established, origin::remote,
                                  "stream " + std::to_string(which.id) + " has ended, and all of it was received"));
  forget_if_over(which);
}

void streams::push(stream_state& which) {
  if (carrier_ == nullptr || which.sending_over || which.is_blocked)
    return;
  auto& sending = user_.sending();
  std::array<outgoing, pieces_per_send> pieces;
  while (const auto count = sending.gather(which.id, pieces)) {
    std::size_t offered = 0;
    for (std::size_t index = 0; index < count; ++index)
      offered += pieces[index].size;
    const auto taken = carrier_->send(which.id, {pieces.data(), count});
    // Without an answer the transport is about to tell why.
    if (!taken)
      return;
    which.bytes_taken += *taken;
    if (*taken > 0)
      sending.hand_over(which.id, *taken);
    which.is_blocked = *taken < offered;
    if (which.is_blocked)
      break;
  }
  follow_progress(which);
  if (!which.awaits_acks && sending.waits_for_acks(which.id)) {
    which.awaits_acks = true;
    awaiting_acks_.push_back(which.id);
  }
  if (which.finish_wanted && sending.is_flushed(which.id)) {
    which.sending_over = true;
    carrier_->finish(which.id);
  }
}

bool streams::has_waiting(const stream_state& which) {
  // One that was cut short has no outbox any more; one that has only sent its end may still be kept back.
  if (carrier_ == nullptr || !user_.sending().has_stream(which.id))
    return false;
  return !user_.sending().is_flushed(which.id)
      || carrier_->bytes_sent(which.id).value_or(which.bytes_taken) < which.bytes_taken;
}

bool streams::is_kept_back(const stream_state& which) {
  // What the transport has taken may wait for other streams, or for the network to carry something again.
  return !user_.sending().is_flushed(which.id) || carrier_->is_held_by_peer(which.id);
}

bool streams::has_moved(stream_state& which) {
  const auto left = carrier_->bytes_sent(which.id).value_or(which.bytes_taken);
  return std::exchange(which.bytes_left, left) != left;
}

void streams::follow_progress(stream_state& which) {
  const auto moves = has_moved(which);
  if (!has_waiting(which))
    which.send_due = stream_state::never;
  else if (moves || which.send_due == stream_state::never)
    which.send_due = where_.lived() + user_.config().operation_timeout;
  next_due_ = std::min(next_due_, which.send_due);
}

void streams::settle_acknowledged(stream_state& which) {
  if (carrier_ == nullptr)
    return;
  if (const auto acked = carrier_->bytes_acked(which.id))
    user_.sending().settle_acknowledged(which.id, *acked);
}

void streams::give_up_sending(stream_state& which, const transport_error& why) {
  settle_acknowledged(which);
  user_.sending().close_stream(which.id, why);
}

void streams::end_receiving(stream_state& which, const transport_error& why) {
  which.in->release(where_.buffers().budget());
  which.in.reset();
  which.frame_due = which.memory_due = stream_state::never;
  user_.end_receiving(which.id, why);
}

void streams::forget_if_over(stream_state& which) {
  if (!which.is_closed || which.in)
    return;
  publish(which, stream_closed{user_.source(), user_.generation(), which.id, which.was_reset, which.code});
  streams_.erase(which.id);
}

void streams::fail(const transport_error& reason) {
  if (!failure_)
    failure_ = reason;
}

} // namespace actorwire
