#pragma once

#include "descriptor.hpp"

#include <sys/eventfd.h>

#include <functional>
#include <future>
#include <mutex>
#include <utility>
#include <vector>

namespace actorwire::test {

/// The way into a thread that waits in `poll`.
class task_door {
public:
  /// Readable while there are tasks.
  [[nodiscard]] int bell() const noexcept { return bell_.get(); }

  /// Has the thread do something, and waits for it. *Errors:* rethrows what it throws.
  void call(std::function<void()> what) {
    std::packaged_task<void()> task{std::move(what)};
    auto done = task.get_future();
    {
      const std::lock_guard guard{mutex_};
      tasks_.push_back(std::move(task));
    }
    ::eventfd_write(bell_.get(), 1);
    done.get();
  }

  /// *Thread:* the one that waits.
  void do_tasks() {
    eventfd_t ignored = 0;
    ::eventfd_read(bell_.get(), &ignored);
    std::vector<std::packaged_task<void()>> tasks;
    {
      const std::lock_guard guard{mutex_};
      tasks.swap(tasks_);
    }
    for (auto& each : tasks)
      each();
  }

private:
  const descriptor bell_{checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")};
  std::mutex mutex_;
  std::vector<std::packaged_task<void()>> tasks_;
};

} // namespace actorwire::test
