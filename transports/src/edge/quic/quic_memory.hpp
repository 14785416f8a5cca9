#pragma once

#include "engine/quic/quic_endpoint.hpp"
#include "engine/quic/receive_arena.hpp"
#include "engine/quic/udp_datagram.hpp"
#include "qlog_file.hpp"

#include <actorwire/transports/buffer_pool.hpp>

#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

namespace actorwire {

class quic_socket;

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

  /// What the endpoints of clients are made of. Nobody resets their connections, so nobody needs to know their secret.
  [[nodiscard]] quic_endpoint::setup client_setup(buffer_pool& buffers);

  /// Where the connections of this shard write what they do.
  [[nodiscard]] qlog_folder& logs() noexcept { return logs_; }

  /// Sockets that close when nobody needs them may be in no hurry; they are, when their shard ends.
  void add(quic_socket& open);
  void remove(quic_socket& closed) noexcept { open_.erase(&closed); }

private:
  void shutdown() override {}
  void close_all();

  std::vector<std::byte> departures_;
  std::unique_ptr<receive_arena> arena_;
  std::shared_ptr<const quic_tokens> tokens_;
  qlog_folder logs_;
  std::unordered_set<quic_socket*> open_;
};

} // namespace actorwire
