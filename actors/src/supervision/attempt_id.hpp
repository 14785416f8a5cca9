#pragma once

#include <cstdint>

namespace actorwire {

/// Identifies one attempt of one peer and the connection that comes of it; grows with each dial of a pool, from 1, and is
/// never used twice. What is reported about an attempt that is over is recognised by it and ignored.
///
/// It is not the generation: that counts the transport connections of one peer that became ready, also from 1, and is
/// what users see. A peer that needed seven attempts to connect once is in generation 1, and never reconnected.
using attempt_id = std::uint64_t;

} // namespace actorwire
