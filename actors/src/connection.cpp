#include "connection.hpp"

#include "seam/function_actor.hpp"

#include <actorwire/actors/errors.hpp>

#include <utility>

namespace actorwire {

connection::connection(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id,
                       const endpoint& remote, std::shared_ptr<const transport_config> settings,
                       local_ref<transport> bearer, std::shared_ptr<const accept_settings> origin, places held,
                       caf::strong_actor_ptr acceptor)
  : transport_carrier(config, std::move(home), id, remote, std::move(settings)),
    bearer_(std::move(bearer)),
    origin_(std::move(origin)),
    places_(std::move(held)),
    acceptor_(std::move(acceptor)),
    desk_(origin_->sessions) {}

connection::behavior_type connection::make_behavior() {
  transition(state_event::dial);
  if (const auto ready = carry(std::exchange(bearer_, nullptr), *this); !ready)
    end(ready.error());
  return channel_actor::make_behavior();
}

void connection::becomes_ready(const transport_opening& opening) {
  const auto origin = opening.is_early ? origin_ : std::exchange(origin_, nullptr);
  // One that has to go is about to hear that, and not worth telling of.
  if (!settle_places(*origin, opening.is_early))
    acceptor_ = nullptr;
  // Not before: no code of the user's runs, and no memory of his is taken, for somebody who may never be ready. It is
  // there to hear of the transition and of all that follows.
  else if (origin->serve)
    engage_server(origin->serve);
  else if (origin->handle)
    static_cast<void>(add_handler(origin->handle));
}

void connection::completes_handshake() {
  if (const auto origin = std::exchange(origin_, nullptr))
    static_cast<void>(settle_places(*origin, false));
}

bool connection::settle_places(const accept_settings& origin, bool is_early) {
  // One that is early keeps its place: an earlier session vouches for it, and anybody may have many of those. Others are
  // not ended as half-open from here on. Who had to go for another, on whichever shard, was sent word by whoever found that.
  if (const auto& book = origin.handshakes;
      book && !(is_early ? book->contains(places_.half_open) : book->remove(places_.half_open)))
    return false;
  // Nor is the address proved before the handshake is done.
  const auto share = is_early ? places_.of_address : std::exchange(places_.of_address, nullptr);
  if (!share || (is_early ? share->is_to_be_had() : share->take()))
    return true;
  abort_soon();
  return false;
}

void connection::abort_soon() {
  is_turned_away_ = true;
  anonymous_tell(connection_actor{this}, close{close_mode::abort, config().operation_timeout});
}

void connection::engage_server(const accept_function& serve) {
  const connection_actor self{this};
  server_ = spawn_function_on(home(), [self, serve](caf::event_based_actor* server) { return serve(server, self); });
  watch(caf::actor_cast<caf::strong_actor_ptr>(server_));
  add_subscriber(caf::actor_cast<caf::strong_actor_ptr>(server_), {event_mask::all, credit_mode::automatic});
}

void connection::became_ready() {
  if (const auto acceptor = std::exchange(acceptor_, nullptr))
    send_to(acceptor, accepted{connection_actor{this}, info()});
}

bool connection::depends_on(const caf::actor_addr& who) const noexcept {
  return server_ && server_.address() == who;
}

void connection::on_down(const caf::actor_addr& whom, const caf::error& reason) {
  channel_actor::on_down(whom, reason);
  if (depends_on(whom)) {
    server_ = nullptr;
    begin_close(close{close_mode::flush, config().operation_timeout});
  }
}

void connection::wire_lost(const transport_error& reason) {
  end(reason);
}

void connection::cut(const transport_error& reason) {
  if (wire_)
    wire_->cut(reason);
}

void connection::tear_down(const caf::error& reason) noexcept {
  is_crashing_ = reason && reason != caf::exit_reason::user_shutdown;
  channel_actor::tear_down(reason);
  // Its end may have broken off before it came to that.
  leaves_session(reason ? to_transport_error(reason)
                        : make_error(error_code::closed, phase::close, origin::local, "closed by this side"));
  wire_.reset();
  forget_flush();
  bearer_ = nullptr;
  origin_ = nullptr;
  places_.of_address = nullptr;
  acceptor_ = nullptr;
  desk_ = nullptr;
  // Behind the last event that was sent to it, not before.
  if (server_)
    send_to(server_, caf::exit_msg{address(), caf::exit_reason::user_shutdown});
  server_ = nullptr;
}

} // namespace actorwire
