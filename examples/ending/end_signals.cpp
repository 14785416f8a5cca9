#include "end_signals.hpp"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <utility>

end_signals::end_signals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  // Inherited by every thread that is made from now on.
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  taker_ = std::thread{[this] { take_signals(); }};
}

end_signals::~end_signals() {
  is_over_ = true;
  // Sent to this thread alone, which is still waiting.
  pthread_kill(taker_.native_handle(), SIGTERM); // NOLINT(bugprone-bad-signal-to-kill-thread): it takes it by sigwait
  taker_.join();
}

void end_signals::take_signals() {
  for (auto is_first = true;; is_first = false) {
    auto number = 0;
    if (sigwait(&signals_, &number) != 0 || is_over_)
      return;
    // What a shell says of a program that a signal has ended.
    if (!is_first)
      ::_exit(128 + number);
    const std::lock_guard guard{mutex_};
    first_.set_value();
    if (at_first_)
      at_first_();
  }
}

void end_signals::wait() {
  has_come_.wait();
}

void end_signals::at_first(std::function<void()> what) {
  const std::lock_guard guard{mutex_};
  at_first_ = std::move(what);
  if (at_first_ && have_come())
    at_first_();
}

bool end_signals::have_come() const {
  return has_come_.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
}
