#include "range_check.hpp"

#include <actorwire/messages/tcp_config.hpp>

namespace actorwire {

result<void> validate(const tcp_config& config) {
  constexpr std::size_t least_buffer = 4'096; // One page. The kernel would silently raise less to its own minimum.
  return range_check{"tcp"}
      .zero_or_within("send_buffer_size", config.send_buffer_size, "kernel autotuning", least_buffer, most_bytes)
      .zero_or_within("recv_buffer_size", config.recv_buffer_size, "kernel autotuning", least_buffer, most_bytes)
      .within("keepalive_probes", config.keepalive_probes, 1, 127)
      .verdict();
}

} // namespace actorwire
