#include "quic_streams.hpp"

#include <tuple>
#include <utility>

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
  return streams_.try_emplace(id, id).first->second;
}

void quic_streams::remove(stream_id id) {
  const auto found = streams_.find(id);
  if (found == streams_.end())
    return;
  buffered_ -= found->second.output.buffered();
  ready_.remove(static_cast<std::int64_t>(id));
  std::erase(waiting_for_connection_, id);
  streams_.erase(found);
}

void quic_streams::clear() {
  while (!streams_.empty())
    remove(streams_.begin()->first);
}

void quic_streams::make_ready(quic_stream& which) {
  if (which.is_open && !which.is_closed)
    ready_.add(static_cast<std::int64_t>(which.id), which.priority);
}

void quic_streams::wait_for_connection(quic_stream& which) {
  ready_.remove(static_cast<std::int64_t>(which.id));
  waiting_for_connection_.push_back(which.id);
}

void quic_streams::wake_those_that_wait_for_connection() {
  for (const auto id : std::exchange(waiting_for_connection_, {}))
    if (auto* waiting = find(id))
      make_ready(*waiting);
}

quic_stream* quic_streams::next_ready() {
  const auto next = ready_.next();
  return next ? find(static_cast<stream_id>(*next)) : nullptr;
}

void quic_streams::prioritize(quic_stream& which, stream_priority priority) {
  which.priority = priority;
  if (ready_.contains(static_cast<std::int64_t>(which.id)))
    ready_.add(static_cast<std::int64_t>(which.id), priority);
}

} // namespace actorwire
