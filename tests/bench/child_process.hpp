#pragma once

#include "posix.hpp"

#include <sys/types.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::bench {

/// A process has ended that was to say something.
struct process_ended : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// This program, started once more with other arguments, or another one. It ends when its standard input does, and dies
/// with its parent.
class child_process {
public:
  /// Its environment is ours, but for what `environment` (NAME=VALUE) sets.
  explicit child_process(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {},
                         const std::string& program = {});
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  /// Ends the process, by force if need be.
  ~child_process();

  [[nodiscard]] pid_t id() const noexcept { return id_; }

  /// CPU time that the process used so far, in user space and in the kernel.
  [[nodiscard]] std::chrono::nanoseconds cpu_time() const;

  /// The next line that the process prints. *Errors:* throws after `timeout`, and `process_ended` when it ended.
  [[nodiscard]] std::string read_line(std::chrono::milliseconds timeout);

  /// Writes to its standard input. *Errors:* throws when it has ended.
  void write(std::string_view text) const;

  /// Asks the process to end. *Errors:* throws if it does not within 10 s, or reports a failure.
  void finish();

private:
  /// Waits until the process prints something or ends; returns how many bytes were added, 0 for the end.
  std::size_t read_more(steady_clock::time_point deadline);

  pid_t id_ = -1;
  unique_fd input_;
  unique_fd output_;
  std::string unread_;
};

} // namespace actorwire::bench
