#pragma once

#include "engine/quic/udp_address.hpp"

#include <actorwire/messages/result.hpp>

#include <cstddef>

namespace actorwire {

/// How a UDP socket is opened.
struct udp_socket_options {
  /// Joins the sockets that have the port already, and let themselves be joined (`udp_socket::share`).
  bool reuse_port = false;
  /// *Units:* bytes for each direction; 0 leaves what the system gives. With the 208 KiB that Linux gives, a burst of a
  /// fast sender is lost before it is read.
  std::size_t buffer_size = std::size_t{4} << 20U;
  /// Lets the kernel cut trains of datagrams (UDP_SEGMENT). Off by itself where the kernel cannot.
  bool gso = true;
  /// Lets the kernel hand over trains of datagrams uncut (UDP_GRO). Off by itself where the kernel cannot.
  bool gro = true;
};

/// What the system granted. *Units:* bytes, as they are asked for: the kernel counts double, for its book-keeping
/// (socket(7)). Less than was asked for means that net.core.rmem_max or wmem_max is in the way.
struct udp_buffer_sizes {
  std::size_t receive = 0;
  std::size_t send = 0;
};

/// Sets what has to be set before a socket for `local` is bound: nothing is fragmented and the kernel remembers no MTU of
/// any path (RFC 9000, 14), marks of congestion are told, and the local address of each datagram if `local` is a wildcard;
/// `::` means IPv4 too. *Errors:* the system's, naming the option. What is optional is never an error.
[[nodiscard]] result<void> apply_udp_options(int descriptor, const udp_address& local,
                                             const udp_socket_options& options);

/// Asks for buffers; beyond the system's limits if the program may (CAP_NET_ADMIN). Returns what there is then.
udp_buffer_sizes grow_udp_buffers(int descriptor, std::size_t size);

/// Returns whether the kernel knows how to cut trains. One that does not would ignore the order and send a giant.
[[nodiscard]] bool can_cut_trains(int descriptor);

/// Stops telling the local address of each datagram, which a connected socket knows.
void forgo_local_addresses(int descriptor);

} // namespace actorwire
