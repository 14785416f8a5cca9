#include "range_check.hpp"

#include <actorwire/messages/flow_limits.hpp>

namespace actorwire {

result<void> validate(const flow_limits& limits) {
  return range_check{"flow"}
      .within("read_credit", limits.read_credit, 1, most_bytes)
      .within("high_water", limits.high_water, 1, most_bytes)
      // Fewer than 0 bytes never wait: with 0 a writer that was held back once would be held back for ever.
      .within("low_water", limits.low_water, 1, most_bytes)
      .within("write_limit", limits.write_limit, 1, most_bytes)
      .within("queue_messages", limits.queue_messages, 1, 1'000'000)
      .within("queue_bytes", limits.queue_bytes, 1, most_bytes)
      .within("queue_age", limits.queue_age, shortest_time, longest_time)
      .zero_or_within("degraded_age", limits.degraded_age, "never", std::chrono::milliseconds{10}, longest_time)
      .named("overflow", limits.overflow)
      .within("open_calls", limits.open_calls, 1, 1'000'000)
      .at_most("low_water", limits.low_water, "high_water", limits.high_water)
      .at_most("high_water", limits.high_water, "write_limit", limits.write_limit)
      .verdict();
}

} // namespace actorwire
