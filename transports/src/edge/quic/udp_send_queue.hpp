#pragma once

#include "engine/quic/udp_datagram.hpp"
#include "udp_socket.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace actorwire {

/// The way out of a socket: keeps, in order, what the kernel would not take, and lets nothing overtake it. While nothing
/// waits it copies nothing. *Thread:* shard only.
class udp_send_queue {
public:
  /// Bound of what waits, with what it takes to keep it. Beyond it the newest datagrams are dropped, which QUIC takes for
  /// what it is, a sign of congestion.
  static constexpr std::size_t bytes_max = std::size_t{256} << 10U;

  struct flushed {
    /// Nothing waits any more; otherwise the socket blocks again.
    bool is_empty = true;
    /// Some of it was told to be refused.
    bool was_refused = false;
    /// Some of it was dropped for a reason of this machine.
    bool has_failed = false;
  };

  /// Sends by `socket`, after what waits. `blocked` means that the rest is kept, or dropped at the bound: either way the
  /// caller need not keep it, should send no more, and calls `flush` when the socket is writable. Other statuses as of
  /// `udp_socket::send`.
  udp_send_status send(udp_socket& socket, const udp_departure& departing);

  /// Sends what waits, until that is nothing or the socket blocks. What cannot be sent at all is dropped.
  flushed flush(udp_socket& socket);

  /// Forgets what waits.
  void clear() noexcept;

  [[nodiscard]] bool is_empty() const noexcept { return waiting_.empty(); }
  /// *Units:* bytes, with what it takes to keep them; at most `bytes_max`.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// Datagrams that were dropped at the bound, in all.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

private:
  struct kept {
    udp_path path;
    ecn_mark mark;
    std::size_t segment_size;
    std::vector<std::byte> bytes;
    /// How much of it has left.
    std::size_t offset = 0;
  };

  void keep(const udp_departure& departing, std::size_t offset);

  std::deque<kept> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

} // namespace actorwire
