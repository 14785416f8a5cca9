#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace actorwire::test {

/// A message as `framing_mode::length_prefixed` has it, written down anew so that no error of the library hides here.
inline std::string prefixed(std::string_view message) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string bytes;
  for (unsigned shift = 24; shift <= 24; shift -= 8)
    bytes.push_back(static_cast<char>(size >> shift));
  return bytes.append(message);
}

} // namespace actorwire::test
