#pragma once

#include "engine/quic/receive_arena.hpp"
#include "engine/quic/udp_datagram.hpp"

#include <actorwire/transports/buffer_pool.hpp>

#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace actorwire {

/// What all QUIC sockets of one shard use in turn, so that none has it for itself: where datagrams are written, and where
/// the content of those that arrive is put together.
/// One per event loop: `boost::asio::use_service<quic_memory>(context)`. *Thread:* shard only.
class quic_memory final : public boost::asio::execution_context::service {
public:
  using key_type = quic_memory;
  static boost::asio::execution_context::id id;

  explicit quic_memory(boost::asio::execution_context& owner) : service(owner) {}

  /// *Lifetime:* of the contents, until the next call.
  [[nodiscard]] std::span<std::byte> departures() {
    if (departures_.empty())
      departures_.resize(departure_bytes_max);
    return departures_;
  }

  [[nodiscard]] receive_arena& arena(buffer_pool& buffers) {
    if (!arena_)
      arena_ = std::make_unique<receive_arena>(buffers);
    return *arena_;
  }

private:
  void shutdown() override {}

  std::vector<std::byte> departures_;
  std::unique_ptr<receive_arena> arena_;
};

} // namespace actorwire
