#pragma once

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace actorwire::test {

/// The SHA-256 of `bytes`, in the form that sha256sum prints: two megabytes that differ make a short message.
inline std::string sha256_of(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  if (::gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data(), bytes.size(), digest.data()) != 0)
    throw std::runtime_error{"no SHA-256 can be computed"};
  std::string text;
  for (const auto byte : digest)
    for (const auto half : {byte >> 4, byte & 15})
      text += "0123456789abcdef"[half];
  return text;
}

} // namespace actorwire::test
