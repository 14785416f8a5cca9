// How a `lease_book` keeps its groups.

#include "supervision/lease_book.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace actorwire {

lease_book::group_id lease_book::find_or_make_group(const checkout& request) {
  auto hash = std::hash<endpoint>{}(request.remote);
  for (const auto& each : request.alternatives)
    hash = hash * 31 + std::hash<endpoint>{}(each);
  if (const auto known = options_.find(request.options)) {
    const auto [first, last] = by_hash_.equal_range(hash);
    for (auto position = first; position != last; ++position) {
      const auto& home = groups_.at(position->second);
      if (const auto& what = home.what;
          what.options == known && what.remote == request.remote && what.alternatives == request.alternatives)
        return position->second;
    }
  }
  const auto id = ++last_group_;
  auto& made = groups_[id];
  made.what = {request.remote, request.alternatives, options_.use(request.options)};
  made.hash = hash;
  by_hash_.emplace(hash, id);
  return id;
}

std::size_t lease_book::lendable_count(const group& home) noexcept {
  return home.away.size() + home.free.size() + home.leased;
}

std::size_t lease_book::size_of(const group& home) noexcept {
  return lendable_count(home) + home.leaving;
}

bool lease_book::is_down(const group& home) noexcept {
  return !home.down.empty() && home.down.size() == lendable_count(home);
}

time_point lease_book::last_use(const group& home, time_point now) const noexcept {
  return home.leased > 0 || !home.line.empty() ? now : home.used_at;
}

std::size_t lease_book::idle_wanted(const group& home, time_point now) const noexcept {
  if (!home.is_hopeful || (idle_timeout_ > duration{0} && last_use(home, now) + idle_timeout_ <= now))
    return 0;
  return min_idle_;
}

void lease_book::set_down(connection_id id, member& entry, bool has_failed, bool is_held_back) {
  const auto was_down = entry.is_down();
  entry.has_failed = has_failed;
  entry.is_held_back = is_held_back;
  if (entry.is_down() == was_down)
    return;
  auto& home = groups_.at(entry.home);
  if (was_down) {
    home.down.erase(id);
    return;
  }
  home.down.insert(id);
  to_serve_.insert(entry.home);
}

void lease_book::block(group_id id, group& home) {
  if (home.blocked_as != 0)
    return;
  home.blocked_as = ++last_blocked_;
  blocked_.emplace(home.blocked_as, id);
}

void lease_book::unblock(group& home) noexcept {
  if (home.blocked_as != 0)
    blocked_.erase(std::exchange(home.blocked_as, 0));
}

void lease_book::drop_if_empty(group_id id) {
  const auto position = groups_.find(id);
  auto& home = position->second;
  if (!home.line.empty() || size_of(home) > 0)
    return;
  unblock(home);
  lacking_.erase(id);
  options_.release(home.what.options);
  const auto [first, last] = by_hash_.equal_range(home.hash);
  by_hash_.erase(std::find_if(first, last, [id](const auto& entry) { return entry.second == id; }));
  groups_.erase(position);
}

void lease_book::make_free(connection_id id, member& entry, time_point now) {
  if (entry.lease != 0 || !is_lendable(entry))
    return;
  auto& home = groups_.at(entry.home);
  home.away.erase(id);
  home.free.push_back(id);
  begin_to_idle(id, entry, now);
  to_serve_.insert(entry.home);
}

void lease_book::begin_to_idle(connection_id id, member& entry, time_point now) {
  if (std::exchange(entry.is_idle, true))
    return;
  entry.idle_since = now;
  idle_since_.emplace(now, id);
}

void lease_book::cease_to_idle(connection_id id, member& entry) {
  if (std::exchange(entry.is_idle, false))
    idle_since_.erase({entry.idle_since, id});
}

void lease_book::note_demand(group& home, time_point now) {
  if (std::exchange(home.is_idle, home.line.empty()) == home.line.empty())
    return;
  for (const auto id : home.away) {
    if (home.is_idle)
      begin_to_idle(id, members_.at(id), now);
    else
      cease_to_idle(id, members_.at(id));
  }
}

lease_book::loan lease_book::end_lease(lease_id id) {
  const auto ended = leases_.extract(id).mapped();
  leased_until_.erase({ended.deadline, id});
  auto& entry = members_.at(ended.peer);
  entry.lease = 0;
  --groups_.at(entry.home).leased;
  owners_.at(ended.owner).leases.erase(id);
  drop_if_done(ended.owner);
  return ended;
}

lease_book::applicant lease_book::leave_line(waiter_id id) {
  const auto left = waiters_.extract(id).mapped();
  waiting_until_.erase({left.deadline, id});
  auto& home = groups_.at(left.home);
  home.line.erase(id);
  home.impatient.erase(id);
  owners_.at(left.owner).waiters.erase(id);
  drop_if_done(left.owner);
  return left;
}

void lease_book::drop_if_done(owner_id owner) {
  const auto known = owners_.find(owner);
  if (!known->second.leases.empty() || !known->second.waiters.empty())
    return;
  owners_.erase(known);
  former_owners_.insert(owner);
}

} // namespace actorwire
