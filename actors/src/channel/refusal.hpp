#pragma once

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/payload.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace actorwire {

/// `text` as one may show it to people: bytes that are no UTF-8 (RFC 3629), and control characters, become `?`; at most
/// `refusal_text_max` bytes of it, and no half of a character.
[[nodiscard]] std::string readable(std::string_view text);

/// What a frame of kind `refusal` carries: the code, then the text.
[[nodiscard]] payload encode_refusal(std::uint8_t code, std::string_view text);

/// What the caller is told, of a body of at least one byte: `call_refused`.
[[nodiscard]] transport_error decode_refusal(const payload& body);

} // namespace actorwire
