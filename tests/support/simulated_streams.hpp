#pragma once

#include "simulated_network.hpp"

#include <actorwire/transports/multiplexer.hpp>
#include <actorwire/transports/transport.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace actorwire::test {

/// The streams other than 0, and the datagrams, of one end of a simulated connection: QUIC as far as an actor can see it.
/// Each stream keeps its order and has a window of its own; datagrams are lost as the link says.
class simulated_streams final : public multiplexer {
public:
  simulated_streams(simulated_transport& owner, multiplexer_observer& observer);

  // -- from the user -----------------------------------------------------------------------------------------------------

  result<stream_id> open(stream_direction direction, stream_priority priority) override;
  result<std::size_t> send(stream_id stream, std::span<const outgoing> pieces) override;
  void receive(stream_id stream, std::size_t bytes) override;
  void finish(stream_id stream) override;
  void reset(stream_id stream, std::uint64_t code) override;
  void stop(stream_id stream, std::uint64_t code) override;
  void prioritize(stream_id stream, stream_priority priority) override;
  [[nodiscard]] std::optional<std::uint64_t> bytes_acked(stream_id stream) const override;
  [[nodiscard]] std::optional<std::uint64_t> bytes_sent(stream_id stream) const override;
  /// What is taken here has left.
  [[nodiscard]] bool is_held_by_peer(stream_id) const override { return false; }
  result<std::uint64_t> send_datagram(payload body) override;

  // -- from the other end ------------------------------------------------------------------------------------------------

  void accept_bytes(stream_id stream, payload bytes);
  void accept_finish(stream_id stream);
  void accept_reset(stream_id stream, std::uint64_t code);
  void accept_stop(stream_id stream, std::uint64_t code);
  void accept_datagram(payload body);
  void handle_acked(stream_id stream, std::uint64_t upto);
  void handle_finish_acked(stream_id stream);
  void handle_retired(stream_direction direction);
  void handle_consumed(stream_id stream, std::uint64_t upto);
  void handle_address_changed(const std::string& local, const std::string& remote);

  /// Streams that are open.
  [[nodiscard]] std::size_t size() const noexcept { return streams_.size(); }
  /// Whether bytes would be lost if the connection ended now.
  [[nodiscard]] bool loses_bytes() const noexcept;

private:
  struct one {
    std::uint64_t sent = 0;
    std::uint64_t acked = 0;
    std::uint64_t consumed = 0;
    std::deque<payload> received;
    std::size_t allowance = 0;
    /// Opened by the other end, and nothing of it was wanted yet.
    bool awaits_reader = false;
    std::uint64_t delivered = 0;
    /// No more may be sent; and no more comes of what was.
    bool is_finished = false;
    bool sending_over = false;
    bool peer_finished = false;
    bool receiving_over = false;
    bool delivery_is_scheduled = false;
    bool wants_room = false;
  };

  [[nodiscard]] bool is_own(stream_id stream) const;
  [[nodiscard]] one* find(stream_id stream);
  /// Finds it, or lets the peer open it. Null for one that is over.
  [[nodiscard]] one* find_or_accept(stream_id stream);
  void deliver_soon(stream_id stream, one& which);
  void deliver(stream_id stream);
  void close_if_over(stream_id stream);

  simulated_transport& owner_;
  multiplexer_observer& observer_;
  std::map<stream_id, one> streams_;
  /// By direction: how many each side has opened.
  std::array<std::uint64_t, 2> opened_{};
  std::array<std::uint64_t, 2> accepted_{};
  /// Of our own, those that the other end has done with.
  std::array<std::uint64_t, 2> retired_{};
  std::uint64_t datagrams_ = 0;
};

} // namespace actorwire::test
