#include "supervision/lease_book.hpp"

#include <algorithm>
#include <cassert>

namespace actorwire {

lease_book::lease_book(const pool_limits& limits)
  : group_max_(limits.max_leased), min_idle_(limits.min_idle), idle_timeout_(limits.lease_idle_timeout) {}

// -- what users want --------------------------------------------------------------------------------------------------

std::optional<waiter_id> lease_book::ask(const checkout& request, owner_id owner, time_point now) {
  if (waiters_.size() >= waiters_max)
    return std::nullopt;
  const auto home = find_or_make_group(request);
  const auto id = ++last_waiter_;
  const applicant entry{home, owner, now + request.wait, request.hold, request.policy == when_down::fail};
  waiters_.emplace(id, entry);
  waiting_until_.emplace(entry.deadline, id);
  owners_[owner].waiters.insert(id);
  former_owners_.erase(owner);
  auto& asked = groups_.at(home);
  asked.line.insert(id);
  if (entry.is_impatient)
    asked.impatient.insert(id);
  asked.used_at = now;
  asked.is_hopeful = true;
  to_serve_.insert(home);
  return id;
}

std::optional<lease_book::returned> lease_book::release(lease_id id, bool reuse, time_point now) {
  if (!leases_.contains(id))
    return std::nullopt;
  const auto peer = end_lease(id).peer;
  const auto position = members_.find(peer);
  auto& entry = position->second;
  const auto home = entry.home;
  const auto leaves = !reuse || entry.has_given_up;
  auto& former = groups_.at(home);
  former.used_at = now;
  if (leaves) {
    begin_to_leave(peer, entry);
  } else {
    entry.is_cleared = false;
    former.away.insert(peer);
    if (former.is_idle)
      begin_to_idle(peer, entry, now);
  }
  to_serve_.insert(home);
  return returned{peer, leaves};
}

bool lease_book::withdraw(waiter_id id) {
  if (!waiters_.contains(id))
    return false;
  to_serve_.insert(leave_line(id).home);
  return true;
}

lease_book::estate lease_book::bury(owner_id owner) {
  estate left;
  const auto known = owners_.find(owner);
  if (known == owners_.end())
    return left;
  // A copy: each that ends is taken from the original, which goes with the last.
  const auto had = known->second;
  for (const auto id : had.waiters) {
    withdraw(id);
    left.waiters.push_back(id);
  }
  for (const auto id : had.leases) {
    const auto peer = leases_.at(id).peer;
    leave(peer);
    left.peers.push_back(peer);
  }
  return left;
}

std::optional<owner_id> lease_book::poll_former_owner() {
  if (former_owners_.empty())
    return std::nullopt;
  return former_owners_.extract(former_owners_.begin()).value();
}

std::vector<waiter_id> lease_book::withdraw_all() {
  std::vector<waiter_id> all;
  for (const auto& [id, entry] : waiters_)
    all.push_back(id);
  std::sort(all.begin(), all.end());
  for (const auto id : all)
    withdraw(id);
  return all;
}

// -- what becomes of peers --------------------------------------------------------------------------------------------

void lease_book::joined(lease_group_id home, connection_id peer) {
  [[maybe_unused]] const auto [position, is_new] = members_.try_emplace(peer);
  assert(is_new);
  position->second.home = home;
  groups_.at(home).away.insert(peer);
  to_serve_.insert(home);
}

void lease_book::may_grow() noexcept {
  is_full_ = false;
  is_making_room_ = false;
}

void lease_book::note_ready(connection_id peer, time_point now) {
  const auto position = members_.find(peer);
  if (position == members_.end() || position->second.is_leaving || !position->second.is_away)
    return;
  auto& entry = position->second;
  set_down(peer, entry, false, false);
  entry.is_away = false;
  entry.has_given_up = false;
  make_free(peer, entry, now);
}

void lease_book::note_away(connection_id peer) {
  const auto position = members_.find(peer);
  if (position == members_.end() || position->second.is_leaving)
    return;
  auto& entry = position->second;
  set_down(peer, entry, true, entry.is_held_back);
  if (entry.is_away)
    return;
  const auto was_free = entry.lease == 0 && is_lendable(entry);
  entry.is_away = true;
  if (!was_free)
    return;
  auto& home = groups_.at(entry.home);
  std::erase(home.free, peer);
  home.away.insert(peer);
  if (!home.is_idle)
    cease_to_idle(peer, entry);
}

void lease_book::note_held_back(connection_id peer) {
  const auto position = members_.find(peer);
  if (position != members_.end() && !position->second.is_leaving)
    set_down(peer, position->second, position->second.has_failed, true);
}

void lease_book::note_let_go(connection_id peer) {
  const auto position = members_.find(peer);
  if (position != members_.end() && !position->second.is_leaving)
    set_down(peer, position->second, position->second.has_failed, false);
}

void lease_book::note_cleared(connection_id peer, time_point now) {
  const auto position = members_.find(peer);
  if (position == members_.end() || position->second.is_leaving || position->second.is_cleared)
    return;
  position->second.is_cleared = true;
  make_free(peer, position->second, now);
}

void lease_book::leave(connection_id peer) {
  const auto position = members_.find(peer);
  if (position == members_.end() || position->second.is_leaving)
    return;
  auto& entry = position->second;
  if (entry.lease != 0)
    end_lease(entry.lease);
  else if (is_lendable(entry))
    std::erase(groups_.at(entry.home).free, peer);
  else
    groups_.at(entry.home).away.erase(peer);
  begin_to_leave(peer, entry);
}

/// `entry` is in neither list of its group, and not lent.
void lease_book::begin_to_leave(connection_id id, member& entry) {
  cease_to_idle(id, entry);
  set_down(id, entry, false, false);
  entry.is_leaving = true;
  ++groups_.at(entry.home).leaving;
  ++leaving_;
  to_serve_.insert(entry.home);
}

void lease_book::remove(connection_id peer) {
  leave(peer);
  const auto position = members_.find(peer);
  if (position == members_.end())
    return;
  const auto home = position->second.home;
  --groups_.at(home).leaving;
  --leaving_;
  members_.erase(position);
  to_serve_.insert(home);
}

lease_book::surrender lease_book::give_up(connection_id peer) {
  const auto position = members_.find(peer);
  if (position == members_.end() || position->second.is_leaving)
    return {};
  // It would only be made again.
  groups_.at(position->second.home).is_hopeful = false;
  if (position->second.lease != 0) {
    position->second.is_away = true;
    position->second.has_given_up = true;
    return {};
  }
  surrender what{true, {}};
  const auto& home = groups_.at(position->second.home);
  leave(peer);
  if (lendable_count(home) == 0)
    what.hopeless.assign(home.line.begin(), home.line.end());
  for (const auto id : what.hopeless)
    withdraw(id);
  return what;
}

// -- decisions --------------------------------------------------------------------------------------------------------

std::optional<lease_step> lease_book::poll(time_point now) {
  if (!leased_until_.empty() && leased_until_.begin()->first <= now) {
    const auto lease = leased_until_.begin()->second;
    const auto peer = leases_.at(lease).peer;
    leave(peer);
    return lease_step{lease_step::kind::expire, 0, lease, peer};
  }
  while (!to_serve_.empty()) {
    const auto id = *to_serve_.begin();
    if (const auto step = serve(id, now))
      return step;
    to_serve_.erase(id);
    drop_if_empty(id);
  }
  while (!is_full_ && !blocked_.empty()) {
    // One that still finds no place keeps its turn.
    const auto id = blocked_.begin()->second;
    if (const auto step = serve(id, now))
      return step;
    drop_if_empty(id);
  }
  while (!is_full_ && blocked_.empty() && !lacking_.empty()) {
    const auto id = *lacking_.begin();
    if (const auto step = serve(id, now))
      return step;
    drop_if_empty(id);
  }
  if (!waiting_until_.empty() && waiting_until_.begin()->first <= now)
    return lease_step{lease_step::kind::refuse, waiting_until_.begin()->second, 0, 0};
  while (!idle_since_.empty()) {
    const auto [since, longest_idle] = *idle_since_.begin();
    const auto has_idled = idle_timeout_ > duration{0} && since + idle_timeout_ <= now;
    const auto is_in_the_way = !blocked_.empty() && !is_making_room_;
    if (!has_idled && !is_in_the_way)
      break;
    if (!is_in_the_way && is_kept(longest_idle, now))
      continue;
    is_making_room_ = is_making_room_ || is_in_the_way;
    leave(longest_idle);
    return lease_step{lease_step::kind::retire, 0, 0, longest_idle};
  }
  return std::nullopt;
}

/// Whether a peer that has idled for long is kept all the same: then its time begins anew when its group was used last.
bool lease_book::is_kept(connection_id id, time_point now) {
  auto& entry = members_.at(id);
  const auto& home = groups_.at(entry.home);
  if (home.free.size() + home.away.size() > idle_wanted(home, now))
    return false;
  cease_to_idle(id, entry);
  begin_to_idle(id, entry, last_use(home, now));
  return true;
}

std::optional<time_point> lease_book::next_timeout() const {
  std::optional<time_point> earliest;
  const auto consider = [&earliest](time_point when) { earliest = std::min(earliest.value_or(when), when); };
  if (!leased_until_.empty())
    consider(leased_until_.begin()->first);
  if (!waiting_until_.empty())
    consider(waiting_until_.begin()->first);
  if (!idle_since_.empty() && idle_timeout_ > duration{0})
    consider(idle_since_.begin()->first + idle_timeout_);
  return earliest;
}

std::optional<lease_step> lease_book::serve(group_id id, time_point now) {
  auto& home = groups_.at(id);
  if (!home.line.empty() && !home.free.empty())
    return grant(home, now);
  note_demand(home, now);
  const auto on_hand = home.away.size() + home.free.size();
  const auto may_grow = size_of(home) < group_max_;
  const auto lacks_one = may_grow && home.line.size() > on_hand;
  const auto lacks_spare = may_grow && home.line.size() + idle_wanted(home, now) > on_hand;
  // Whoever waits for a place goes before those who may come.
  if (!is_full_ && (lacks_one || (lacks_spare && blocked_.empty())))
    return lease_step{lease_step::kind::make, 0, 0, 0, id};
  if (lacks_one)
    block(id, home);
  else
    unblock(home);
  if (lacks_spare && !lacks_one)
    lacking_.insert(id);
  else
    lacking_.erase(id);
  if (!home.impatient.empty() && is_down(home))
    return lease_step{lease_step::kind::refuse, *home.impatient.begin(), 0, 0};
  return std::nullopt;
}

lease_step lease_book::grant(group& home, time_point now) {
  const auto first = *home.line.begin();
  const auto who = leave_line(first);
  const auto peer = home.free.back();
  auto& entry = members_.at(peer);
  home.free.pop_back();
  cease_to_idle(peer, entry);
  const auto lease = ++last_lease_;
  entry.lease = lease;
  ++home.leased;
  const loan made{peer, who.owner, now + who.hold};
  leases_.emplace(lease, made);
  leased_until_.emplace(made.deadline, lease);
  owners_[who.owner].leases.insert(lease);
  former_owners_.erase(who.owner);
  return {lease_step::kind::grant, first, lease, peer};
}

// -- questions --------------------------------------------------------------------------------------------------------

lease_book::standing lease_book::standing_of(waiter_id waiter) const {
  const auto& home = groups_.at(waiters_.at(waiter).home);
  const auto first = [](const std::set<connection_id>& peers) { return peers.empty() ? 0 : *peers.begin(); };
  return {home.away.size(), home.free.size(), home.leased,      home.leaving,
          home.line.size(), home.down.size(), first(home.away), first(home.down)};
}

} // namespace actorwire
