#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/result.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace actorwire {

/// What to do after an error that trying again is not expected to cure (`transport_error::retryable` is false).
/// - `fail`: the peer goes to `failed` and stays there until `reset`.
/// - `keep_trying`: attempts go on at `max_delay`.
enum class permanent_error_policy : std::uint8_t { fail, keep_trying };

constexpr std::array<std::string_view, 2> names_of(permanent_error_policy) {
  return {"fail", "keep_trying"};
}

/// When to dial again after a failure: `delay(n) = min(max_delay, base_delay * backoff_factor^n)`, spread by `jitter`,
/// measured from the start of the failed attempt. A connection that is lost before it was `ready` for `reset_after` has
/// failed too; its next attempt waits, besides, for a random part of `delay(n)`, measured from the loss, so that a crowd
/// that loses one server at one moment does not come back at one. After a connection that was `ready` for so long the
/// attempts begin anew: the first one comes at random within `base_delay`, measured from the loss.
///
/// What an endpoint did outlives the peer: closed and acquired anew, it waits until the delay is over, and the delays grow
/// on, unless it has rested for `max_delay` since, or its last connection had been `ready` for `reset_after`.
/// *Thread:* immutable value.
struct reconnection_policy {
  /// Failed attempts in a row after which the peer goes to `failed`; the first attempt counts, those of an earlier peer of
  /// the endpoint do not. 0: never.
  std::uint32_t max_attempts = 0;
  /// Delay after the first failure. 1 ms .. `max_delay`.
  std::chrono::milliseconds base_delay{1'000};
  /// Longest delay before jitter. 1 ms .. 24 h.
  std::chrono::milliseconds max_delay{30'000};
  /// Growth from one delay to the next. 1 .. 100.
  double backoff_factor = 1.6;
  /// Share by which each delay is drawn shorter or longer, 0 <= jitter < 1.
  double jitter = 0.2;
  /// A connection must have been `ready` this long before the delays start again from `base_delay`.
  /// 0 .. 24 h.
  std::chrono::milliseconds reset_after{10'000};
  permanent_error_policy on_permanent = permanent_error_policy::fail;

  friend bool operator==(const reconnection_policy&, const reconnection_policy&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("reconnection_policy", field{"max_attempts", self.max_attempts}, field{"base_delay", self.base_delay},
                 field{"max_delay", self.max_delay}, field{"backoff_factor", self.backoff_factor},
                 field{"jitter", self.jitter}, field{"reset_after", self.reset_after},
                 field{"on_permanent", self.on_permanent});
  }
};

/// Checks every field. *Errors:* `invalid_value` or `conflicting_values` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const reconnection_policy& policy);

} // namespace actorwire
