#pragma once

#include "quic_cid.hpp"
#include "quic_random.hpp"
#include "siphash.hpp"

#include <cstddef>
#include <optional>
#include <span>

namespace actorwire {

/// How our connection IDs look: 7 random bytes and one that carries the index of a shard, so that whichever shard reads a
/// datagram can tell whose it is. The index is hidden under a hash of the other seven with a key that all shards of a
/// listener share: from outside two IDs of one connection have nothing in common (RFC 9000, 5.1). It proves nothing: a
/// stranger's ID may decode to some shard, which then does not know it. *Thread:* immutable; any thread.
class connection_id_format {
public:
  static constexpr std::size_t size = 8;
  static constexpr unsigned shards_max = 256;

  /// *Units:* `shard_count` 1 to `shards_max`.
  connection_id_format(std::span<const std::byte, 16> key, unsigned shard_count) noexcept;

  /// Makes an ID that leads to this shard.
  [[nodiscard]] quic_cid make(unsigned shard, const quic_random& random) const;

  /// Returns the shard that made an ID; empty when none of ours can have made it.
  [[nodiscard]] std::optional<unsigned> shard_of(const quic_cid& id) const noexcept;

private:
  /// What the index of the shard is hidden under.
  [[nodiscard]] std::byte mask(std::span<const std::byte> random) const noexcept;

  siphash_key key_;
  unsigned shard_count_;
};

} // namespace actorwire
