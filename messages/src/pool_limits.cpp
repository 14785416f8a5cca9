#include "range_check.hpp"

#include <actorwire/messages/pool_limits.hpp>

namespace actorwire {

result<void> validate(const pool_limits& limits) {
  return range_check{"pool"}
      .within("max_connections", limits.max_connections, 1, most_connections)
      .within("max_connecting", limits.max_connecting, 1, most_connections)
      .within("reconnects_per_second", limits.reconnects_per_second, 0.001, 1'000'000.0)
      .within("reconnect_burst", limits.reconnect_burst, 1, most_connections)
      // The time of each crash in the window is kept, so their number is bounded.
      .within("crash_limit", limits.crash_limit, 0, 1'000)
      .within("crash_window", limits.crash_window, shortest_time, longest_time)
      .within("breaker_failures", limits.breaker_failures, 0, most_connections)
      .within("max_leased", limits.max_leased, 1, 1'024)
      .at_most("min_idle", limits.min_idle, "max_leased", limits.max_leased)
      .zero_or_within("lease_idle_timeout", limits.lease_idle_timeout, "for ever", shortest_time, longest_time)
      .verdict();
}

} // namespace actorwire
