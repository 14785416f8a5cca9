#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace actorwire::bench {

/// Fletcher's sums of 64-bit words in eight independent lanes. They depend on the order of the words, and are made of
/// additions only, which compilers vectorise: a check of every byte that does not become what is measured.
[[nodiscard]] inline std::uint64_t checksum(std::span<const std::byte> bytes) noexcept {
  constexpr std::size_t lanes = 8;
  using block = std::array<std::uint64_t, lanes>;
  block sums{};
  block sums_of_sums{};
  const auto add = [&](const block& words) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      sums[lane] += words[lane];
      sums_of_sums[lane] += sums[lane];
    }
  };

  block words{};
  std::size_t offset = 0;
  for (; bytes.size() - offset >= sizeof words; offset += sizeof words) {
    std::memcpy(words.data(), bytes.data() + offset, sizeof words);
    add(words);
  }
  if (offset < bytes.size()) {
    words = {};
    std::memcpy(words.data(), bytes.data() + offset, bytes.size() - offset);
    add(words);
  }

  constexpr std::uint64_t factor = 0x9E37'79B9'7F4A'7C15U;
  auto result = static_cast<std::uint64_t>(bytes.size());
  for (std::size_t lane = 0; lane < lanes; ++lane)
    result = (result ^ sums[lane] ^ (sums_of_sums[lane] << 1U)) * factor;
  return result;
}

/// Bytes of which no two messages are alike: a sequence number, then a fixed pattern. `bytes` holds at least 8.
inline void fill_pattern(std::span<std::byte> bytes) noexcept {
  std::uint32_t state = 1;
  for (auto& byte : bytes) {
    state = state * 1'664'525U + 1'013'904'223U;
    byte = static_cast<std::byte>(state >> 24U);
  }
}

inline void stamp(std::span<std::byte> bytes, std::uint64_t sequence) noexcept {
  std::memcpy(bytes.data(), &sequence, sizeof sequence);
}

} // namespace actorwire::bench
