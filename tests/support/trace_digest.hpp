#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace actorwire::test {

/// A short name for a long trace: equal traces have equal ones, and others, for all that chance can do, do not. 64 bits of
/// FNV-1a, cheap enough to take of everything that a simulation does.
class trace_digest {
public:
  void add(std::string_view bytes) noexcept {
    for (const char each : bytes)
      mix(static_cast<unsigned char>(each));
    // Where one part ends and the next begins counts, too.
    add(std::uint64_t{bytes.size()});
  }
  void add(std::uint64_t number) noexcept {
    for (int shift = 0; shift < 64; shift += 8)
      mix(static_cast<unsigned char>(number >> static_cast<unsigned>(shift)));
  }

  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

  /// 16 hexadecimal digits.
  [[nodiscard]] std::string text() const {
    std::string digits;
    for (int shift = 60; shift >= 0; shift -= 4)
      digits += "0123456789abcdef"[value_ >> static_cast<unsigned>(shift) & 15U];
    return digits;
  }

private:
  void mix(unsigned char byte) noexcept {
    value_ ^= byte;
    value_ *= 0x100000001b3U;
  }

  std::uint64_t value_ = 0xcbf29ce484222325U;
};

} // namespace actorwire::test
