#pragma once

#include <actorwire/export.hpp>

#include <chrono>

namespace actorwire {

/// Monotonic time; wall-clock jumps change nothing.
using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

/// Where a shard takes its time from. Passed in, so that tests run on a clock that they move themselves.
/// *Thread:* `now` may be called by any thread.
class clock {
public:
  virtual ~clock() = default;
  [[nodiscard]] virtual time_point now() const noexcept = 0;
};

/// The machine's monotonic clock. Lives for the whole program.
[[nodiscard]] ACTORWIRE_EXPORT const clock& monotonic_clock() noexcept;

} // namespace actorwire
