#pragma once

#include "edge/tls_store.hpp"
#include "engine/quic/quic_endpoint.hpp"

#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/shard.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace actorwire {

class quic_socket;
struct replay_memory;

/// What the sockets of one QUIC listener share: its keys, how many clients are half-open, and the way to each other's
/// connections. A client that changes its address may come in by the socket of another shard; the
/// ID that its packets go to tells which one is meant.
///
/// Its secrets follow from the listener's private key, so that tokens are good for every process that has the key, and
/// resets for whoever listens on the same address after a restart. The exception are the resets of a listener that shares
/// its port: packets for connections of the others reach it too, and it must not be able to end those. So its resets are
/// good for what it has forgotten itself, and for nothing else. The key is the one that is there when the group is made: a
/// reload changes what the next client is shown, and not the secrets, which the connections of before need.
/// *Thread:* any thread. The mutex guards the list of sockets, each of which is used on its own shard only.
class quic_group : public std::enable_shared_from_this<quic_group> {
public:
  /// Datagrams that wait for another shard; more are dropped, as the network may drop them.
  static constexpr std::size_t strays_max = 1'024;

  /// *Errors:* `memory_limit`.
  [[nodiscard]] static result<std::shared_ptr<quic_group>>
  make(const listen_config& config, std::shared_ptr<tls_identity> identity, std::size_t shards);

  quic_group(const listen_config& config, std::shared_ptr<tls_identity> identity, std::size_t shards,
             const quic_secret& secret);

  quic_group(const quic_group&) = delete;
  quic_group& operator=(const quic_group&) = delete;

  [[nodiscard]] quic_endpoint::setup setup_for(shard& where) const;
  [[nodiscard]] quic_endpoint::acceptance acceptance_for(shard& where) const;

  /// *Thread:* the socket's shard.
  void join(quic_socket& socket);
  void leave(quic_socket& socket) noexcept;
  /// The socket of this shard, if it has one: an acceptor that opens again finds the connections of the one before it.
  [[nodiscard]] local_ref<quic_socket> socket_of(shard& where) const;

  /// Whether one of its sockets is bound to this address, so that another may join it there.
  [[nodiscard]] bool is_bound_to(const udp_address& local) const;

  /// Has another shard handle a copy of the datagram.
  void hand_over(unsigned index, const udp_arrival& stray);

private:
  struct member {
    shard* where = nullptr;
    quic_socket* socket = nullptr;
    /// Tells a socket from the next one, which may have the same address in memory.
    std::uint64_t number = 0;
    std::size_t strays = 0;
  };

  const std::shared_ptr<const transport_config> config_;
  const quic_config& quic_;
  const std::shared_ptr<tls_identity> identity_;
  const connection_id_format ids_;
  const std::shared_ptr<const quic_tokens> tokens_;
  const std::shared_ptr<half_open_count> half_open_ = std::make_shared<half_open_count>();
  const std::shared_ptr<replay_memory> replays_;
  mutable std::mutex mutex_;
  std::uint64_t sockets_joined_ = 0;
  std::vector<member> members_;
};

/// Chance from GnuTLS, that nobody can foresee.
[[nodiscard]] quic_random secure_random();

} // namespace actorwire
