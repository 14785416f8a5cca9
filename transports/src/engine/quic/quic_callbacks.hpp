#pragma once

#include <ngtcp2/ngtcp2.h>

namespace actorwire {

/// What ngtcp2 calls while it handles a packet. Each call keeps a book of the connection or adds an event: nobody outside
/// is called from here.
[[nodiscard]] const ngtcp2_callbacks& quic_callbacks_for(bool is_server) noexcept;

} // namespace actorwire
