#include "connection_id_format.hpp"

#include <array>
#include <cassert>

namespace actorwire {

connection_id_format::connection_id_format(std::span<const std::byte, 16> key, unsigned shard_count) noexcept
  : key_(siphash_key::from(key)), shard_count_(shard_count) {
  assert(shard_count >= 1 && shard_count <= shards_max);
}

quic_cid connection_id_format::make(unsigned shard, const quic_random& random) const {
  assert(shard < shard_count_);
  std::array<std::byte, size> bytes{};
  const auto chance = std::span{bytes}.subspan(1);
  random(chance);
  bytes[0] = static_cast<std::byte>(shard) ^ mask(chance);
  return quic_cid{bytes};
}

std::optional<unsigned> connection_id_format::shard_of(const quic_cid& id) const noexcept {
  if (id.size() != size)
    return std::nullopt;
  const auto bytes = id.bytes();
  const auto shard = std::to_integer<unsigned>(bytes[0] ^ mask(bytes.subspan(1)));
  return shard < shard_count_ ? std::optional{shard} : std::nullopt;
}

std::byte connection_id_format::mask(std::span<const std::byte> random) const noexcept {
  return static_cast<std::byte>(siphash<2, 4>(key_, random) & 0xffU);
}

} // namespace actorwire
