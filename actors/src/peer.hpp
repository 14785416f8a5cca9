#pragma once

#include "channel/channel_actor.hpp"

#include <chrono>
#include <memory>
#include <optional>

namespace actorwire {

/// The stable handle of a remote endpoint: keeps what is to be sent and who is to be told, while connection actors come
/// and go below it. The supervisor decides when there is to be another; the peer carries that out and tells its
/// subscribers.
class peer final : public channel_actor, private flushable {
public:
  /// `supervisor` is told when the peer takes no more messages.
  peer(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id, const endpoint& remote,
       std::shared_ptr<const transport_config> settings, caf::strong_actor_ptr supervisor);

private:
  void finishes() override;
  void leaves() override;
  void became_ready() override;
  void wire_lost(const transport_error& reason) override;
  void obey(peer_directive& directive) override;
  void cut(const transport_error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  /// Ends the actor if a loss, seen by the carrier and so outside this actor's own message handling, was its end.
  void flush() override;

  caf::strong_actor_ptr supervisor_;
  /// The present attempt or connection.
  caf::strong_actor_ptr carrier_;
  /// How long the connection that is being made may take to end, once it is made: what it shows the other side may have
  /// been replaced since its attempt began.
  std::optional<std::chrono::milliseconds> renewal_;
};

} // namespace actorwire
