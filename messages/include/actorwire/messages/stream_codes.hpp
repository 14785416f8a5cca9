#pragma once

#include <cstdint>

namespace actorwire {

/// With this code a connection gives up the halves of streams that are not over when it was to make room for another, after all
/// the time that it was given for that: what the peer sees as `stream_reset::code` then. See `stream_stalled_code`.
inline constexpr std::uint64_t stream_retired_code = 0x6177'0003;

} // namespace actorwire
