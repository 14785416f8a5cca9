#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace actorwire::fuzz {

/// What a target defines: does with the input what it is about, and checks what must hold whatever the input.
/// The same input has to do the same each time.
void run(std::span<const std::byte> input);

/// Ends the process when something does not hold: libFuzzer then keeps the input.
inline void check(bool holds, const char* what) {
  if (holds)
    return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Takes numbers off the front of an input. When it is used up they are 0, so that every input means something.
class reader {
public:
  explicit reader(std::span<const std::byte> input) noexcept : input_(input) {}

  std::uint8_t byte() noexcept {
    if (input_.empty())
      return 0;
    const auto taken = std::to_integer<std::uint8_t>(input_.front());
    input_ = input_.subspan(1);
    return taken;
  }

  /// Two bytes, big endian.
  std::uint16_t word() noexcept {
    const auto high = byte();
    return static_cast<std::uint16_t>(high << 8U | byte());
  }

  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return input_; }

private:
  std::span<const std::byte> input_;
};

} // namespace actorwire::fuzz
