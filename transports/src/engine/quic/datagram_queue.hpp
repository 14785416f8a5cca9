#pragma once

#include "fifo.hpp"

#include <actorwire/messages/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace actorwire {

/// Unreliable datagrams (RFC 9221) that wait to be sent. Whoever sends datagrams wants the newest to arrive, so beyond
/// the bound the oldest are dropped. Holds no memory while it is empty. *Thread:* one at a time.
class datagram_queue {
public:
  /// What each datagram counts on top of its bytes, so that those without bytes are bounded too. *Units:* bytes.
  static constexpr std::size_t bytes_each = 32;

  struct datagram {
    /// Whose fate somebody may be told; chosen by whoever pushes.
    std::uint64_t id = 0;
    payload bytes;
  };

  /// *Units:* bytes, `bytes_each` included.
  explicit datagram_queue(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  /// Appends a datagram, and drops from the front what is beyond the bound. Returns the ids of those, so that somebody
  /// can answer for them; one that is larger than the bound is the only one to be dropped.
  [[nodiscard]] std::vector<std::uint64_t> push(std::uint64_t id, payload bytes);

  /// What is sent next. There must be one.
  [[nodiscard]] const datagram& front() const { return waiting_.front(); }
  /// Takes the front out: ngtcp2 has copied it into a packet, or it will never fit.
  datagram pop();

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  /// *Units:* datagrams.
  [[nodiscard]] std::size_t count() const noexcept { return waiting_.size(); }
  /// *Units:* bytes, `bytes_each` not included.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// How many `push` has dropped so far.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
  [[nodiscard]] std::uint64_t dropped_bytes() const noexcept { return dropped_bytes_; }

private:
  [[nodiscard]] std::size_t charge() const noexcept { return bytes_ + waiting_.size() * bytes_each; }

  fifo<datagram> waiting_;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t dropped_bytes_ = 0;
};

} // namespace actorwire
