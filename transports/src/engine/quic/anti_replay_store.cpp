#include "anti_replay_store.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace actorwire {

anti_replay_store::anti_replay_store(const quic_random& random, std::size_t size_max) : size_max_(size_max) {
  std::array<std::byte, 16> key{};
  random(key);
  key_ = siphash_key::from(key);
}

bool anti_replay_store::add(std::span<const std::byte> key, wall_time_point until, wall_time_point now) {
  const auto hash = siphash<2, 4>(key_, key);
  forget_old(now);
  if (until <= now || seen_.size() >= size_max_ || !seen_.insert(hash).second)
    return false;
  by_time_.emplace_back(until, hash);
  std::push_heap(by_time_.begin(), by_time_.end(), std::greater<>{});
  return true;
}

bool anti_replay_store::is_new(std::span<const std::byte> key, wall_time_point until, wall_time_point now) {
  forget_old(now);
  return until > now && seen_.size() < size_max_ && !seen_.contains(siphash<2, 4>(key_, key));
}

void anti_replay_store::forget_old(wall_time_point now) {
  while (!by_time_.empty() && by_time_.front().first <= now) {
    seen_.erase(by_time_.front().second);
    std::pop_heap(by_time_.begin(), by_time_.end(), std::greater<>{});
    by_time_.pop_back();
  }
}

} // namespace actorwire
