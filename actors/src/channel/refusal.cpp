#include "channel/refusal.hpp"

#include <actorwire/messages/calls.hpp>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <span>

namespace actorwire {

namespace {

constexpr std::uint8_t byte_at(std::string_view text, std::size_t index) noexcept {
  return static_cast<std::uint8_t>(text[index]);
}

/// Bytes of the character with which `text` begins; 0 if it begins with none, or with one of control (RFC 3629, 4).
std::size_t character_size(std::string_view text) noexcept {
  const auto first = byte_at(text, 0);
  if (first < 0x80)
    return first >= 0x20 && first != 0x7F ? 1 : 0;
  // The second byte says more than that it continues: neither too long a form, nor half a pair, nor beyond the last one.
  std::size_t size = 0;
  std::uint8_t least = 0x80;
  std::uint8_t most = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    size = 2;
    // U+0080 .. U+009F are control characters too.
    least = first == 0xC2 ? 0xA0 : least;
  } else if (first >= 0xE0 && first <= 0xEF) {
    size = 3;
    least = first == 0xE0 ? 0xA0 : least;
    most = first == 0xED ? 0x9F : most;
  } else if (first >= 0xF0 && first <= 0xF4) {
    size = 4;
    least = first == 0xF0 ? 0x90 : least;
    most = first == 0xF4 ? 0x8F : most;
  }
  if (size == 0 || text.size() < size || byte_at(text, 1) < least || byte_at(text, 1) > most)
    return 0;
  for (std::size_t index = 2; index < size; ++index)
    if ((byte_at(text, index) & 0xC0U) != 0x80)
      return 0;
  return size;
}

} // namespace

std::string readable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const auto size = character_size(text);
    const auto taken = std::max<std::size_t>(size, 1);
    if (shown.size() + taken > refusal_text_max)
      break;
    if (size > 0)
      shown.append(text.substr(0, size));
    else
      shown.push_back('?');
    text.remove_prefix(taken);
  }
  return shown;
}

payload encode_refusal(std::uint8_t code, std::string_view text) {
  const auto shown = readable(text);
  return payload::made_by(1 + shown.size(), [&](std::span<std::byte> memory) {
    memory[0] = static_cast<std::byte>(code);
    std::memcpy(memory.data() + 1, shown.data(), shown.size());
  });
}

transport_error decode_refusal(const payload& body) {
  assert(!body.empty());
  const auto code = std::to_integer<std::int32_t>(body.bytes()[0]);
  return make_error(error_code::call_refused, phase::established, origin::remote, readable(body.text().substr(1)),
                    code);
}

} // namespace actorwire
