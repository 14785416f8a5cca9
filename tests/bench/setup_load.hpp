#pragma once

#include "connection.hpp"
#include "load_client.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace actorwire::bench {

struct setup_figures {
  double per_second = 0;
  /// All that were made, the warm-up included.
  std::uint64_t count = 0;
  verified echoed;
};

/// What there is to be set up above a socket that is connected.
struct setup {
  std::function<std::unique_ptr<connection>(unique_fd)> begin = make_plain_connection;
  /// Looks at a connection whose handshake is complete, and throws if it is not what is wanted.
  std::function<void(const connection&)> check = [](const connection&) {};
};

/// Makes connections, several at a time, each with a handshake, if there is one, and one round trip, after which it is
/// reset. Without the round trip the client could be done before the server is.
[[nodiscard]] setup_figures measure_setups(const load& wanted, const setup& how = {});

} // namespace actorwire::bench
