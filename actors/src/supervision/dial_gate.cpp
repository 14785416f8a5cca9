#include "supervision/dial_gate.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>

namespace actorwire {

namespace {

/// A rate so small that the interval would overflow means: once in a hundred years.
constexpr duration longest_interval = std::chrono::hours{24 * 365 * 100};

duration interval_of(double per_second) noexcept {
  const auto ticks = std::ceil(static_cast<double>(duration::period::den) / per_second);
  if (!(ticks < static_cast<double>(longest_interval.count())))
    return longest_interval;
  return duration{std::max<duration::rep>(1, static_cast<duration::rep>(ticks))};
}

/// What comes back in this time comes at once.
constexpr duration portion_time = std::chrono::milliseconds{100};

} // namespace

dial_gate::dial_gate(const pool_limits& limits) noexcept
  : slots_(limits.max_connecting),
    burst_(limits.reconnect_burst),
    tokens_(limits.reconnect_burst),
    interval_(interval_of(limits.reconnects_per_second)),
    portion_(static_cast<std::uint32_t>(std::clamp<duration::rep>(portion_time / interval_, 1, burst_))) {
  // Limits are validated where they come in. With one of these at zero no peer would ever come back.
  assert(slots_ > 0 && burst_ > 0);
  static_assert(duration::period::num == 1);
}

bool dial_gate::try_enter(dial_cause cause, time_point now) noexcept {
  if (in_flight_ == slots_)
    return false;
  if (cause == dial_cause::again) {
    refill(now);
    if (is_used_up_ && tokens_ < portion_)
      return false;
    is_used_up_ = --tokens_ == 0;
  }
  ++in_flight_;
  return true;
}

void dial_gate::leave() noexcept {
  assert(in_flight_ > 0);
  --in_flight_;
}

std::optional<time_point> dial_gate::opens_at(dial_cause cause) const noexcept {
  if (in_flight_ == slots_)
    return std::nullopt;
  if (cause == dial_cause::first || !is_used_up_ || tokens_ >= portion_)
    return time_point::min();
  return refilled_until_ + (portion_ - tokens_) * interval_;
}

void dial_gate::refill(time_point now) noexcept {
  if (tokens_ < burst_ && now > refilled_until_) {
    const auto gained = (now - refilled_until_) / interval_;
    const auto missing = static_cast<duration::rep>(burst_ - tokens_);
    if (gained < missing) {
      tokens_ += static_cast<std::uint32_t>(gained);
      // The part of an interval that has passed is kept: it belongs to the next token.
      refilled_until_ += gained * interval_;
      return;
    }
    tokens_ = burst_;
  }
  // A full bucket gains nothing by waiting; otherwise one token more than the burst could be had at once.
  if (tokens_ == burst_)
    refilled_until_ = now;
}

} // namespace actorwire
