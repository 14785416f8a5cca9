#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace actorwire {

struct siphash_key {
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  /// Takes the key from 16 bytes.
  [[nodiscard]] static siphash_key from(std::span<const std::byte, 16> bytes) noexcept;
};

namespace detail {

/// Reads a number whose first byte is the lowest; `size` at most 8.
inline std::uint64_t little_endian(const std::byte* data, std::size_t size) noexcept {
  std::uint64_t value = 0;
  for (std::size_t index = 0; index < size; ++index)
    value |= std::to_integer<std::uint64_t>(data[index]) << (8 * index);
  return value;
}

} // namespace detail

inline siphash_key siphash_key::from(std::span<const std::byte, 16> bytes) noexcept {
  return {detail::little_endian(bytes.data(), 8), detail::little_endian(bytes.data() + 8, 8)};
}

/// Hashes bytes that strangers choose, so that without the key they cannot choose ones that collide. *Source:* Aumasson,
/// Bernstein: SipHash: a fast short-input PRF, 2012. With 1 and 3 rounds it is what the hash tables of Rust and Python
/// use; with 2 and 4 a pseudo-random function with a margin.
template <int CompressionRounds, int FinalRounds>
[[nodiscard]] std::uint64_t siphash(const siphash_key& key, std::span<const std::byte> bytes) noexcept {
  auto v0 = key.first ^ 0x736f6d6570736575ULL;
  auto v1 = key.second ^ 0x646f72616e646f6dULL;
  auto v2 = key.first ^ 0x6c7967656e657261ULL;
  auto v3 = key.second ^ 0x7465646279746573ULL;
  const auto mix = [&](int rounds) {
    for (int round = 0; round < rounds; ++round) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto absorb = [&](std::uint64_t word) {
    v3 ^= word;
    mix(CompressionRounds);
    v0 ^= word;
  };
  const auto whole = bytes.size() / 8 * 8;
  for (std::size_t offset = 0; offset < whole; offset += 8)
    absorb(detail::little_endian(bytes.data() + offset, 8));
  absorb(detail::little_endian(bytes.data() + whole, bytes.size() - whole) | std::uint64_t{bytes.size()} << 56U);
  v2 ^= 0xffU;
  mix(FinalRounds);
  return v0 ^ v1 ^ v2 ^ v3;
}

} // namespace actorwire
