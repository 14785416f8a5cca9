#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace actorwire::test {

/// What becomes of datagrams on their way, in both directions alike. Shares are 0 .. 1; one datagram may meet with several.
struct udp_faults {
  double loss = 0;
  double duplication = 0;
  /// One bit is flipped.
  double corruption = 0;
  /// Held back until `overtaken_by` others have gone the same way, or for `hold_max` where none follow.
  double reordering = 0;
  unsigned overtaken_by = 3;
  std::chrono::milliseconds hold_max{5};
  /// Bytes of the longest IP packet that gets through, its headers of 28 bytes included.
  std::size_t mtu = 65'535;
  /// The n-th client is carried for so many datagrams, of both directions together, and then for none; those after the last
  /// for all.
  std::vector<std::uint64_t> lives{};
};

/// What a proxy did so far, in both directions together.
struct udp_fault_counts {
  std::uint64_t arrived = 0;
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
  /// Those that others have really overtaken.
  std::uint64_t reordered = 0;
  std::uint64_t too_long = 0;
  /// Those of clients that are carried no more.
  std::uint64_t silenced = 0;
  /// Clients that have come, where one at another port is another.
  std::uint64_t clients = 0;
  /// Datagrams of the server by which it asks a client of QUIC to prove its address (Retry; RFC 9000, 17.2.5; RFC 9369, 3.2).
  std::uint64_t retries = 0;
};

/// A NAT with a bad link, between clients and one server of 127.0.0.1: carries datagrams over sockets of its own, on a
/// thread of its own, until it is destroyed. What becomes of the n-th datagram of a direction depends on the random source
/// and n alone, so that a seed repeats it as far as both sides repeat themselves. Tells nobody that a server is not there.
/// *Thread:* any one thread. *Errors:* throws `std::system_error` when there is no socket to be had.
class udp_fault_proxy {
public:
  /// Clients beyond these make it forget the one that came first.
  static constexpr std::size_t clients_max = 16;
  /// While so many datagrams of a direction are held back, no further one is.
  static constexpr std::size_t held_max = 256;

  udp_fault_proxy(std::uint16_t server_port, const udp_faults& faults, std::mt19937_64 chance);
  ~udp_fault_proxy();
  udp_fault_proxy(const udp_fault_proxy&) = delete;
  udp_fault_proxy& operator=(const udp_fault_proxy&) = delete;

  /// Where clients find the server.
  [[nodiscard]] std::uint16_t port() const;

  /// From now on the server sees each client at another port, of this address of the loopback network, and what it sends to
  /// the port before is lost. Returns the address of the client that came last, such as "127.0.0.1:40000".
  std::string rebind(const std::string& host = "127.0.0.1");

  /// Until `heal` nothing passes, in either direction, and of the clients that there are by then nothing ever after.
  void silence();
  void heal();

  [[nodiscard]] udp_fault_counts counts() const;

private:
  class link;
  std::unique_ptr<link> link_;
};

} // namespace actorwire::test
