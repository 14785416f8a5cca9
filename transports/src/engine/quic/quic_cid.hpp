#pragma once

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace actorwire {

/// A connection ID (RFC 9000, 5.1). *Units:* 0 to 20 bytes. *Thread:* immutable value.
class quic_cid {
public:
  static constexpr std::size_t size_max = NGTCP2_MAX_CIDLEN;

  constexpr quic_cid() noexcept = default;

  /// Takes at most `size_max` bytes. What comes from the network has been parsed before.
  explicit quic_cid(std::span<const std::byte> bytes) noexcept : size_(static_cast<std::uint8_t>(bytes.size())) {
    assert(bytes.size() <= size_max);
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  }

  quic_cid(const std::uint8_t* data, std::size_t size) noexcept : quic_cid(std::as_bytes(std::span{data, size})) {}

  explicit quic_cid(const ngtcp2_cid& id) noexcept : quic_cid(id.data, id.datalen) {}

  [[nodiscard]] ngtcp2_cid to_ngtcp2() const noexcept {
    ngtcp2_cid made{};
    made.datalen = size_;
    std::memcpy(made.data, bytes_.data(), size_);
    return made;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {bytes_.data(), size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// The bytes behind the end are 0 in both.
  friend bool operator==(const quic_cid&, const quic_cid&) = default;

private:
  std::array<std::byte, size_max> bytes_{};
  std::uint8_t size_ = 0;
};

} // namespace actorwire
