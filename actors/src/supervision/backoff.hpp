#pragma once

#include "supervision/random_source.hpp"

#include <actorwire/messages/reconnection_policy.hpp>
#include <actorwire/transports/clock.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace actorwire {

/// What is known of an endpoint when its peer is gone: from when on it may be dialled again, and how often it had failed.
struct dial_history {
  time_point not_before = time_point::min();
  std::uint32_t failures = 0;
};

/// How long one peer waits before it dials again. It knows when the last attempt started, since when its connection is
/// ready, and how many attempts failed in a row; nothing else, so that thousands of them are cheap.
///
/// An attempt has failed when it did not get ready, and also when its connection was lost before it had been ready for
/// `reset_after`: a peer that accepts and closes at once would otherwise be dialled at full speed for ever. Delays count
/// from the start of the attempt, so that slow failures do not add up. A loss comes to many peers at one moment, so what
/// follows it is spread from that moment on, too. The policy is passed in, because it may change between two delays.
/// *Thread:* shard only.
class backoff {
public:
  /// An attempt starts at `now`.
  void attempt_started(time_point now) noexcept;

  /// The attempt became a ready connection at `now`.
  void connected(time_point now) noexcept;

  /// The attempt failed, or its connection was lost. Returns when to dial next, not before `now`; nothing if the policy
  /// says to stop: too many attempts failed in a row, or the error is not `retryable` and `on_permanent` is `fail`.
  [[nodiscard]] std::optional<time_point> failed(const reconnection_policy& policy, bool retryable, time_point now,
                                                 random_source& random) noexcept;

  /// The attempt or its connection ended for a reason that does not speak against the remote side: its actor crashed.
  /// Returns when it may be dialled again, not before `now`. Counts no attempt; the delay is the one that a failure would
  /// have got, because the last attempt may be as recent.
  [[nodiscard]] time_point interrupted(const reconnection_policy& policy, time_point now,
                                       random_source& random) noexcept;

  /// The user gives the attempt or its connection up. Returns what is to be remembered of the endpoint; nothing if the
  /// connection had proved healthy. An attempt that is cut short is an interruption; a connection that was ready, and had
  /// not failed before, leaves no delay.
  [[nodiscard]] std::optional<dial_history> abandoned(const reconnection_policy& policy, time_point now,
                                                      random_source& random) noexcept;

  /// The connection ended because nobody used it. What had failed before it stays, unless it had proved healthy.
  void rested(const reconnection_policy& policy, time_point now) noexcept;

  /// The connection was replaced by one whose attempt had started at `started`, and was ready before: all this time there was
  /// a connection.
  void replaced(time_point started) noexcept { started_ = started; }

  /// Whether the connection, if there is one, has been ready for `reset_after`.
  [[nodiscard]] bool is_healthy(const reconnection_policy& policy, time_point now) const noexcept;

  /// Lets the delays grow from where they were when an earlier peer of the endpoint had failed so often. `attempts` and
  /// `max_attempts` count this peer's own failures.
  void inherit(std::uint32_t failures) noexcept { inherited_ = failures; }

  /// Forgets all failures: the next delay is `base_delay`.
  void reset() noexcept;

  /// Failed attempts in a row, the ones that were ready too shortly included. Stays at its maximum once there.
  [[nodiscard]] std::uint32_t attempts() const noexcept { return failures_; }

  /// The same with those that were inherited: the place on the curve of delays.
  [[nodiscard]] std::uint32_t failures() const noexcept;

private:
  /// How the attempt that is over went.
  enum class ending : std::uint8_t { not_ready, ready, healthy };

  [[nodiscard]] ending conclude(const reconnection_policy& policy, time_point now) noexcept;
  [[nodiscard]] time_point after_delay(const reconnection_policy& policy, std::uint32_t index, ending last,
                                       time_point now, random_source& random) const noexcept;

  static constexpr time_point never = time_point::max();

  time_point started_{};
  time_point ready_since_ = never;
  std::uint32_t failures_ = 0;
  std::uint32_t inherited_ = 0;
};

/// Returns `min(max_delay, base_delay * backoff_factor^index)`. Neither negative nor overflowing for any policy and any
/// index: `max_delay` counts as no more than `longest_delay`.
[[nodiscard]] duration delay_of(const reconnection_policy& policy, std::uint64_t index) noexcept;

/// Returns the value at `chance`, from [0, 1), between `delay * (1 - jitter)` and `delay * (1 + jitter)`.
[[nodiscard]] duration jittered(duration delay, double jitter, double chance) noexcept;

/// No delay is longer, whatever `max_delay` says: twice this, with the largest jitter, can still be added to a
/// `time_point` without overflow (2^63 ns are 292 years, and the clock starts with the machine).
inline constexpr duration longest_delay = std::chrono::hours{24 * 365 * 100};

} // namespace actorwire
