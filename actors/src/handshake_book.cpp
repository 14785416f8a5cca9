#include "handshake_book.hpp"

#include <actorwire/transports/ip_address.hpp>

#include <caf/actor_cast.hpp>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <iterator>

namespace actorwire {

namespace {

constexpr std::uint8_t v4_group = 4;
constexpr std::uint8_t v6_group = 6;

/// ::ffff:0:0/96, as which a socket for both families sees IPv4 (RFC 4291, 2.5.5.2).
constexpr std::array<std::uint8_t, 12> v4_mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

} // namespace

address_group address_group_of(const std::string& host) {
  constexpr std::size_t v4_size = 4;
  constexpr std::size_t v6_prefix_size = 8;
  address_group group{};
  const auto address = parse_ip_address(host);
  if (!address)
    return group;
  const auto& bytes = address->bytes;
  const auto is_mapped = address->is_v6 && std::equal(v4_mapped_prefix.begin(), v4_mapped_prefix.end(), bytes.begin());
  const auto* first = bytes.data() + (is_mapped ? v4_mapped_prefix.size() : 0);
  const auto is_v4 = is_mapped || !address->is_v6;
  group[0] = is_v4 ? v4_group : v6_group;
  std::copy_n(first, is_v4 ? v4_size : v6_prefix_size, group.begin() + 1);
  return group;
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
