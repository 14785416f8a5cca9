#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace actorwire {

/// 32 bytes that nobody outside may know. Its memory is wiped at the end. *Thread:* immutable value.
class quic_secret {
public:
  static constexpr std::size_t size = 32;

  explicit quic_secret(std::span<const std::byte, size> bytes) noexcept;
  quic_secret(const quic_secret&) = default;
  quic_secret& operator=(const quic_secret&) = default;
  ~quic_secret();

  /// Makes another secret of this one, the same each time: one for each purpose, and of each purpose one for each number.
  /// None of them tells anything about another (RFC 5869, 2.3). *Errors:* throws `std::runtime_error` when the machine's
  /// cryptography refuses, which is no matter of the input.
  [[nodiscard]] quic_secret derive(std::string_view purpose, std::uint64_t number = 0) const;

  [[nodiscard]] std::span<const std::byte, size> bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::uint8_t* data() const noexcept {
    return reinterpret_cast<const std::uint8_t*>(bytes_.data());
  }

private:
  std::array<std::byte, size> bytes_{};
};

} // namespace actorwire
