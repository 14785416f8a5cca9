#pragma once

#include <signal.h>

#include <exception>
#include <system_error>
#include <thread>
#include <utility>

namespace actorwire {

/// Starts a detached thread that takes no signals: the program's handlers expect to run on the program's threads.
template <class Body>
void start_quiet_thread(Body body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::exception_ptr failure;
  try {
    std::thread{std::move(body)}.detach();
  } catch (const std::system_error&) {
    failure = std::current_exception();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure)
    std::rethrow_exception(failure);
}

} // namespace actorwire
