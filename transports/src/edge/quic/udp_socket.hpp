#pragma once

#include "engine/quic/udp_address.hpp"
#include "engine/quic/udp_datagram.hpp"
#include "udp_options.hpp"

#include <actorwire/messages/result.hpp>

#include <cstddef>
#include <cstdint>

namespace actorwire {

class udp_receive_buffers;

/// Takes what a socket receives.
class udp_sink {
public:
  /// Is called for each datagram in the order of arrival; never for an empty one. May send by the socket and close it,
  /// but neither receive nor destroy it.
  virtual void handle_datagram(const udp_arrival& arrived) = 0;

protected:
  ~udp_sink() = default;
};

/// What came of one call to receive.
struct udp_reception {
  /// Messages that the kernel handed over, each a datagram or a train of them.
  std::size_t messages = 0;
  /// Messages that did not fit a buffer, of which the datagrams that are not whole were dropped.
  std::size_t truncated = 0;
  /// All buffers were filled, so that there may be more.
  bool may_have_more = false;
  /// Nothing was received, because of this errno; 0 for none. Errors of connected sockets tell of datagrams that were
  /// sent: ECONNREFUSED that nobody listens there, EMSGSIZE that a router had to drop one. They are told once, and the
  /// socket goes on.
  int system_code = 0;
};

/// What became of a departure.
enum class udp_send_status : std::uint8_t {
  /// All of it is the kernel's.
  sent,
  /// The kernel takes no more (EAGAIN), or has no memory (ENOBUFS); the rest should follow when the socket is writable.
  blocked,
  /// Larger than the interface or the path carries; dropped, which the search for the path's MTU notices.
  too_large,
  /// An earlier datagram found nobody listening; this one was dropped to tell so. Connected sockets only.
  refused,
  /// Dropped for another reason: a firewall, no route, a local address that is gone.
  failed
};

struct udp_send_result {
  udp_send_status status = udp_send_status::sent;
  /// Bytes that have left, whole segments.
  std::size_t bytes = 0;
  /// The errno behind a status other than `sent`.
  int system_code = 0;
};

/// A non-blocking UDP socket, with what Linux offers to move many datagrams by few calls. It waits for nothing: whoever
/// owns it watches `native_handle()`. *Thread:* shard only. *Lifetime:* closes itself.
class udp_socket {
public:
  udp_socket() = default;
  ~udp_socket() { close(); }
  udp_socket(const udp_socket&) = delete;
  udp_socket& operator=(const udp_socket&) = delete;

  /// Binds a new socket to `local`; port 0 lets the system choose. `::` serves IPv4 too. *Errors:* the system's, naming
  /// the address or the option; `invalid_value` if `reuse_port` is set without a port: the system might choose the port
  /// of strangers who share theirs.
  [[nodiscard]] result<void> open(const udp_address& local, const udp_socket_options& options);

  /// Restricts the socket to one peer, which saves the search for a route for each datagram, and lets it hear of refusals.
  /// *Errors:* the system's, naming the address.
  [[nodiscard]] result<void> connect(const udp_address& remote);

  /// Lets sockets of the same user that are opened with `reuse_port` join. Until then the port is this one's alone, so
  /// that opening fails if another program has it; opened with `reuse_port` it would join that program's group unnoticed.
  /// For UDP as for TCP Linux (4.5 or newer) makes the group when the second socket is bound. From then on it deals
  /// datagrams out by a hash of the addresses, anew whenever a socket comes or goes: one may get datagrams of connections
  /// that another one has. *Errors:* the system's.
  [[nodiscard]] result<void> share();

  void close() noexcept;

  /// Each becomes the other.
  void swap(udp_socket& other) noexcept;

  /// Receives what fits `buffers` by one call to the system, and gives the datagrams to `sink`. Empty ones are left out:
  /// they are no QUIC packets, and ngtcp2 wants none. The local end of their path is where they were sent to, also if the
  /// socket is bound to a wildcard.
  udp_reception receive(udp_receive_buffers& buffers, udp_sink& sink);

  /// Sends datagrams from `path.local`, if that is known, no wildcard and not settled by the socket, to `path.remote`; a
  /// connected socket sends to its peer. Where the kernel or the device cannot cut trains, they are sent one by one from
  /// then on. Not more than `departure_bytes_max` and `departure_segments_max`.
  udp_send_result send(const udp_departure& departing);

  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
  [[nodiscard]] int native_handle() const noexcept { return descriptor_; }
  /// The address that the socket is bound to, with the port that the system chose.
  [[nodiscard]] const udp_address& local() const noexcept { return local_; }
  /// The peer of a connected socket.
  [[nodiscard]] const udp_address& remote() const noexcept { return remote_; }
  [[nodiscard]] udp_buffer_sizes buffer_sizes() const noexcept { return buffer_sizes_; }
  /// Whether trains are cut by the kernel.
  [[nodiscard]] bool has_gso() const noexcept { return has_gso_; }

private:
  [[nodiscard]] result<void> bind(const udp_address& local, const udp_socket_options& options);
  [[nodiscard]] udp_send_result send_one_by_one(const udp_departure& departing);
  /// Returns 0 or the errno.
  [[nodiscard]] int transmit(const udp_departure& departing, std::size_t offset, std::size_t size);

  int descriptor_ = -1;
  sa_family_t family_ = AF_UNSPEC;
  bool is_connected_ = false;
  bool has_gso_ = false;
  udp_address local_;
  udp_address remote_;
  udp_buffer_sizes buffer_sizes_;
};

} // namespace actorwire
