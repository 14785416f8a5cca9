#include "handshake_book.hpp"

#include <actorwire/transports/ip_address.hpp>

#include <algorithm>
#include <cassert>
#include <cstddef>

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

handshake_book::verdict handshake_book::enter(const address_group& from, const address_group* may_go) {
  const std::lock_guard guard{mutex_};
  const auto outcome = judge(from, may_go);
  if (outcome == verdict::share_used_up || outcome == verdict::full) {
    ++counts_.refused;
    return outcome;
  }
  ++groups_[from];
  ++counts_.handshaking;
  if (outcome == verdict::admitted_in_place) {
    take_out(*may_go);
    ++counts_.evicted;
  }
  return outcome;
}

handshake_book::verdict handshake_book::judge(const address_group& from, const address_group* may_go) const {
  const auto known = groups_.find(from);
  const auto present = known == groups_.end() ? 0 : known->second;
  if (counts_.handshaking < limit_)
    return present < share_ ? verdict::admitted : verdict::share_used_up;
  // In place of one of the same address there are as many of it as before.
  if (may_go != nullptr && (present < share_ || *may_go == from))
    return verdict::admitted_in_place;
  return present < share_ ? verdict::full : verdict::share_used_up;
}

void handshake_book::leave(const address_group& from) noexcept {
  const std::lock_guard guard{mutex_};
  take_out(from);
}

void handshake_book::take_out(const address_group& from) noexcept {
  const auto found = groups_.find(from);
  assert(found != groups_.end() && counts_.handshaking > 0);
  --counts_.handshaking;
  if (--found->second == 0)
    groups_.erase(found);
}

handshake_book::figures handshake_book::counts() const {
  const std::lock_guard guard{mutex_};
  return counts_;
}

} // namespace actorwire
