#pragma once

#include <actorwire/export.hpp>
#include <actorwire/transports/buffer_pool.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/memory_budget.hpp>
#include <actorwire/transports/timer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace actorwire {

class reactor;

/// Work that is put off to the end of a turn, so that a burst of small changes costs one system call. Objects leave
/// the list when they are destroyed. *Thread:* shard only.
class flushable {
public:
  flushable() = default;
  flushable(const flushable&) = delete;
  flushable& operator=(const flushable&) = delete;

  virtual void flush() = 0;

protected:
  ~flushable() { link_.unlink(); }

  /// Leaves the list. To be called on the shard by objects that another thread may destroy.
  void forget_flush() noexcept { link_.unlink(); }

private:
  friend class shard;

  /// A place in a ring; the ring's head is a link without an owner.
  struct link {
    link* previous = this;
    link* next = this;
    flushable* owner = nullptr;

    [[nodiscard]] bool is_alone() const noexcept { return next == this; }

    void unlink() noexcept {
      previous->next = next;
      next->previous = previous;
      previous = next = this;
    }

    void insert_before(link& position) noexcept {
      previous = position.previous;
      next = &position;
      previous->next = this;
      position.previous = this;
    }
  };

  link link_;
};

/// One thread that runs one event loop: sockets, timers, buffers, and everything that lives on it. Objects of a shard
/// are touched by its thread only. Work is done in **turns**: the loop hands over one event, the event is handled, then
/// what it caused is run to its end, and what is to be written is flushed once.
class shard {
public:
  /// How a shard runs.
  enum class mode : std::uint8_t {
    /// On a thread of its own, on sockets.
    threaded,
    /// On the thread that calls `run_ready`, for tests: time moves when the clock is moved.
    stepped,
  };

  struct options {
    std::size_t index = 0;
    mode run = mode::threaded;
    /// Must outlive the shard.
    const clock* time = &monotonic_clock();
    std::shared_ptr<memory_budget> budget;
  };

  explicit ACTORWIRE_EXPORT shard(options settings);
  ACTORWIRE_EXPORT ~shard();

  shard(const shard&) = delete;
  shard& operator=(const shard&) = delete;

  // -- life: any thread ------------------------------------------------------------------------------------------------

  /// Starts the thread. `prologue` and `epilogue` run first and last on it. In stepped mode only `prologue` runs.
  ACTORWIRE_EXPORT void start(std::function<void()> prologue = {}, std::function<void()> epilogue = {});

  /// Lets the loop end when the last lease is gone, and waits for that. In stepped mode it runs the loop meanwhile.
  ACTORWIRE_EXPORT void stop();

  /// Begins to `stop`, and waits for no longer than `limit`; returns whether the loop has ended. It may be called again;
  /// `stop` must follow. Not in stepped mode.
  [[nodiscard]] ACTORWIRE_EXPORT bool stop_within(duration limit);

  /// Keeps the loop running as long as it lives. Each actor of the shard holds one. *Thread:* any thread.
  class lease {
  public:
    lease() noexcept = default;
    ACTORWIRE_EXPORT explicit lease(shard& owner);
    lease(lease&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    lease& operator=(lease other) noexcept {
      std::swap(owner_, other.owner_);
      return *this;
    }
    ~lease() {
      if (owner_ != nullptr)
        give_back();
    }
    [[nodiscard]] explicit operator bool() const noexcept { return owner_ != nullptr; }

  private:
    ACTORWIRE_EXPORT void give_back() noexcept;
    shard* owner_ = nullptr;
  };

  // -- any thread ------------------------------------------------------------------------------------------------------

  /// How many leases are held.
  [[nodiscard]] std::size_t lease_count() const noexcept {
    return leases_.load(std::memory_order_relaxed) & ~owners_share;
  }

  /// Runs `task` in a turn of its own. Tasks of one thread keep their order.
  ACTORWIRE_EXPORT void post(std::function<void()> task);

  /// Whether the caller runs on this shard.
  [[nodiscard]] ACTORWIRE_EXPORT bool is_current() const noexcept;

  [[nodiscard]] std::size_t index() const noexcept { return settings_.index; }

  // -- shard only ------------------------------------------------------------------------------------------------------

  /// Brackets every entry from the event loop; the outermost one ends the turn.
  class turn {
  public:
    explicit turn(shard& owner) noexcept : owner_(owner), outermost_(!owner.in_turn_) {
      if (outermost_)
        owner_.begin_turn();
    }
    ~turn() {
      if (outermost_)
        owner_.end_turn();
    }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

  private:
    shard& owner_;
    bool outermost_;
  };

  /// The time of this turn: sampled once, so that all that happens in a turn happens at one instant.
  [[nodiscard]] time_point now() noexcept {
    if (!now_is_sampled_) {
      now_ = settings_.time->now();
      now_is_sampled_ = in_turn_;
      if (now_ - last_alive_ > stall_threshold)
        note_gap();
      last_alive_ = now_;
    }
    return now_;
  }

  /// A deadline that is met later than this shows that the shard did not get to run.
  static constexpr duration stall_threshold = std::chrono::milliseconds{100};

  /// The time of this turn, less all the time in which the shard did not get to run: the program was stopped, the machine
  /// slept, a handler took long. What others are to do within a limit is measured by it, so that nobody is given up for what
  /// this side was too late to see. What a deadline had left when the shard last ran before a stall, it has after it; but a
  /// stall that begins right behind another counts from the deadline that was missed, or a shard that is always late would
  /// never meet one. It never goes back, and is no time of any other shard.
  [[nodiscard]] time_point lived() noexcept { return now() - stalled_; }

  /// The same at this very moment, but at most `stall_threshold` after the turn began: what comes later may be a stall.
  [[nodiscard]] time_point read_lived() noexcept {
    last_alive_ = std::max(last_alive_, std::min(read_clock(), now() + stall_threshold));
    return last_alive_ - stalled_;
  }

  /// How long the shard did not get to run, in sum: what `now` is ahead of `lived`.
  [[nodiscard]] duration stalled() const noexcept { return stalled_; }

  /// The time at this very moment, for who must know how long a turn takes.
  [[nodiscard]] time_point read_clock() const noexcept { return settings_.time->now(); }

  /// Sets `entry` to go off `delay` from now.
  ACTORWIRE_EXPORT void arm(timer& entry, duration delay);

  [[nodiscard]] const timer_queue& timers() const noexcept { return timers_; }

  [[nodiscard]] buffer_pool& buffers() noexcept { return buffers_; }

  /// Has `task.flush()` called once at the end of this turn, however often it is asked for.
  ACTORWIRE_EXPORT void flush_later(flushable& task);

  /// Called at the end of each turn until it returns false: runs queued work (the actors' mailboxes), at most about
  /// 1,024 messages at a time, and returns whether more is left.
  void set_turn_work(std::function<bool()> work) { turn_work_ = std::move(work); }

  /// Called once, in a turn, when the last lease is gone after `stop`: ends what would keep the loop running, and whom
  /// nobody needs any more.
  void set_end_work(std::function<void()> work) { end_work_ = std::move(work); }

  /// Makes sure that another turn follows.
  ACTORWIRE_EXPORT void wake();

  /// Makes sure that the present turn, or else another, runs the work that was just queued.
  void wake_if_idle() {
    if (!in_turn_)
      wake();
  }

  /// Stepped mode: runs all that is ready at the clock's present time; returns whether anything was.
  ACTORWIRE_EXPORT bool run_ready();

  /// The event loop behind it; a type that only the edge of this folder knows.
  [[nodiscard]] reactor& loop() noexcept { return *reactor_; }

private:
  ACTORWIRE_EXPORT void begin_turn() noexcept;
  ACTORWIRE_EXPORT void end_turn();
  void run_flushes();
  void follow_timers();
  void run_due_timers();
  /// Nothing was heard of the clock for a while: finds out whether that was a stall.
  ACTORWIRE_EXPORT void note_gap() noexcept;
  void give_back(std::size_t share) noexcept;
  void begin_to_stop() noexcept;

  options settings_;
  buffer_pool buffers_;
  timer_queue timers_;
  std::unique_ptr<reactor> reactor_;
  std::function<bool()> turn_work_;
  std::function<void()> end_work_;
  flushable::link flushes_;
  /// Gives buffers back to the system a while after a burst.
  timer trim_;
  /// What `stop` gives back; beyond any number of leases, so that these can be told from it.
  static constexpr std::size_t owners_share = ~(~std::size_t{0} >> 1U);
  /// Leases, each of which counts 1, and the owner's share. The loop ends when nothing is left.
  std::atomic<std::size_t> leases_{owners_share};
  time_point now_{};
  /// The latest time at which the shard is known to have run.
  time_point last_alive_{};
  /// When the shard ran again after the last stall.
  time_point stall_ended_ = time_point::min();
  duration stalled_{0};
  bool now_is_sampled_ = false;
  bool in_turn_ = false;
  bool wake_is_pending_ = false;
  /// Touched by whoever stops the shard.
  bool is_stopping_ = false;
};

} // namespace actorwire
