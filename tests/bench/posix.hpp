#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::bench {

using steady_clock = std::chrono::steady_clock;

[[nodiscard]] double seconds_since(steady_clock::time_point start);

/// Owns a file descriptor.
class unique_fd {
public:
  unique_fd() noexcept = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~unique_fd();

  [[nodiscard]] int get() const noexcept { return fd_; }

private:
  int fd_ = -1;
};

/// Throws `std::system_error` with `errno`.
[[noreturn]] void throw_errno(const char* what);

/// Returns `value`, or throws if it is negative.
template <class Number>
Number checked(Number value, const char* what) {
  if (value < 0)
    throw_errno(what);
  return value;
}

/// The CPUs on which this process may run.
[[nodiscard]] std::vector<int> allowed_cpus();

/// Lets the calling thread, and the threads and processes that it makes from now on, run on one CPU only.
void pin_to_cpu(int cpu);
/// The same for several.
void allow_cpus(const std::vector<int>& cpus);

/// Allows as many open files as the hard limit does, and returns that number.
std::size_t raise_file_limit();

/// How many of `wanted` connections the limit of open files has room for; says on standard error if these are fewer.
[[nodiscard]] std::size_t affordable_connections(std::size_t wanted);

/// Resident memory of a process, bytes, once it has stopped to change; waits 3 s for that at most.
[[nodiscard]] std::size_t settled_resident_bytes(pid_t process);

/// Has a closed socket reset its connection, which leaves no TIME_WAIT behind.
void reset_on_close(int socket);

/// A congestion control that does not pace: pacing by timers (BBR) would measure timers. The first of cubic, reno and the
/// kernel's default that this process may use.
[[nodiscard]] std::string plain_congestion_control();

void set_congestion_control(int socket, const std::string& name);
[[nodiscard]] std::string congestion_control_of(int socket);

/// Sets it on each listening socket of this process; accepted ones inherit it. So every library gets the same without an
/// option for it.
void set_congestion_control_of_listeners(const std::string& name);

} // namespace actorwire::bench
