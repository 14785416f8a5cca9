#include "sha256.hpp"

#include "file.hpp"

#include <string_view>
#include <vector>

namespace transfer {

sha256_digest sha256_of(int descriptor) {
  std::vector<std::byte> buffer(std::size_t{1} << 20U);
  sha256 hash;
  for (std::uint64_t offset = 0;;) {
    const auto count = read_at(descriptor, buffer, offset);
    hash.update(std::span{buffer}.first(count));
    offset += count;
    if (count < buffer.size())
      return hash.finish();
  }
}

std::string to_hex(const sha256_digest& digest) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const auto byte : digest) {
    text += digits[std::to_integer<std::size_t>(byte >> 4)];
    text += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

} // namespace transfer
