#pragma once

#include "posix.hpp"
#include "temporary_file.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace actorwire::bench {

/// Counts the system calls of a process, all threads of it, by strace. The process is much slower meanwhile.
class system_call_counter {
public:
  /// Returns when it counts, or may not: there is no strace, or the system allows it to nobody.
  explicit system_call_counter(pid_t process);
  ~system_call_counter();
  system_call_counter(const system_call_counter&) = delete;
  system_call_counter& operator=(const system_call_counter&) = delete;

  /// Ends it. Nothing if it could not count.
  [[nodiscard]] std::optional<std::uint64_t> stop();

private:
  void end(int signal) noexcept;

  temporary_file file_{"bench_calls"};
  unique_fd messages_;
  pid_t tracer_ = -1;
  bool is_attached_ = false;
};

} // namespace actorwire::bench
