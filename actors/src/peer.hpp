#pragma once

#include "channel/channel_actor.hpp"
#include "supervision/winner_memory.hpp"

#include <actorwire/transports/transport_factory.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

namespace actorwire {

/// The stable handle of a remote endpoint, or of several that lead to one service: keeps what is to be sent and who is to be told, while connection actors come
/// and go below it. The supervisor decides when there is to be another; the peer carries that out and tells its
/// subscribers.
class peer final : public channel_actor, private flushable {
public:
  /// `alternatives` are the endpoints behind `remote`; null if there are none. `supervisor` is told when the peer takes no
  /// more messages.
  peer(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id, const endpoint& remote,
       std::shared_ptr<const std::vector<endpoint>> alternatives, std::shared_ptr<const transport_config> settings,
       caf::strong_actor_ptr supervisor);

  /// Makes what the next attempt connects with, to `remote()`. *Errors:* those of `transport_factory::create_transport`.
  [[nodiscard]] result<local_ref<transport>> make_bearer(const std::shared_ptr<transport_factory>& transports);

private:
  void finishes() override;
  void leaves() override;
  void has_left() override;
  void becomes_ready(const transport_opening& opening) override;
  void became_ready() override;
  void wire_lost(const transport_error& reason) override;
  [[nodiscard]] bool can_have_streams() const noexcept override;
  void obey(peer_directive& directive) override;
  void cut(const transport_error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  /// Ends the actor if a loss, seen by the carrier and so outside this actor's own message handling, was its end.
  void flush() override;

  /// What a peer of several endpoints has beside the first.
  struct detours {
    std::shared_ptr<const std::vector<endpoint>> alternatives;
    winner_memory memory;
  };

  caf::strong_actor_ptr supervisor_;
  /// Null for one endpoint, as most peers have.
  std::unique_ptr<detours> detours_;
  /// The present attempt or connection.
  caf::strong_actor_ptr carrier_;
  /// How long the attempt under way may go on once it has succeeded, if it began before credentials were renewed.
  std::optional<std::chrono::milliseconds> renewal_;
};

} // namespace actorwire
