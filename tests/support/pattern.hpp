#pragma once

#include <cstddef>
#include <cstdint>
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

} // namespace actorwire::test
