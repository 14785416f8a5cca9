// What a supervisor tells of itself and of its peers in figures, and to whom.

#include "supervisor.hpp"

namespace actorwire {

pool_stats supervisor::statistics() const {
  auto figures = pool_.stats();
  figures.leased = static_cast<std::uint32_t>(leases_.lease_count());
  figures.leasable = static_cast<std::uint32_t>(leases_.peer_count() - leases_.lease_count());
  figures.lease_waiters = static_cast<std::uint32_t>(leases_.waiter_count());
  figures.leases = leases_.granted();
  figures.leases_taken_back = leases_taken_back_;
  return figures;
}

pool_census::promise supervisor::handle(get_pool_totals) {
  auto asker = census_.join(this);
  if (!census_.has_begun() && census_.is_wanted())
    begin_census();
  return asker;
}

void supervisor::begin_census() {
  census_.begin(this, members_, [this] {
    if (census_.is_wanted())
      begin_census();
  });
}

void supervisor::handle(const stats& last) {
  const auto found = current_sender() ? roles_.find(current_sender()->id()) : roles_.end();
  if (found != roles_.end() && found->second.attempt == 0 && found->second.id == last.source) {
    census_.note_end(last);
    pool_.drop_replacement(last.source);
  }
}

// -- who is told without asking each time -------------------------------------------------------------------------------

void supervisor::handle(const stream_stats& request) {
  const auto who = caf::actor_cast<caf::strong_actor_ptr>(current_sender());
  if (!who)
    return;
  const auto address = caf::actor_cast<caf::actor_addr>(who);
  if (request.interval.count() > 0) {
    if (!serves(address))
      watch(who);
    streams_.start(who, request.interval);
  } else if (streams_.stop(address) && !serves(address)) {
    unwatch(address);
  }
}

void supervisor::handle(const subscribe& request) {
  const auto who = caf::actor_cast<caf::strong_actor_ptr>(current_sender());
  if (!who)
    return;
  if (!serves(caf::actor_cast<caf::actor_addr>(who)))
    watch(who);
  subscribers_.add(who, request.mask);
}

void supervisor::handle(const unsubscribe&) {
  const auto who = caf::actor_cast<caf::actor_addr>(current_sender());
  if (subscribers_.remove(who) && !serves(who))
    unwatch(who);
}

bool supervisor::serves(const caf::actor_addr& who) const {
  return subscribers_.includes(who) || streams_.includes(who) || owner_ids_.contains(who);
}

void supervisor::dismiss_all() {
  for (const auto& who : streams_.stop_all())
    if (!serves(who))
      unwatch(who);
  subscribers_.for_each([this](const auto& who) {
    const auto address = caf::actor_cast<caf::actor_addr>(who);
    if (!owner_ids_.contains(address))
      unwatch(address);
  });
  subscribers_.clear(*this);
  for (const auto& [who, number] : std::exchange(owner_ids_, {}))
    unwatch(who);
}

} // namespace actorwire
