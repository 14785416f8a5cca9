#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace actorwire::test {

/// Bytes whose value depends on their place, so that a lost, doubled or moved one shows.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (auto& byte : bytes) {
    state = state * 1'664'525U + 1'013'904'223U;
    byte = static_cast<char>(state >> 24U);
  }
  return bytes;
}

/// Bytes that no other call returns, so that those of one stream on another show too.
inline std::string noise(std::mt19937_64& chance, std::size_t size) {
  std::string bytes(size, '\0');
  for (auto& byte : bytes)
    byte = static_cast<char>(chance());
  return bytes;
}

} // namespace actorwire::test
