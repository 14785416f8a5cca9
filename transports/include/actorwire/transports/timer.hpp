#pragma once

#include <actorwire/export.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace actorwire {

class timer_queue;

/// One deadline with what is to happen then. It belongs to one `timer_queue` at a time and leaves it when destroyed.
/// *Thread:* shard only. *Lifetime:* `expired` may destroy the timer itself.
class timer {
public:
  explicit timer(std::function<void()> expired) : expired_(std::move(expired)) {}
  ACTORWIRE_EXPORT ~timer();

  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  /// Whether the deadline lies ahead.
  [[nodiscard]] bool is_armed() const noexcept { return queue_ != nullptr; }
  [[nodiscard]] time_point deadline() const noexcept { return deadline_; }

  /// Takes the timer out of its queue; nothing happens if it is in none.
  ACTORWIRE_EXPORT void cancel() noexcept;

private:
  friend class timer_queue;

  std::function<void()> expired_;
  time_point deadline_{};
  timer_queue* queue_ = nullptr;
  std::size_t index_ = 0;
};

/// The deadlines of one shard, the earliest first: a binary heap in one vector. Pure: it is told the time.
/// Setting, moving and cancelling a timer cost O(log n) and, beyond the vector's growth, no memory.
/// *Thread:* shard only. *Lifetime:* timers left behind are disarmed by the destructor.
class timer_queue {
public:
  timer_queue() = default;
  ACTORWIRE_EXPORT ~timer_queue();

  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;

  /// Sets `entry` to go off at `deadline`, in place of an earlier setting.
  ACTORWIRE_EXPORT void arm(timer& entry, time_point deadline);

  /// The earliest deadline, if any.
  [[nodiscard]] ACTORWIRE_EXPORT std::optional<time_point> next_timeout() const noexcept;

  /// Runs every timer that is due at `now`, in the order of their deadlines. A timer that one of them sets to a time
  /// not later than `now` waits for the next call, so that the loop ends. Returns how many ran.
  ACTORWIRE_EXPORT std::size_t handle_timeout(time_point now);

  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

private:
  friend class timer;

  void remove(timer& entry) noexcept;
  void place(std::size_t index, timer* entry) noexcept;
  void sift_up(std::size_t index) noexcept;
  void sift_down(std::size_t index) noexcept;

  std::vector<timer*> heap_;
};

} // namespace actorwire
