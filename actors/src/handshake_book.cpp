#include "handshake_book.hpp"

#include <caf/actor_cast.hpp>

#include <algorithm>
#include <cassert>
#include <iterator>

namespace actorwire {

std::uint32_t handshake_book::limit_for(std::uint32_t wanted, std::uint32_t max_connections) noexcept {
  return std::min(wanted, std::max(std::uint32_t{1}, max_connections / 2));
}

void handshake_book::set_limit(std::uint32_t limit) {
  const std::lock_guard guard{mutex_};
  limit_ = limit;
}

handshake_book::admission handshake_book::admit(const address_group& from, address_proof proof) {
  const std::lock_guard guard{mutex_};
  const auto known = groups_.find(from);
  const auto has_share_left = proof == address_proof::claimed || known == groups_.end() || known->second < share_;
  if (counts_.handshaking < limit_ && has_share_left)
    return {take_place(from, proof), {}};
  // In place of one of the same address there are as many of it as before.
  auto& going = has_share_left ? first_to_go() : proved_by_age_;
  if (counts_.handshaking < limit_ || going.empty() || !(has_share_left || going.front().from == from)) {
    ++counts_.refused;
    return {};
  }
  const auto evicted = going.front().client.lock();
  const auto taken = take_place(from, proof);
  ++counts_.evicted;
  take_out(going.begin());
  return {taken, caf::actor_cast<connection_actor>(evicted)};
}

handshake_book::place handshake_book::take_place(const address_group& from, address_proof proof) {
  const auto number = ++last_place_;
  nameless_.push_back({number, {}, from, proof});
  places_.emplace(number, std::prev(nameless_.end()));
  if (proof == address_proof::proved)
    ++groups_[from];
  ++counts_.handshaking;
  return number;
}

void handshake_book::add(place taken, const connection_actor& client) {
  const std::lock_guard guard{mutex_};
  const auto found = places_.find(taken);
  if (found == places_.end())
    return;
  auto& added = *found->second;
  added.client = caf::actor_cast<caf::weak_actor_ptr>(client);
  added.is_added = true;
  auto& queue = queue_of(added.proof);
  queue.splice(queue.end(), nameless_, found->second);
}

bool handshake_book::contains(place taken) const {
  const std::lock_guard guard{mutex_};
  return places_.contains(taken);
}

bool handshake_book::remove(place taken) noexcept {
  const std::lock_guard guard{mutex_};
  const auto found = places_.find(taken);
  if (found == places_.end())
    return false;
  take_out(found->second);
  return true;
}

void handshake_book::take_out(entries::iterator which) noexcept {
  assert(counts_.handshaking > 0);
  if (which->proof == address_proof::proved) {
    const auto group = groups_.find(which->from);
    assert(group != groups_.end());
    if (--group->second == 0)
      groups_.erase(group);
  }
  --counts_.handshaking;
  places_.erase(which->number);
  list_of(*which).erase(which);
}

handshake_book::figures handshake_book::counts() const {
  const std::lock_guard guard{mutex_};
  return counts_;
}

} // namespace actorwire
