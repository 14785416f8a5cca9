#pragma once

#include <nettle/sha2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace transfer {

using sha256_digest = std::array<std::byte, SHA256_DIGEST_SIZE>;

/// Computes a SHA-256 piece by piece (FIPS 180-4; the work is done by nettle).
class sha256 {
public:
  sha256() noexcept { sha256_init(&state_); }

  void update(std::span<const std::byte> bytes) noexcept {
    sha256_update(&state_, bytes.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()));
  }

  /// Returns the digest and starts anew.
  [[nodiscard]] sha256_digest finish() noexcept {
    sha256_digest digest;
    ::sha256_digest(&state_, digest.size(), reinterpret_cast<std::uint8_t*>(digest.data()));
    return digest;
  }

private:
  sha256_ctx state_;
};

/// Reads all of an open file from its beginning; its position does not move. *Errors:* throws `std::system_error`.
[[nodiscard]] sha256_digest sha256_of(int descriptor);

/// The form that sha256sum prints.
[[nodiscard]] std::string to_hex(const sha256_digest& digest);

} // namespace transfer
