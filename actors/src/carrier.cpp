#include "carrier.hpp"

#include "peer.hpp"

#include <actorwire/actors/errors.hpp>

#include <utility>

namespace actorwire {

carrier::carrier(caf::actor_config& config, std::shared_ptr<shard_context> home,
                 std::shared_ptr<transport_factory> transports, caf::strong_actor_ptr supervisor)
  : transport_carrier(config, std::move(home)),
    transports_(std::move(transports)),
    supervisor_(std::move(supervisor)) {}

caf::behavior carrier::make_behavior() {
  ignore_error_messages();
  return {[this](connect) { start(); }};
}

void carrier::start() {
  self_ = ctrl();
  peer_ = current_sender();
  // Only a peer of this shard is told about its carrier, so the sender is one.
  auto& user = static_cast<peer&>(*caf::actor_cast<caf::abstract_actor*>(peer_));
  auto bearer = user.make_bearer(transports_);
  if (!bearer) {
    user.note_failed_attempt(bearer.error());
    carried_to_the_end(bearer.error());
    return;
  }
  if (const auto ready = carry(*bearer, user); !ready) {
    // The wire tells the peer, when it is given up.
    carried_to_the_end(ready.error());
    return;
  }
  (*bearer)->connect(user.remote());
}

void carrier::carries() {
  send_to(supervisor_, opened{});
}

void carrier::carried_to_the_end(const transport_error& reason) {
  quit(to_caf_error(reason));
}

void carrier::tear_down(const caf::error& reason) noexcept {
  if (wire_)
    wire_->give_up(reason ? to_transport_error(reason)
                          : make_error(error_code::closed, phase::close, origin::local, "ended by this side"));
  wire_.reset();
  forget_flush();
  peer_ = nullptr;
  supervisor_ = nullptr;
  self_ = nullptr;
}

} // namespace actorwire
