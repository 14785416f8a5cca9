#pragma once

#include "early_data_guard.hpp"
#include "shared_anti_replay.hpp"

#include <cstddef>

namespace actorwire {

/// What listeners with one identity remember of what may be used once. *Thread:* any thread.
struct replay_memory {
  /// Clients that come back with a token within a day; beyond them a token is worth nothing, which costs a client a round
  /// trip while proofs are asked for. At about 50 bytes each.
  static constexpr std::size_t tokens_max = 262'144;

  /// *Errors:* throws `std::runtime_error` for want of memory.
  explicit replay_memory(const quic_random& random) : early_data(random), tokens(random, tokens_max) {}

  /// First messages with early data (RFC 8446, 8.2).
  early_data_guard early_data;
  /// Tokens of NEW_TOKEN frames (RFC 9000, 8.1.4).
  shared_anti_replay tokens;
};

} // namespace actorwire
