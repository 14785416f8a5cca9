#include "range_check.hpp"

#include <actorwire/messages/requests.hpp>

namespace actorwire {

result<void> validate(const receive& request) {
  return range_check{"receive"}
      .zero_or_within("timeout", request.timeout, "for ever", shortest_time, longest_time)
      .verdict();
}

result<void> validate(const reload_tls& request) {
  return range_check{"reload_tls"}
      .within("drain_timeout", request.drain_timeout, shortest_time, longest_time)
      .verdict();
}

} // namespace actorwire
