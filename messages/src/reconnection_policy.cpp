#include "range_check.hpp"

#include <actorwire/messages/reconnection_policy.hpp>

namespace actorwire {

result<void> validate(const reconnection_policy& policy) {
  using namespace std::chrono_literals;
  return range_check{"reconnection"}
      // `max_attempts` may be any number. A base of 0 would stay 0 whatever the factor, and dial without a pause.
      .within("base_delay", policy.base_delay, shortest_time, longest_time)
      .within("max_delay", policy.max_delay, shortest_time, longest_time)
      .within("backoff_factor", policy.backoff_factor, 1.0, 100.0)
      .within_half_open("jitter", policy.jitter, 0.0, 1.0)
      .within("reset_after", policy.reset_after, 0ms, longest_time)
      .named("on_permanent", policy.on_permanent)
      .at_most("base_delay", policy.base_delay, "max_delay", policy.max_delay)
      .verdict();
}

} // namespace actorwire
