#include "supervision/dial_memory.hpp"

#include <algorithm>

namespace actorwire {

void dial_memory::keep(const endpoint& remote, const dial_history& history, time_point until, time_point now) {
  forget_until(now);
  auto merged = history;
  auto end = until;
  if (const auto known = records_.find(remote); known != records_.end()) {
    const auto& earlier = known->second.history;
    end = std::max(end, known->second.place->first);
    merged = {std::max(merged.not_before, earlier.not_before), std::max(merged.failures, earlier.failures)};
    erase(known->second.place);
  }
  if (records_.size() == endpoints_max)
    erase(by_end_.begin());
  records_.insert_or_assign(remote, record{merged, by_end_.emplace(end, remote)});
}

std::optional<dial_history> dial_memory::find(const endpoint& remote, time_point now) {
  forget_until(now);
  const auto known = records_.find(remote);
  if (known == records_.end())
    return std::nullopt;
  return known->second.history;
}

void dial_memory::forget(const endpoint& remote) noexcept {
  if (const auto known = records_.find(remote); known != records_.end())
    erase(known->second.place);
}

void dial_memory::erase(queue::iterator place) noexcept {
  records_.erase(place->second);
  by_end_.erase(place);
}

void dial_memory::forget_until(time_point now) noexcept {
  while (!by_end_.empty() && by_end_.begin()->first <= now)
    erase(by_end_.begin());
}

} // namespace actorwire
