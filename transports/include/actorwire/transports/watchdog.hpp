#pragma once

#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>

#include <functional>
#include <utility>

namespace actorwire {

/// A deadline for what somebody else is to do. Time in which the shard did not get to run does not count, see
/// `shard::lived`: after a stall the sockets are read before anybody is given up.
/// *Thread:* shard only. *Lifetime:* `expired` may destroy the watchdog itself.
class watchdog {
public:
  watchdog(shard& where, std::function<void()> expired)
    : where_(where), expired_(std::move(expired)), timer_([this] { look(); }) {}

  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;

  /// Goes off after `limit`, in place of an earlier setting.
  void start(duration limit) {
    deadline_ = where_.lived() + limit;
    where_.arm(timer_, limit);
  }

  void cancel() noexcept { timer_.cancel(); }

  [[nodiscard]] bool is_running() const noexcept { return timer_.is_armed(); }

private:
  void look() {
    if (const auto left = deadline_ - where_.lived(); left > duration{0}) {
      where_.arm(timer_, left);
      return;
    }
    // Called through a copy, because the function may destroy the watchdog that holds it.
    const auto expired = expired_;
    expired();
  }

  shard& where_;
  std::function<void()> expired_;
  timer timer_;
  time_point deadline_{};
};

} // namespace actorwire
