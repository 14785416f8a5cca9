#pragma once

#include "child_process.hpp"
#include "posix.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace actorwire::bench {

/// When a process has accepted its clients, in memory that it shares with the one that made it: looking at it disturbs
/// nobody, and what it holds outlives the process. *Thread:* one writes; any may read.
class accept_board {
public:
  /// Makes one for the times of that many, at most; further ones are counted only.
  explicit accept_board(std::size_t capacity);
  /// The one behind a descriptor that a process has inherited.
  accept_board(unique_fd memory, std::size_t capacity);
  accept_board(const accept_board&) = delete;
  accept_board& operator=(const accept_board&) = delete;
  ~accept_board();

  [[nodiscard]] int descriptor() const noexcept { return memory_.get(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  void clear() noexcept;
  /// One was accepted now.
  void note() noexcept;

  [[nodiscard]] std::size_t count() const noexcept;
  /// In the order in which they were noted.
  [[nodiscard]] std::vector<steady_clock::time_point> times() const;

private:
  struct head;

  [[nodiscard]] std::int64_t* places() const noexcept;

  unique_fd memory_;
  std::size_t capacity_;
  std::size_t mapped_size_;
  /// Followed by the times.
  head* head_;
};

/// What the child process of `storm_server` does: accepts whoever comes on 127.0.0.1 at that port, 0 for any, says which
/// it is, notes when each came, and reads nothing. Ends when its standard input does.
void run_storm_server(std::uint16_t port, accept_board& board);

/// A process that accepts connections, can be killed, and comes back on the same port.
class storm_server {
public:
  /// Notes when that many come, at most, to each of its processes.
  explicit storm_server(std::size_t capacity);

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  /// Whom the present process has accepted.
  [[nodiscard]] const accept_board& accepted() const noexcept { return board_; }

  /// Kills it (SIGKILL), starts another at once, and returns when that one listens.
  void restart();

private:
  void start();

  accept_board board_;
  std::uint16_t port_ = 0;
  std::unique_ptr<child_process> process_;
};

} // namespace actorwire::bench
