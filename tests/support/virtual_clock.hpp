#pragma once

#include <actorwire/transports/clock.hpp>

#include <atomic>
#include <cassert>
#include <chrono>

namespace actorwire::test {

/// Time that stands still until it is moved by hand. *Thread:* `now` any thread; moving it, one thread.
class virtual_clock final : public clock {
public:
  [[nodiscard]] time_point now() const noexcept override { return time_point{duration{ticks_.load()}}; }

  /// Moves on to `when`, which must not lie in the past: time is monotonic.
  void set(time_point when) noexcept {
    assert(when >= now());
    ticks_ = when.time_since_epoch().count();
  }

  void advance(duration step) noexcept { set(now() + step); }

private:
  // Not 0, so that a time that was never set cannot be taken for the present.
  std::atomic<duration::rep> ticks_{duration{std::chrono::hours{1}}.count()};
};

} // namespace actorwire::test
