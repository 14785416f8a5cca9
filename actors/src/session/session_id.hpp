#pragma once

#include <array>
#include <cassert>
#include <compare>
#include <concepts>
#include <cstddef>
#include <span>

namespace actorwire {

/// What a session is known by at both ends: 128 bits of chance, so that nobody can guess one. Whoever knows it, and has the
/// identity of whoever began the session if there was one, can take the session over. So it is a secret, and no text names it.
class session_id {
public:
  static constexpr std::size_t size = 16;

  /// Names no session.
  constexpr session_id() noexcept = default;
  explicit constexpr session_id(const std::array<std::byte, size>& bytes) noexcept : bytes_(bytes) {}

  /// Draws one. `fill` writes as many bytes as it is given, from a source that is fit for secrets: `random_source` is not.
  template <std::invocable<std::span<std::byte>> Fill>
  [[nodiscard]] static session_id draw(Fill&& fill) {
    session_id drawn;
    fill(std::span<std::byte>{drawn.bytes_});
    assert(drawn != session_id{});
    return drawn;
  }

  [[nodiscard]] constexpr std::span<const std::byte, size> bytes() const noexcept { return bytes_; }

  friend constexpr bool operator==(const session_id&, const session_id&) noexcept = default;
  // NOLINTNEXTLINE(modernize-use-nullptr)
  friend constexpr auto operator<=>(const session_id&, const session_id&) noexcept = default;

private:
  std::array<std::byte, size> bytes_{};
};

} // namespace actorwire
