#pragma once

#include <actorwire/messages/health.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstdint>
#include <optional>

namespace actorwire {

/// When a prober is asked, and what its answers, and their absence, mean. Pure: it is told the time, which is that of
/// `shard::lived`, and how many bytes have come.
///
///     rest --interval--> asked --answer--> rest
///      ^                   |
///      +----- timeout -----+
///
/// A probe stays open until it is answered or its connection ends: while one is, no other goes out, but each further round
/// without an answer is a failure more.
///
/// While what has come is not all read, here, an answer may be among it: nobody is asked, and what goes wrong means nothing.
/// *Thread:* shard only.
class probe_schedule {
public:
  explicit probe_schedule(const probe_policy& policy) noexcept : policy_(policy) {}

  /// What is to be done next.
  enum class step : std::uint8_t {
    nothing,
    /// Ask the prober, with the number that `open_probe` tells.
    ask,
    /// The last answers, or their absence, are a cause to be degraded, or ...
    degrade,
    /// ... not any more, or ...
    recover,
    /// ... reason enough to end the connection.
    fail,
  };

  /// There is a connection, of which so many bytes have come.
  void begin(time_point now, std::uint64_t received) noexcept;
  /// It is gone, or nobody is to be asked any more; answers that still come mean nothing.
  void end() noexcept;

  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept { return due_; }

  /// To be called at `next_timeout`. `is_read`: all that has come is read, as soon as it is there.
  [[nodiscard]] step handle_timeout(time_point now, std::uint64_t received, bool is_read = true) noexcept;

  /// The probe with that number was answered. What is not open any more means nothing.
  [[nodiscard]] step note_answer(std::uint64_t number, bool is_good, time_point now, std::uint64_t received,
                                 bool is_read = true) noexcept;

  /// What had come and was not read is read from now on: an answer has its whole time again.
  void note_reading(time_point now) noexcept;
  /// The probe that `open_probe` tells could not be asked: it is as if its time had not come yet.
  void withdraw(time_point now, std::uint64_t received) noexcept;

  /// The number of the probe that is open; 0 if none is.
  [[nodiscard]] std::uint64_t open_probe() const noexcept { return open_; }

  [[nodiscard]] const probe_policy& policy() const noexcept { return policy_; }
  [[nodiscard]] std::uint64_t successes() const noexcept { return successes_; }
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }
  [[nodiscard]] std::uint32_t failures_in_a_row() const noexcept { return in_a_row_; }
  [[nodiscard]] duration round_trip() const noexcept { return round_trip_; }

private:
  void rest(time_point now, std::uint64_t received) noexcept;
  /// Whether bytes have come, where these count.
  [[nodiscard]] bool has_heard(std::uint64_t received) const noexcept;
  [[nodiscard]] step note_life() noexcept;
  [[nodiscard]] step note_failure() noexcept;

  probe_policy policy_;
  std::optional<time_point> due_;
  time_point asked_at_{};
  /// Whether it is time that an answer comes, and not to rest.
  bool waits_ = false;
  std::uint64_t received_before_ = 0;
  std::uint64_t open_ = 0;
  std::uint64_t asked_ = 0;
  std::uint64_t successes_ = 0;
  std::uint64_t failures_ = 0;
  std::uint32_t in_a_row_ = 0;
  duration round_trip_{0};
};

} // namespace actorwire
