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
  // It may have thought better of it, and its word to end be on its way.
  if (!user.expects(self_)) {
    carried_to_the_end(
        make_error(error_code::closed, phase::setup, origin::local, "the peer does not want this connection any more"));
    return;
  }
  const auto is_successor = user.expects_as_successor(self_);
  auto bearer = user.make_bearer(transports_);
  if (!bearer) {
    if (is_successor)
      user.note_failed_successor(bearer.error());
    else
      user.note_failed_attempt(bearer.error());
    carried_to_the_end(bearer.error());
    return;
  }
  const auto ready = carry(*bearer, user);
  if (is_successor) {
    wire_->stand_by();
    user.note_successor(*wire_);
  }
  if (!ready) {
    // The wire tells the peer, when it is given up.
    carried_to_the_end(ready.error());
    return;
  }
  (*bearer)->connect(user.remote());
}

void carrier::carries(const transport_opening& opening) {
  opened event;
  if (opening.carried_by)
    event.info.carried_by = *opening.carried_by;
  send_to(supervisor_, std::move(event));
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
