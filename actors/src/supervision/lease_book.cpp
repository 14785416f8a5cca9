#include "supervision/lease_book.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

namespace actorwire {

lease_book::lease_book(const pool_limits& limits)
  : group_max_(limits.max_leased), idle_timeout_(limits.lease_idle_timeout) {}

// -- what users want --------------------------------------------------------------------------------------------------

std::optional<waiter_id> lease_book::ask(const checkout& request, owner_id owner, time_point now) {
  if (waiters_.size() >= waiters_max)
    return std::nullopt;
  const auto home = find_or_make_group(request);
  const auto id = ++last_waiter_;
  const applicant entry{home, owner, now + request.wait, request.hold};
  waiters_.emplace(id, entry);
  waiting_until_.emplace(entry.deadline, id);
  owners_[owner].waiters.insert(id);
  former_owners_.erase(owner);
  groups_.at(home).line.insert(id);
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
  if (leaves) {
    members_.erase(position);
  } else {
    auto& former = groups_.at(home);
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
    remove(peer);
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

void lease_book::joined(waiter_id waiter, connection_id peer) {
  const auto home = waiters_.at(waiter).home;
  [[maybe_unused]] const auto [position, is_new] =
      members_.emplace(peer, member{home, 0, true, true, false, false, {}});
  assert(is_new);
  groups_.at(home).away.insert(peer);
}

void lease_book::may_grow() noexcept {
  is_full_ = false;
  is_making_room_ = false;
}

void lease_book::note_ready(connection_id peer, time_point now) {
  const auto position = members_.find(peer);
  if (position == members_.end() || !position->second.is_away)
    return;
  auto& entry = position->second;
  entry.is_away = false;
  entry.has_given_up = false;
  make_free(peer, entry, now);
}

void lease_book::note_away(connection_id peer) {
  const auto position = members_.find(peer);
  if (position == members_.end() || position->second.is_away)
    return;
  auto& entry = position->second;
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

void lease_book::note_cleared(connection_id peer, time_point now) {
  const auto position = members_.find(peer);
  if (position == members_.end() || position->second.is_cleared)
    return;
  position->second.is_cleared = true;
  make_free(peer, position->second, now);
}

void lease_book::remove(connection_id peer) {
  const auto position = members_.find(peer);
  if (position == members_.end())
    return;
  auto& entry = position->second;
  const auto home = entry.home;
  cease_to_idle(peer, entry);
  if (entry.lease != 0)
    end_lease(entry.lease);
  else if (is_lendable(entry))
    std::erase(groups_.at(home).free, peer);
  else
    groups_.at(home).away.erase(peer);
  members_.erase(position);
  to_serve_.insert(home);
}

lease_book::surrender lease_book::give_up(connection_id peer) {
  const auto position = members_.find(peer);
  if (position == members_.end())
    return {};
  if (position->second.lease != 0) {
    position->second.is_away = true;
    position->second.has_given_up = true;
    return {};
  }
  surrender what{true, {}};
  const auto& home = groups_.at(position->second.home);
  remove(peer);
  if (size_of(home) == 0)
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
    remove(peer);
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
  if (!waiting_until_.empty() && waiting_until_.begin()->first <= now)
    return lease_step{lease_step::kind::refuse, waiting_until_.begin()->second, 0, 0};
  if (idle_since_.empty())
    return std::nullopt;
  const auto [since, longest_idle] = *idle_since_.begin();
  const auto has_idled = idle_timeout_ > duration{0} && since + idle_timeout_ <= now;
  const auto is_in_the_way = !blocked_.empty() && !is_making_room_;
  if (!has_idled && !is_in_the_way)
    return std::nullopt;
  is_making_room_ = is_making_room_ || is_in_the_way;
  remove(longest_idle);
  return lease_step{lease_step::kind::retire, 0, 0, longest_idle};
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
  if (home.line.size() <= home.away.size() || size_of(home) >= group_max_) {
    unblock(home);
    return std::nullopt;
  }
  if (is_full_) {
    block(id, home);
    return std::nullopt;
  }
  return lease_step{lease_step::kind::make, *home.line.begin(), 0, 0};
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
  return {home.away.size(), home.free.size(), home.leased, home.line.size(),
          home.away.empty() ? connection_id{0} : *home.away.begin()};
}

// -- parts ------------------------------------------------------------------------------------------------------------

lease_book::group_id lease_book::find_or_make_group(const checkout& request) {
  auto hash = std::hash<endpoint>{}(request.remote);
  for (const auto& each : request.alternatives)
    hash = hash * 31 + std::hash<endpoint>{}(each);
  if (const auto known = options_.find(request.options)) {
    const auto [first, last] = by_hash_.equal_range(hash);
    for (auto position = first; position != last; ++position) {
      const auto& home = groups_.at(position->second);
      if (home.options == known && home.remote == request.remote && home.alternatives == request.alternatives)
        return position->second;
    }
  }
  const auto id = ++last_group_;
  auto& made = groups_[id];
  made.remote = request.remote;
  made.alternatives = request.alternatives;
  made.options = options_.use(request.options);
  made.hash = hash;
  by_hash_.emplace(hash, id);
  return id;
}

std::size_t lease_book::size_of(const group& home) noexcept {
  return home.away.size() + home.free.size() + home.leased;
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
  options_.release(home.options);
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
  groups_.at(left.home).line.erase(id);
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
