#pragma once

#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstdint>
#include <optional>

namespace actorwire {

/// Why a peer dials.
/// - `first`: it never did before. Programs that connect to a thousand places at start are not slowed down by the rate.
/// - `again`: for any other reason: after a failure, a loss, a crash, a reset. One that has rested dials as for the first time.
enum class dial_cause : std::uint8_t { first, again };

/// Admission for all peers of a pool. A dial takes a slot, `max_connecting` of which exist, until its attempt ends. A
/// dial `again` takes a token too; `reconnect_burst` of them exist at most, and `reconnects_per_second` come back. In
/// any time window no more than `reconnect_burst + reconnects_per_second * window` such dials start. Who has used them up waits
/// for as many as come back in 100 ms, or one: after an outage of many peers a shard that would wake for each of them spends
/// most of its time with that.
/// *Thread:* shard only.
class dial_gate {
public:
  /// The gate starts with all slots and all tokens.
  explicit dial_gate(const pool_limits& limits) noexcept;

  /// Takes what a dial needs, and returns true; or takes nothing.
  [[nodiscard]] bool try_enter(dial_cause cause, time_point now) noexcept;

  /// Gives the slot of an attempt back.
  void leave() noexcept;

  /// Returns from when on `try_enter` succeeds, if nobody else enters or leaves; nothing while all slots are taken.
  [[nodiscard]] std::optional<time_point> opens_at(dial_cause cause) const noexcept;

  /// Attempts in flight.
  [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_; }

private:
  void refill(time_point now) noexcept;

  std::uint32_t slots_;
  std::uint32_t in_flight_ = 0;
  std::uint32_t burst_;
  std::uint32_t tokens_;
  /// Time for one token to come back. Whole nanoseconds, rounded up: sums of fractions would drift past the rate.
  duration interval_;
  /// So many tokens have to be there once the last was taken.
  std::uint32_t portion_;
  bool is_used_up_ = false;
  /// Up to when time was turned into tokens; meaningless while all tokens are there.
  time_point refilled_until_{};
};

} // namespace actorwire
