#pragma once

#include "arguments.hpp"
#include "posix.hpp"

#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/reconnection_policy.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace actorwire::bench {

/// Supervised peers that all lose their connections at once, and how they come back.
struct returning_peers {
  std::uint32_t peers = 10'000;
  /// Of the reconnection policy.
  std::chrono::milliseconds base_delay{1'000};
  /// Of the pool: reconnects per second, and how many at once beyond.
  double rate = 0;
  std::uint32_t burst = 0;

  /// Takes an option of the command line, or throws `usage_error`.
  void take(std::string_view option, arguments& words);

  /// Makes them as many as there may be open files.
  void fit_into_limits();
  /// Says so if these are fewer than there have to be. Returns whether they are enough: what holds for some is not shown for
  /// all.
  [[nodiscard]] bool judge_number() const;

  /// The limits of a pool with room for all.
  [[nodiscard]] pool_limits limits() const;
  [[nodiscard]] reconnection_policy policy() const;

  /// How many there have to be.
  std::uint32_t needed = 0;
};

/// The greatest number of `times` in any window of one second.
[[nodiscard]] std::size_t most_in_a_second(std::vector<steady_clock::time_point> times);

} // namespace actorwire::bench
