#include "range_check.hpp"

#include <actorwire/messages/quic_config.hpp>

namespace actorwire {

result<void> validate(const quic_config& config) {
  using namespace std::chrono_literals;
  return range_check{"quic"}
      .within("max_streams", config.max_streams, 1, 65'535)
      .zero_or_within("idle_timeout", config.idle_timeout, "off", 100ms, longest_time)
      .within("datagram_send_buffer_size", config.datagram_send_buffer_size, 1'200, most_bytes)
      .verdict();
}

} // namespace actorwire
