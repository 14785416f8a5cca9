#include "quic_streams.hpp"

namespace actorwire {

quic_stream* quic_streams::find(stream_id id) noexcept {
  const auto found = streams_.find(id);
  return found != streams_.end() ? &found->second : nullptr;
}

const quic_stream* quic_streams::find(stream_id id) const noexcept {
  const auto found = streams_.find(id);
  return found != streams_.end() ? &found->second : nullptr;
}

quic_stream& quic_streams::get(stream_id id) {
  const auto [place, is_new] = streams_.try_emplace(id, id);
  if (is_new)
    ++opened_by_[is_opened_by_server(id) ? 1 : 0];
  return place->second;
}

void quic_streams::remove(stream_id id) {
  const auto found = streams_.find(id);
  if (found == streams_.end())
    return;
  auto& gone = found->second;
  buffered_ -= gone.output.buffered();
  for (auto* line : {&ready_, &waiting_for_connection_, &waiting_for_room_})
    line->remove(number_of(gone));
  --opened_by_[is_opened_by_server(id) ? 1 : 0];
  streams_.erase(found);
}

void quic_streams::make_ready(quic_stream& which) {
  if (which.is_open && !which.is_closed)
    ready_.add(number_of(which), which.priority);
}

void quic_streams::wait_for_connection(quic_stream& which) {
  make_idle(which);
  waiting_for_connection_.add(number_of(which), which.priority);
}

void quic_streams::wake_those_that_wait_for_connection() {
  while (const auto next = waiting_for_connection_.next()) {
    waiting_for_connection_.remove(*next);
    if (auto* waiting = find(static_cast<stream_id>(*next)))
      make_ready(*waiting);
  }
}

quic_stream* quic_streams::take_next_waiting_for_room() {
  const auto next = waiting_for_room_.next();
  if (!next)
    return nullptr;
  waiting_for_room_.remove(*next);
  return find(static_cast<stream_id>(*next));
}

quic_stream* quic_streams::next_ready() {
  const auto next = ready_.next();
  return next ? find(static_cast<stream_id>(*next)) : nullptr;
}

void quic_streams::prioritize(quic_stream& which, stream_priority priority) {
  which.priority = priority;
  for (auto* line : {&ready_, &waiting_for_connection_, &waiting_for_room_})
    if (line->contains(number_of(which)))
      line->add(number_of(which), priority);
}

} // namespace actorwire
