#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace actorwire {

/// Fills bytes with chance that nobody can guess: a connection ID that a stranger foresees is worth nothing. Passed in,
/// so that tests repeat.
using quic_random = std::function<void(std::span<std::byte>)>;

} // namespace actorwire
