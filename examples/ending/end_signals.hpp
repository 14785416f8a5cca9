#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

/// SIGINT and SIGTERM as wishes: the first asks the program to end in order, the second ends it at once. A thread waits
/// for them, and no handler runs in the middle of something else, so whatever is to be done may be done.
///
/// Make it first in main: threads that exist already would get the signals.
class end_signals {
public:
  end_signals();
  ~end_signals();

  end_signals(const end_signals&) = delete;
  end_signals& operator=(const end_signals&) = delete;

  /// Waits for the first signal.
  void wait();

  /// Calls `what` when the first signal comes, or now if it has come. It must not take long: the second signal waits.
  /// Replaces what was given before, which is neither running nor called any more when this returns.
  void at_first(std::function<void()> what);

  /// Whether the first signal has come.
  [[nodiscard]] bool have_come() const;

private:
  void take_signals();

  sigset_t signals_{};
  std::promise<void> first_;
  std::future<void> has_come_{first_.get_future()};
  std::mutex mutex_;
  std::function<void()> at_first_;
  std::atomic<bool> is_over_{false};
  std::thread taker_;
};
