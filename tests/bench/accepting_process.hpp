#pragma once

#include "posix.hpp"

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace actorwire::bench {

/// A process that accepts every connection on every loopback address, notes when, and resets some when asked. It says and
/// understands nothing else. It shares a page of figures with the process that made it, so that looking at them does not
/// disturb it. *Thread:* make it before any other thread exists: it is a fork without exec.
class accepting_process {
public:
  /// Notes the times of `capacity` accepts at most, and then accepts no more.
  accepting_process(std::size_t capacity, const std::string& congestion_control);
  accepting_process(const accepting_process&) = delete;
  accepting_process& operator=(const accepting_process&) = delete;
  ~accepting_process();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  /// How many connections were accepted so far.
  [[nodiscard]] std::size_t accepted() const noexcept;

  /// When they were, from index `first` on.
  [[nodiscard]] std::vector<steady_clock::time_point> accept_times(std::size_t first) const;

  /// Resets the `count` oldest connections, and waits until that is done. Once only.
  void reset_oldest(std::size_t count);

private:
  struct alignas(std::int64_t) board {
    std::atomic<std::uint32_t> accepted{0};
    std::atomic<std::uint32_t> to_reset{0};
    std::atomic<std::uint32_t> was_reset{0};
  };

  [[noreturn]] void accept_all();
  void accept_waiting(std::vector<int>& sockets);
  [[nodiscard]] std::int64_t* times() const noexcept;

  std::size_t capacity_;
  unique_fd listener_;
  std::uint16_t port_ = 0;
  std::size_t mapped_size_ = 0;
  /// Followed by the times.
  board* board_ = nullptr;
  pid_t id_ = -1;
};

} // namespace actorwire::bench
