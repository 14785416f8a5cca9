#pragma once

#include <cstdint>

namespace actorwire {

/// Which side of a handshake of TLS one is.
enum class tls_role : std::uint8_t { client, server };

} // namespace actorwire
