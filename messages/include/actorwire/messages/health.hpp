#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace actorwire {

/// How a connection is asked whether the program at its other end still works, by an actor that speaks the protocol above:
/// the prober of `set_probe`. A peer that stops answering is lost at the latest after
/// `failures_to_fail * (interval + timeout)`. *Thread:* immutable value.
struct probe_policy {
  /// From the time when the connection is ready, and from the end of each probe, to the next. 10 ms .. 24 h.
  std::chrono::milliseconds interval{15'000};
  /// Time that an answer may take. A later one counts as a success all the same, if nothing has ended the connection before.
  /// 1 ms .. 24 h.
  std::chrono::milliseconds timeout{5'000};
  /// Failures in a row that make a ready connection `degraded`. 0 (never) or 1 .. 1,000.
  std::uint32_t failures_to_degrade = 1;
  /// Failures in a row that end the connection with `probe_failed`; a peer then dials anew. 0 (never) or
  /// `failures_to_degrade` .. 1,000.
  std::uint32_t failures_to_fail = 3;
  /// Whether bytes that come count as an answer: then nobody is asked for as long as some have come within each interval. They
  /// do not undo a failure that the prober reports.
  bool only_when_quiet = true;

  friend bool operator==(const probe_policy&, const probe_policy&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("probe_policy", field{"interval", self.interval}, field{"timeout", self.timeout},
                 field{"failures_to_degrade", self.failures_to_degrade},
                 field{"failures_to_fail", self.failures_to_fail}, field{"only_when_quiet", self.only_when_quiet});
  }
};

/// Checks every field and their order. *Errors:* `invalid_value` or `conflicting_values` naming fields, values and what is
/// allowed.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const probe_policy& policy);

/// What a connection or peer asks its prober: whether the other end still works. The prober finds out in whatever way the
/// protocol has, such as a PING over `source`, and answers with nothing, or with an error. It may take its time and answer
/// by a promise; while one answer is open, no other probe of the same generation comes.
struct health_probe {
  connection_id source = 0;
  std::uint64_t generation = 0;
  /// Counts the probes of one `set_probe`, from 1.
  std::uint64_t number = 0;

  friend bool operator==(const health_probe&, const health_probe&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("health_probe", field{"source", self.source}, field{"generation", self.generation},
                 field{"number", self.number});
  }
};

/// Why a connection that is there is `degraded`.
/// - `probe_failing`: the last `probe_policy::failures_to_degrade` probes were answered with an error, or not in time. Goes
///   with the next success.
/// - `queue_too_old`: the oldest message that waits to be sent has waited for `flow_limits::degraded_age`. Goes when none has
///   any more, which is looked for eight times in that time, and at least each second.
enum class health_cause : std::uint8_t { probe_failing, queue_too_old };

constexpr std::array<std::string_view, 2> names_of(health_cause) {
  return {"probe_failing", "queue_too_old"};
}

/// What `health_changed` tells.
/// - `cause_came`: there is a cause more to be `degraded`.
/// - `cause_went`: there is one less.
/// - `prober_ended`: the actor that was asked has ended. Nobody is asked any more, and what it had said is forgotten.
enum class health_change : std::uint8_t { cause_came, cause_went, prober_ended };

constexpr std::array<std::string_view, 3> names_of(health_change) {
  return {"cause_came", "cause_went", "prober_ended"};
}

/// The health of a connection that is there has changed. With the first cause, and the last that goes, `state_changed` comes
/// before it. The end of a connection takes all causes along, and is no such event.
struct health_changed {
  connection_id source = 0;
  std::uint64_t generation = 0;
  health_change change = health_change::cause_came;
  /// Those that there are now.
  std::vector<health_cause> causes;
  /// Why, with `cause_came` and `prober_ended`.
  transport_error reason;

  friend bool operator==(const health_changed&, const health_changed&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("health_changed", field{"source", self.source}, field{"generation", self.generation},
                 field{"change", self.change}, field{"causes", self.causes}, field{"reason", self.reason});
  }
};

/// Answered with `health_report`, at once.
struct get_health {
  friend bool operator==(const get_health&, const get_health&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("get_health");
  }
};

/// How a connection or peer is doing.
struct health_report {
  connection_id source = 0;
  std::uint64_t generation = 0;
  connection_state state = connection_state::idle;
  /// How long it has been so.
  std::chrono::milliseconds time_in_state{0};
  /// Why it is `degraded`; none otherwise.
  std::vector<health_cause> causes;
  /// Smoothed round-trip time of the transport; 0 while unknown.
  std::chrono::microseconds round_trip{0};
  /// Since bytes last came, or else since the connection was ready; 0 without one.
  std::chrono::milliseconds silence{0};
  /// How long the oldest message that waits to be sent has waited; 0 if none does. As long as there was neither a `get_health`,
  /// nor a prober, nor a `flow_limits::degraded_age`, the times of samples are known, the first message and each 16th after it.
  std::chrono::milliseconds oldest_waiting{0};
  /// Probes that were answered well, and those that were not, or not in time, since `set_probe`.
  std::uint64_t probe_successes = 0;
  std::uint64_t probe_failures = 0;
  std::uint32_t probe_failures_in_a_row = 0;
  /// From the last probe that was answered well to the answer; 0 without one.
  std::chrono::microseconds probe_round_trip{0};
  /// What `half_open_bound` says of the connection.
  std::chrono::milliseconds half_open_bound{0};

  friend bool operator==(const health_report&, const health_report&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("health_report", field{"source", self.source}, field{"generation", self.generation},
                 field{"state", self.state}, field{"time_in_state", self.time_in_state}, field{"causes", self.causes},
                 field{"round_trip", self.round_trip}, field{"silence", self.silence},
                 field{"oldest_waiting", self.oldest_waiting}, field{"probe_successes", self.probe_successes},
                 field{"probe_failures", self.probe_failures},
                 field{"probe_failures_in_a_row", self.probe_failures_in_a_row},
                 field{"probe_round_trip", self.probe_round_trip}, field{"half_open_bound", self.half_open_bound});
  }
};

/// The longest time that an idle connection can go on after the machine at its other end, or the way there, has vanished
/// without a word: `keepalive_interval + keepalive_timeout` and one second, which is a tick of the kernel's clock for
/// keepalive; TCP has no less than a second for each of `tcp_config::keepalive_probes`. With QUIC and without keepalive the
/// `idle_timeout` takes the place of the interval. 0: for ever, because nothing is on that would find out.
[[nodiscard]] ACTORWIRE_EXPORT std::chrono::milliseconds half_open_bound(const transport_config& config,
                                                                         protocol carrier) noexcept;

} // namespace actorwire
