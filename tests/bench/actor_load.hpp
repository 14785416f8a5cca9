#pragma once

#include "posix.hpp"
#include "quantiles.hpp"
#include "tls_identity.hpp"

#include <actorwire/messages/transport_config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace actorwire::bench {

/// A program of actors that loads a server over any protocol: what a user of the library has. It runs on one shard, beside
/// which its actor lives.
/// *Errors:* functions throw when the connection fails or stalls for 10 s.
class actor_load {
public:
  struct settings {
    /// Where the server is, with its protocol.
    std::string uri;
    transport_config transport;
    std::chrono::nanoseconds warm_up{};
    std::chrono::nanoseconds duration{};
  };

  explicit actor_load(settings wanted);
  ~actor_load();

  struct latency {
    double p50_us = 0;
    double p99_us = 0;
    quantiles spread_us;
    std::uint64_t bytes = 0;
  };
  /// Sends a message to a server that sends it back, waits for it, and sends the next.
  [[nodiscard]] latency measure_round_trips(std::size_t message_size);

  /// The same over so many connections at once; round trips for each second.
  [[nodiscard]] double measure_round_trips(std::size_t message_size, std::size_t connections);

  struct throughput {
    double megabytes_per_second = 0;
    /// Of this process, for each GB.
    double cpu_seconds_per_gigabyte = 0;
    /// All that the server's transport has acknowledged, the warm-up included.
    std::uint64_t bytes = 0;
  };
  /// Sends to a server that throws away, with at most 4 MiB not yet acknowledged; on stream 0, or spread evenly over so
  /// many streams opened for it.
  [[nodiscard]] throughput measure_upload(std::size_t message_size, std::size_t streams = 0);

  struct arrivals {
    double per_second = 0;
    /// Of those that were sent: this much of 1.
    double share = 0;
  };
  /// Sends datagrams to a server that counts them, until the time is over; what the server has seen.
  [[nodiscard]] arrivals measure_datagrams(std::size_t size);

  /// Connects, has one message sent back, and closes, again and again; connections for each second. The first makes a
  /// session, if sessions are resumed, and is not counted.
  [[nodiscard]] double measure_handshakes();

  /// Connects so many times; the connections live as long as this does. Each has a message of that size sent back first,
  /// unless it is 0.
  void hold_idle(std::size_t count, std::size_t message_size = 0);

private:
  class parts;
  std::unique_ptr<parts> parts_;
  settings wanted_;
};

} // namespace actorwire::bench
