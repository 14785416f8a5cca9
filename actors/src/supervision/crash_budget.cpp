#include "supervision/crash_budget.hpp"

#include <algorithm>

namespace actorwire {

bool crash_budget::spend(std::uint32_t limit, duration window, time_point now) {
  const auto counts = [&](time_point crash) { return now - crash < window; };
  crashes_.erase(crashes_.begin(), std::find_if(crashes_.begin(), crashes_.end(), counts));
  if (crashes_.size() >= limit)
    return false;
  crashes_.push_back(now);
  return true;
}

void crash_budget::reset() noexcept {
  crashes_ = {};
}

} // namespace actorwire
