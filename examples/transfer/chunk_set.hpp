#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace transfer {

/// A set of chunk numbers below `count()`, as a bitmap: the form in which it is stored and sent. Chunk n is bit n%8 of
/// byte n/8.
class chunk_set {
public:
  chunk_set() = default;

  explicit chunk_set(std::uint32_t count) : count_(count), bitmap_((std::size_t{count} + 7) / 8) {}

  /// Takes a bitmap of which `is_bitmap_of` is true.
  chunk_set(std::uint32_t count, std::span<const std::byte> bitmap)
    : count_(count), bitmap_(bitmap.begin(), bitmap.end()) {
    assert(is_bitmap_of(count, bitmap));
    for (std::uint32_t chunk = 0; chunk < count_; ++chunk)
      size_ += contains(chunk) ? 1 : 0;
  }

  /// Whether `bitmap` has the right size for `count` chunks, and no bit beyond them.
  [[nodiscard]] static bool is_bitmap_of(std::uint32_t count, std::span<const std::byte> bitmap) noexcept {
    if (bitmap.size() != (std::size_t{count} + 7) / 8)
      return false;
    return count % 8 == 0 || (bitmap.back() >> (count % 8)) == std::byte{0};
  }

  [[nodiscard]] bool contains(std::uint32_t chunk) const noexcept {
    assert(chunk < count_);
    return (bitmap_[chunk / 8] & bit_of(chunk)) != std::byte{0};
  }

  /// Returns whether it is new.
  bool insert(std::uint32_t chunk) noexcept {
    if (contains(chunk))
      return false;
    bitmap_[chunk / 8] |= bit_of(chunk);
    ++size_;
    return true;
  }

  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] bool is_full() const noexcept { return size_ == count_; }
  [[nodiscard]] std::span<const std::byte> bitmap() const noexcept { return bitmap_; }

private:
  static constexpr std::byte bit_of(std::uint32_t chunk) noexcept { return std::byte{1} << (chunk % 8); }

  std::uint32_t count_ = 0;
  std::uint32_t size_ = 0;
  std::vector<std::byte> bitmap_;
};

} // namespace transfer
