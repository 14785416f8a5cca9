#include "supervision/backoff.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

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

/// Returns an instant between `now` and one `delay` later, each as likely: full jitter.
time_point spread(duration delay, time_point now, random_source& random) noexcept {
  return now + duration{static_cast<duration::rep>(static_cast<double>(delay.count()) * random.uniform())};
}

std::uint32_t saturated_sum(std::uint32_t left, std::uint32_t right) noexcept {
  return left + std::min(right, std::numeric_limits<std::uint32_t>::max() - left);
}

} // namespace

std::optional<time_point> backoff::failed(const reconnection_policy& policy, bool retryable, time_point now,
                                          random_source& random) noexcept {
  const auto last = conclude(policy, now);
  if (last != ending::healthy)
    failures_ = saturated_sum(failures_, 1);
  if (!retryable && policy.on_permanent == permanent_error_policy::fail)
    return std::nullopt;
  if (policy.max_attempts != 0 && failures_ >= policy.max_attempts)
    return std::nullopt;
  if (!retryable) {
    // A connection may have been dialled a long time ago; counted from then, there would be no delay at all.
    const auto from = last == ending::not_ready ? started_ : now;
    return std::max(now, from + jittered(max_delay_of(policy), policy.jitter, random.uniform()));
  }
  return after_delay(policy, failures() - (last == ending::healthy ? 0 : 1), last, now, random);
}

time_point backoff::interrupted(const reconnection_policy& policy, time_point now, random_source& random) noexcept {
  const auto last = conclude(policy, now);
  return after_delay(policy, failures(), last, now, random);
}

std::optional<dial_history> backoff::abandoned(const reconnection_policy& policy, time_point now,
                                               random_source& random) noexcept {
  const auto last = conclude(policy, now);
  if (last == ending::healthy)
    return std::nullopt;
  if (last == ending::ready && failures() == 0)
    return dial_history{};
  // Nobody else lost anything at this moment, so there is nothing to spread from it.
  return dial_history{after_delay(policy, failures(), ending::not_ready, now, random), failures()};
}

void backoff::rested(const reconnection_policy& policy, time_point now) noexcept {
  static_cast<void>(conclude(policy, now));
}

void backoff::reset() noexcept {
  failures_ = 0;
  inherited_ = 0;
}

std::uint32_t backoff::failures() const noexcept {
  return saturated_sum(inherited_, failures_);
}

bool backoff::is_healthy(const reconnection_policy& policy, time_point now) const noexcept {
  return ready_since_ != never && now - ready_since_ >= policy.reset_after;
}

backoff::ending backoff::conclude(const reconnection_policy& policy, time_point now) noexcept {
  const auto was_healthy = is_healthy(policy, now);
  if (std::exchange(ready_since_, never) == never)
    return ending::not_ready;
  if (!was_healthy)
    return ending::ready;
  reset();
  return ending::healthy;
}

time_point backoff::after_delay(const reconnection_policy& policy, std::uint32_t index, ending last, time_point now,
                                random_source& random) const noexcept {
  const auto delay = delay_of(policy, index);
  if (last == ending::healthy)
    return spread(delay, now, random);
  const auto due = std::max(now, started_ + jittered(delay, policy.jitter, random.uniform()));
  if (last == ending::not_ready)
    return due;
  // Whoever lost the same server at the same instant would come back at that instant: the attempt of a connection that
  // lived for longer than the delay began so long ago that nothing of the delay is left.
  return std::max(due, spread(delay, now, random));
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
