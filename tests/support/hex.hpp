#pragma once

#include <charconv>
#include <string>
#include <string_view>

namespace actorwire::test {

/// The bytes that pairs of hexadecimal digits stand for, be there spaces between them, up to what is none.
inline std::string bytes_of_hex(std::string_view text) {
  std::string bytes;
  while (text.size() >= 2) {
    if (text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    unsigned byte = 0;
    if (std::from_chars(text.data(), text.data() + 2, byte, 16).ptr != text.data() + 2)
      break;
    bytes.push_back(static_cast<char>(byte));
    text.remove_prefix(2);
  }
  return bytes;
}

} // namespace actorwire::test
