#pragma once

#include "load_client.hpp"
#include "tls_client.hpp"

#include <cstdint>

namespace actorwire::bench {

struct handshake_figures {
  double per_second = 0;
  /// All that were made, the warm-up included.
  std::uint64_t count = 0;
  verified echoed;
};

enum class handshake_kind : bool { full, resumed };

/// Makes connections, several at a time, each with a handshake and one round trip, after which it is reset. Without the
/// round trip the client could be done before the server is.
/// *Errors:* throws also when a handshake was not of the kind that was wanted.
[[nodiscard]] handshake_figures measure_handshakes(const load& wanted, const tls_client& client, handshake_kind kind);

} // namespace actorwire::bench
