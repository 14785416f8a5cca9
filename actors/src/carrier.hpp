#pragma once

#include "channel/channel_actor.hpp"
#include "channel/transport_carrier.hpp"
#include "seam/shard_actor.hpp"

#include <actorwire/transports/transport_factory.hpp>

#include <memory>

namespace actorwire {

/// The connection actor of one attempt of a peer, and of the generation that comes of it: it dials when the peer sends
/// it `connect`, carries the peer's messages, and ends with the reason for which the transport ended. The supervisor,
/// who made it, hears of that as of the end of any actor.
class carrier final : public transport_carrier<shard_actor<caf::event_based_actor>> {
public:
  /// `supervisor` is told by `opened` when the transport is ready.
  carrier(caf::actor_config& config, std::shared_ptr<shard_context> home, std::shared_ptr<transport_factory> transports,
          caf::strong_actor_ptr supervisor);

  caf::behavior make_behavior() override;

private:
  void start();
  void carries(const transport_opening& opening) override;
  void carried_to_the_end(const transport_error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  std::shared_ptr<transport_factory> transports_;
  caf::strong_actor_ptr supervisor_;
  /// Keeps this actor until its transport has ended, even if the peer is gone before.
  caf::strong_actor_ptr self_;
  /// Keeps the peer's channel in memory as long as the wire refers to it.
  caf::strong_actor_ptr peer_;
};

} // namespace actorwire
