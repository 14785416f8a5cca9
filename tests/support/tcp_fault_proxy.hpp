#pragma once

#include "tcp_fault_lane.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace actorwire::test {

/// Of one connection.
struct tcp_faults {
  tcp_lane_faults to_server{};
  tcp_lane_faults to_client{};
};

/// Draws one fault of `fates`, for one direction or the other, at one of the first `reach` bytes; and how large pieces are.
[[nodiscard]] tcp_faults drawn_faults(std::mt19937_64& chance, const std::vector<tcp_fate>& fates, std::uint64_t reach);

/// What became of one connection so far.
struct tcp_fault_record {
  /// Bytes that the proxy has taken from the client, and handed to the server.
  std::uint64_t from_client = 0;
  std::uint64_t to_server = 0;
  std::uint64_t from_server = 0;
  std::uint64_t to_client = 0;
  /// Whether its fault, or one of its two, has come about.
  bool is_struck = false;
};

/// A bad line between clients and one server of 127.0.0.1: carries TCP connections over sockets of its own, on a thread of
/// its own, until it is destroyed. The n-th connection meets with the n-th of `weather`, those after the last with
/// nothing. Everything depends on the random source and on what comes in, so that a seed repeats it as far as both sides
/// repeat themselves. A client is connected before the server is: where nobody listens, it is reset.
/// *Thread:* any one thread. *Errors:* throws `std::system_error` when there is no socket to be had.
class tcp_fault_proxy {
public:
  /// Clients beyond these wait until one of them is gone.
  static constexpr std::size_t connections_max = 64;
  /// Later connections are carried and not written down.
  static constexpr std::size_t records_max = 1'024;
  /// Bytes that a socket of the proxy's receives ahead of being read: what a sender takes for arrived and is not (SO_RCVBUF).
  static constexpr int receive_buffer_size = 16'384;

  tcp_fault_proxy(std::uint16_t server_port, std::vector<tcp_faults> weather, std::mt19937_64 chance);
  ~tcp_fault_proxy();
  tcp_fault_proxy(const tcp_fault_proxy&) = delete;
  tcp_fault_proxy& operator=(const tcp_fault_proxy&) = delete;

  /// Where clients find the server.
  [[nodiscard]] std::uint16_t port() const;

  /// One record for each connection that was accepted, in their order.
  [[nodiscard]] std::vector<tcp_fault_record> records() const;

  /// Until `heal` nothing passes, not even an end, and on the connections that there are by then nothing ever after.
  void silence();
  void heal();

  /// Resets the clients of those that were silenced. Their servers are told nothing.
  void reset_silenced_clients();

private:
  class line;
  std::unique_ptr<line> line_;
};

} // namespace actorwire::test
