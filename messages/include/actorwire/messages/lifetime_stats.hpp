#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/histogram.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace actorwire {

/// Messages that were lost for one reason: what `data_lost` told with it, in sum.
struct drop_count {
  error_code why = error_code::none;
  tally not_sent;
  tally maybe_sent;

  friend constexpr bool operator==(const drop_count&, const drop_count&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("drop_count", field{"why", self.why}, field{"not_sent", self.not_sent},
                 field{"maybe_sent", self.maybe_sent});
  }
};

/// Attempts to connect that failed for one reason.
struct failure_count {
  error_code why = error_code::none;
  std::uint64_t attempts = 0;

  friend constexpr bool operator==(const failure_count&, const failure_count&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("failure_count", field{"why", self.why}, field{"attempts", self.attempts});
  }
};

/// How long a connection or peer has been in each state, as `state_changed` tells them. *Units:* whole microseconds of each
/// stay.
struct state_times {
  std::array<std::chrono::microseconds, names_of(connection_state{}).size()> all{};

  [[nodiscard]] constexpr std::chrono::microseconds& operator[](connection_state state) noexcept {
    return all[static_cast<std::size_t>(state)];
  }
  [[nodiscard]] constexpr std::chrono::microseconds operator[](connection_state state) const noexcept {
    return all[static_cast<std::size_t>(state)];
  }

  constexpr state_times& operator+=(const state_times& other) noexcept {
    for (std::size_t index = 0; index < all.size(); ++index)
      all[index] += other.all[index];
    return *this;
  }

  friend constexpr bool operator==(const state_times&, const state_times&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    constexpr auto names = names_of(connection_state{});
    static_assert(names.size() == 10);
    return visit("state_times", field{names[0], self.all[0]}, field{names[1], self.all[1]},
                 field{names[2], self.all[2]}, field{names[3], self.all[3]}, field{names[4], self.all[4]},
                 field{names[5], self.all[5]}, field{names[6], self.all[6]}, field{names[7], self.all[7]},
                 field{names[8], self.all[8]}, field{names[9], self.all[9]});
  }
};

/// What became of calls. At every instant `made` is the sum of those that are open, `answered`, `refused` and `unanswered`.
struct call_totals {
  /// Accepted, whether they have left or not.
  std::uint64_t made = 0;
  std::uint64_t answered = 0;
  /// By the other program.
  std::uint64_t refused = 0;
  std::uint64_t unanswered = 0;
  /// Answers that came for a call that was not open: too late, a second time, or for one that was never made. They are
  /// dropped.
  std::uint64_t late_answers = 0;

  constexpr call_totals& operator+=(const call_totals& other) noexcept {
    made += other.made;
    answered += other.answered;
    refused += other.refused;
    unanswered += other.unanswered;
    late_answers += other.late_answers;
    return *this;
  }

  friend constexpr bool operator==(const call_totals&, const call_totals&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("call_totals", field{"made", self.made}, field{"answered", self.answered},
                 field{"refused", self.refused}, field{"unanswered", self.unanswered},
                 field{"late_answers", self.late_answers});
  }
};

/// What a connection or a peer went through since it was made, over all its generations. Nothing in it ever goes back, so
/// that the difference of two is what happened between. Those of many add up.
///
/// Times are measured of samples: of the first message and each 16th after it. *Source:* a message is accepted when the
/// connection or peer handles its `send`, `cast` or `send_batch`. Datagrams of QUIC are not among them.
struct lifetime_stats {
  /// From accepting a message until the transport had all of it, which is when `written` becomes its outcome.
  histogram send_latency;
  /// From accepting a message until it left the queue: when the transport took its first byte, and also when it expired, was
  /// given up, or went for another by `flow_limits::overflow`. What is not taken into the queue at all has no age.
  histogram queue_age;
  /// `transport_stats::latency`, looked at when a message is measured and when `stream_stats` is due, at most every 100 ms,
  /// while it is known.
  histogram round_trip;
  /// By reason, in the order of their numbers; no more than there are codes. In sum `delivery_totals::not_sent` and
  /// `maybe_sent`.
  std::vector<drop_count> drops;
  /// Attempts that failed before the connection was ready, by reason, in the order of their numbers. Each of the others led
  /// to a generation, or was cut short by this side.
  std::vector<failure_count> failed_attempts;
  state_times time_in;
  call_totals calls;

  /// Counts what was lost because of `why`.
  ACTORWIRE_EXPORT void add_drops(error_code why, const tally& not_sent, const tally& maybe_sent);
  ACTORWIRE_EXPORT void add_failed_attempts(error_code why, std::uint64_t attempts);

  /// Failed attempts for all reasons of one kind.
  [[nodiscard]] ACTORWIRE_EXPORT std::uint64_t failed_attempts_of(error_kind kind) const noexcept;

  ACTORWIRE_EXPORT lifetime_stats& operator+=(const lifetime_stats& other);

  friend bool operator==(const lifetime_stats&, const lifetime_stats&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("lifetime_stats", field{"send_latency", self.send_latency}, field{"queue_age", self.queue_age},
                 field{"round_trip", self.round_trip}, field{"drops", self.drops},
                 field{"failed_attempts", self.failed_attempts}, field{"time_in", self.time_in},
                 field{"calls", self.calls});
  }
};

} // namespace actorwire
