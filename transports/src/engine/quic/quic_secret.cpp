#include "quic_secret.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace actorwire {

quic_secret::quic_secret(std::span<const std::byte, size> bytes) noexcept {
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

quic_secret::~quic_secret() {
  gnutls_memset(bytes_.data(), 0, bytes_.size());
}

quic_secret quic_secret::derive(std::string_view purpose, std::uint64_t number) const {
  // The zero keeps a purpose that ends in digits apart from its number.
  std::string label{purpose};
  label += '\0';
  label += std::to_string(number);
  const auto datum = [](const void* data, std::size_t count) {
    // GnuTLS only reads it.
    return gnutls_datum_t{static_cast<unsigned char*>(const_cast<void*>(data)), static_cast<unsigned>(count)};
  };
  const auto key = datum(bytes_.data(), bytes_.size());
  const auto info = datum(label.data(), label.size());
  auto made = *this;
  if (gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &info, made.bytes_.data(), made.bytes_.size()) != 0)
    throw std::runtime_error{"no secret can be derived"};
  return made;
}

} // namespace actorwire
