// What a channel tells of itself in figures, and to whom.

#include "channel/channel_actor.hpp"
#include "channel/wire.hpp"

#include <optional>

namespace actorwire {

stats channel_actor::statistics() const {
  stats all;
  all.source = status_.id;
  all.generation = status_.generation;
  all.state = present_state();
  const auto present = wire_ != nullptr ? std::optional{wire_->stats()} : std::nullopt;
  all.transport = figures_.over_all(present ? &*present : nullptr, status_.generation);
  all.last_generation = figures_.last_generation();
  if (present)
    all.present_generation = figures::of_generation(*present, status_.generation, where().now() - wire_->ready_since());
  all.delivery = sending_.totals();
  all.queued_bytes = sending_.unwritten_bytes();
  all.lifetime = figures_.lifetime(status_.state, where().now() - changed_at_);
  all.lifetime.calls = totals_of_calls();
  return all;
}

void channel_actor::end_generation() {
  figures_.end_generation(wire_->stats(), status_.generation, where().now() - wire_->ready_since());
}

std::chrono::microseconds channel_actor::round_trip() const {
  return wire_ != nullptr ? wire_->stats().latency : std::chrono::microseconds{0};
}

void channel_actor::handle(const stream_stats& request) {
  const auto who = current_sender();
  if (!who)
    return;
  if (request.interval.count() > 0) {
    watch_if_new(who);
    figures_.stream_to(who, request.interval);
  } else if (const auto address = caf::actor_cast<caf::actor_addr>(who); figures_.stop_stream_to(address)) {
    unwatch_if_gone(address);
  }
}

} // namespace actorwire
