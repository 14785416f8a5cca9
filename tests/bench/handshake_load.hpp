#pragma once

#include "setup_load.hpp"
#include "tls_client.hpp"

namespace actorwire::bench {

enum class handshake_kind : bool { full, resumed };

/// `measure_setups` over TLS. *Errors:* throws also when a handshake was not of the kind that was wanted.
[[nodiscard]] setup_figures measure_handshakes(const load& wanted, const tls_client& client, handshake_kind kind);

} // namespace actorwire::bench
