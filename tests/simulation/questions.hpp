#pragma once

#include "probe.hpp"
#include "simulated_system.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

// What tests want to know of a world, answered at once.

namespace actorwire::test {

/// What the supervisor says of its pool.
inline pool_stats figures(simulated_system& world, probe& asker) {
  const auto answer = asker.get_pool_stats(world.supervisor());
  world.run_now();
  return answer->value.value();
}

inline connection_state state_of(simulated_system& world, probe& asker, const connection_actor& peer) {
  const auto state = asker.get_state(peer);
  world.run_now();
  return state->value.value().state;
}

/// How often a user was told that.
inline std::ptrdiff_t count(const probe& user, pool_change what) {
  const auto events = user.all<pool_event>();
  return std::ranges::count(events, what, &pool_event::change);
}

/// When each attempt began, over all hosts.
inline std::vector<time_point> dial_times(simulated_system& world) {
  std::vector<time_point> times;
  for (const auto* record : world.hosts().records())
    times.push_back(record->began);
  return times;
}

} // namespace actorwire::test
