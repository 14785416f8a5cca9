#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/result.hpp>

#include <chrono>
#include <cstdint>

namespace actorwire {

/// What a supervisor allows at once. *Thread:* immutable value.
struct pool_limits {
  /// Peers in the pool, in whatever state. 1 .. 1,000,000.
  std::uint32_t max_connections = 1'024;
  /// Attempts in flight at once, over all peers. 1 .. 1,000,000.
  std::uint32_t max_connecting = 16;
  /// Reconnects per second once `reconnect_burst` is used up, in portions of as many as 100 ms allow, or one. First connects are bounded by `max_connecting` only; that of
  /// a peer whose endpoint had another one recently is no first one.
  /// 0.001 .. 1,000,000.
  double reconnects_per_second = 50.0;
  /// Reconnects that need not wait after a quiet time. 1 .. 1,000,000.
  std::uint32_t reconnect_burst = 50;
  /// Crashes of one peer's connection actor within `crash_window` that are healed by a restart; one more and the peer
  /// goes to `failed`. Losses of the transport are not crashes and never count. 0 .. 1,000.
  std::uint32_t crash_limit = 5;
  /// 1 ms .. 24 h.
  std::chrono::milliseconds crash_window{30'000};
  /// Attempts to one endpoint that fail in a row, whichever peers make them, after which its breaker opens: from then on
  /// one peer at a time dials it, the one that has been due the longest, and no sooner than the peer before that failed
  /// would have: who shares an endpoint with a peer of a long `max_delay` may wait as long. All others wait. One that connects
  /// by this endpoint closes it. What this side caused does not count, nor does what trying again cannot cure. 0 (never) ..
  /// 1,000,000.
  std::uint32_t breaker_failures = 5;
  /// Peers that `checkout` makes for the same endpoints and options, those that are lent, those that are not, and those that
  /// were and are about to close. Beside them there may be shared ones. 1 .. 1,024.
  std::uint32_t max_leased = 10;
  /// Of these, how many are kept free for the next `checkout` of endpoints and options that somebody has checked out or given
  /// back within `lease_idle_timeout`, as far as there is a place for them. None is made again that has given up, before the
  /// next `checkout`. 0 .. `max_leased`.
  std::uint32_t min_idle = 0;
  /// How long a peer that was given back, or that nobody waited for any more when it was ready, stays connected if nobody
  /// takes it. 0 (for ever) or 1 ms .. 24 h.
  std::chrono::milliseconds lease_idle_timeout{300'000};

  friend bool operator==(const pool_limits&, const pool_limits&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("pool_limits", field{"max_connections", self.max_connections},
                 field{"max_connecting", self.max_connecting},
                 field{"reconnects_per_second", self.reconnects_per_second},
                 field{"reconnect_burst", self.reconnect_burst}, field{"crash_limit", self.crash_limit},
                 field{"crash_window", self.crash_window}, field{"breaker_failures", self.breaker_failures},
                 field{"max_leased", self.max_leased}, field{"min_idle", self.min_idle},
                 field{"lease_idle_timeout", self.lease_idle_timeout});
  }
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const pool_limits& limits);

} // namespace actorwire
