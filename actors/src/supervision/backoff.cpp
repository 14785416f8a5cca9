#include "supervision/backoff.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace actorwire {

void backoff::attempt_started(time_point now) noexcept {
  started_ = now;
  ready_since_ = never;
}

void backoff::connected(time_point now) noexcept {
  ready_since_ = now;
}

namespace {

duration max_delay_of(const reconnection_policy& policy) noexcept {
  using milliseconds = std::chrono::milliseconds;
  // Cut before it is converted: in nanoseconds it might not fit.
  return std::clamp(policy.max_delay, milliseconds{0}, std::chrono::duration_cast<milliseconds>(longest_delay));
}

/// Spreads the first reconnect after a healthy time: whoever lost the same server at the same instant comes back over a
/// whole `base_delay`.
time_point first_reconnect(const reconnection_policy& policy, time_point now, random_source& random) noexcept {
  const auto range = static_cast<double>(delay_of(policy, 0).count());
  return now + duration{static_cast<duration::rep>(range * random.uniform())};
}

} // namespace

std::optional<time_point> backoff::failed(const reconnection_policy& policy, bool retryable, time_point now,
                                          random_source& random) noexcept {
  const auto healthy = forget_if_healthy(policy, now);
  if (!healthy && failures_ < std::numeric_limits<std::uint32_t>::max())
    ++failures_;
  if (!retryable && policy.on_permanent == permanent_error_policy::fail)
    return std::nullopt;
  if (policy.max_attempts != 0 && failures_ >= policy.max_attempts)
    return std::nullopt;
  if (!retryable) {
    // A healthy connection may have been dialled a long time ago; counted from then, there would be no delay at all.
    const auto from = healthy ? now : started_;
    return std::max(now, from + jittered(max_delay_of(policy), policy.jitter, random.uniform()));
  }
  if (healthy)
    return first_reconnect(policy, now, random);
  return std::max(now, started_ + jittered(delay_of(policy, failures_ - 1), policy.jitter, random.uniform()));
}

time_point backoff::interrupted(const reconnection_policy& policy, time_point now, random_source& random) noexcept {
  if (forget_if_healthy(policy, now))
    return first_reconnect(policy, now, random);
  return std::max(now, started_ + jittered(delay_of(policy, failures_), policy.jitter, random.uniform()));
}

void backoff::reset() noexcept {
  failures_ = 0;
}

bool backoff::forget_if_healthy(const reconnection_policy& policy, time_point now) noexcept {
  const auto healthy = ready_since_ != never && now - ready_since_ >= policy.reset_after;
  ready_since_ = never;
  if (healthy)
    failures_ = 0;
  return healthy;
}

duration delay_of(const reconnection_policy& policy, std::uint64_t index) noexcept {
  using exact_milliseconds = std::chrono::duration<double, std::milli>;
  const auto longest = max_delay_of(policy);
  const auto grown =
      static_cast<double>(policy.base_delay.count()) * std::pow(policy.backoff_factor, static_cast<double>(index));
  // The power may be infinite, and what is computed from it not a number; both compare as "not less".
  if (!(grown < exact_milliseconds{longest}.count()))
    return longest;
  const auto rounded = std::chrono::duration_cast<duration>(exact_milliseconds{std::max(grown, 0.0)});
  return std::min(rounded, longest);
}

duration jittered(duration delay, double jitter, double chance) noexcept {
  using rep = duration::rep;
  // Doubles are coarser than nanoseconds from 104 days on: what rounding adds is cut off again, so that the documented
  // range is exact.
  const auto share =
      static_cast<rep>(static_cast<double>(delay.count()) * (jitter > 0.0 ? std::min(jitter, 1.0) : 0.0));
  const auto spread = duration{std::min(share, delay.count())};
  const auto offset = duration{static_cast<rep>(static_cast<double>(spread.count()) * (2.0 * chance - 1.0))};
  return std::clamp(delay + offset, delay - spread, delay + spread);
}

} // namespace actorwire
