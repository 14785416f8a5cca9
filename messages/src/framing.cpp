#include "range_check.hpp"

#include <actorwire/messages/framing.hpp>

namespace actorwire {

result<void> validate(const framing_config& config) {
  return range_check{"framing"}
      .named("mode", config.mode)
      .within("max_frame_size", config.max_frame_size, 1, most_bytes)
      .within("partial_frame_timeout", config.partial_frame_timeout, shortest_time, longest_time)
      .verdict();
}

} // namespace actorwire
