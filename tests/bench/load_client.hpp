#pragma once

#include "connection.hpp"
#include "posix.hpp"
#include "quantiles.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace actorwire::bench {

// A client that costs as little as possible: one thread, bare epoll. Each byte that comes back is checked.
// *Errors:* all functions throw when bytes come back wrong, and when the server closes or stalls for 5 s.

/// How long, and of what size.
struct load {
  std::uint16_t port = 0;
  std::string congestion_control;
  std::size_t connections = 1;
  std::size_t message_size = 64;
  std::chrono::nanoseconds warm_up{};
  std::chrono::nanoseconds duration{};
  /// Makes a connection of a socket that is connected, for what is spoken above TCP; empty for plain TCP.
  std::function<std::unique_ptr<connection>(unique_fd)> speak;
  /// Ends the load early, so that a fast machine does not fill its memory with latencies.
  std::uint64_t max_messages = 20'000'000;
  /// What the server's CPU has spent so far, for what a round trip takes of it; empty: nobody asks.
  std::function<std::chrono::nanoseconds()> server_cpu_time;
};

/// What was sent and came back, the warm-up included.
struct verified {
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
};

struct round_trip_figures {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  quantiles spread_us;
  verified echoed;
  /// Of the server's CPU for each, without the warm-up; 0 if nobody asks.
  double server_cpu_us = 0;
};

/// Each connection sends a message, waits until it is back, and sends the next. The warm-up lasts until there were as many
/// round trips as there are connections, at least: what it takes to open them is none of a round trip's.
[[nodiscard]] round_trip_figures measure_round_trips(const load& wanted);

struct stream_figures {
  double megabytes_per_second = 0;
  verified echoed;
};

/// One connection sends messages as fast as it can while at most 2 MiB are on their way.
[[nodiscard]] stream_figures measure_stream(const load& wanted);

/// Connections that made one round trip each and are silent since.
class idle_connections {
public:
  explicit idle_connections(const load& wanted);

  [[nodiscard]] const verified& echoed() const noexcept { return echoed_; }

private:
  std::vector<std::unique_ptr<connection>> connections_;
  verified echoed_;
};

} // namespace actorwire::bench
