#include "range_check.hpp"

#include <actorwire/messages/listen_config.hpp>

namespace actorwire {

namespace {

constexpr std::size_t most_parked_bytes = std::size_t{1} << 40U;

} // namespace

result<void> validate(const listen_config& config) {
  return range_check{"listen"}
      .within("backlog", config.backlog, 1, 65'535)
      .within("max_connections", config.max_connections, 1, most_connections)
      .zero_or_within("max_connections_per_address", config.max_connections_per_address, "no limit", 1,
                      most_connections)
      .within("max_handshakes", config.max_handshakes, 1, most_connections)
      .within("max_handshakes_per_address", config.max_handshakes_per_address, 1, most_connections)
      .at_most("max_handshakes_per_address", config.max_handshakes_per_address, "max_handshakes", config.max_handshakes)
      .within("session_keep", config.session_keep, shortest_time, longest_time)
      .within("sessions_max", config.sessions_max, 1, most_connections)
      .within("parked_bytes_max", config.parked_bytes_max, 0, most_parked_bytes)
      .nested(validate(config.transport))
      .verdict();
}

} // namespace actorwire
