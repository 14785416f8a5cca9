#include "handshake_load.hpp"

#include "checksum.hpp"

#include <poll.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace actorwire::bench {

static tls_ticket fetch_ticket(const load& wanted, const tls_client& client) {
  std::vector<std::byte> message(wanted.message_size);
  fill_pattern(message);
  const auto to = client.open(connect_to(wanted.port, wanted.congestion_control));
  to->write_some(message);
  while (to->read_some(message) == 0)
    wait_for(to->fd(), POLLIN);
  return to->ticket();
}

setup_figures measure_handshakes(const load& wanted, const tls_client& client, handshake_kind kind) {
  const auto is_resumed = kind == handshake_kind::resumed;
  const auto ticket = is_resumed ? fetch_ticket(wanted, client) : tls_ticket{};
  setup how;
  how.begin = [&](unique_fd socket) { return client.begin(std::move(socket), ticket); };
  how.check = [&](const connection& made) {
    if (dynamic_cast<const tls_connection&>(made).is_resumed() != is_resumed)
      throw std::runtime_error(is_resumed ? "a session was not resumed" : "a session was resumed");
  };
  return measure_setups(wanted, how);
}

} // namespace actorwire::bench
