#pragma once

#include <cstdint>

namespace actorwire {

/// The messages of one direction of a session from one number to another, both included. Numbers begin with 1.
struct number_range {
  std::uint64_t first = 1;
  /// Before the first if there are none.
  std::uint64_t last = 0;

  [[nodiscard]] constexpr bool empty() const noexcept { return last < first; }
  [[nodiscard]] constexpr std::uint64_t count() const noexcept { return empty() ? 0 : last - first + 1; }
  [[nodiscard]] constexpr bool contains(std::uint64_t number) const noexcept {
    return first <= number && number <= last;
  }

  friend constexpr bool operator==(const number_range&, const number_range&) noexcept = default;
};

/// What became of everything that one side of a session was given to send, when the session is over. Each number is in
/// exactly one of the three, and they follow one another: `delivered` begins with 1.
struct session_ranges {
  /// The other side has said that its program got them.
  number_range delivered;
  /// They left, and whether they arrived will never be known.
  number_range maybe_delivered;
  /// They never left, or the other side has said that its program will not get them. To send them again is safe.
  number_range not_delivered;

  friend constexpr bool operator==(const session_ranges&, const session_ranges&) noexcept = default;
};

} // namespace actorwire
