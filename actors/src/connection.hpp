#pragma once

#include "accept_actor.hpp"
#include "channel/channel_actor.hpp"
#include "channel/transport_carrier.hpp"

#include <memory>

namespace actorwire {

/// A connection that a client has opened: it lives as long as its transport, and ends with the reason for which the
/// transport ended. An actor that serves it is made when it is ready; from then on, both end together.
class connection final : public transport_carrier<channel_actor> {
public:
  /// What a client holds beside its place among the connections.
  struct places {
    /// In the book of the listener, until its handshake is done; 0: none.
    handshake_book::place half_open = 0;
    /// Among the connections of its address, to be taken when that is proved; null where these are not limited.
    std::shared_ptr<address_limit::share> of_address;
  };

  connection(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id, const endpoint& remote,
             std::shared_ptr<const transport_config> settings, local_ref<transport> bearer,
             std::shared_ptr<const accept_settings> origin, places held, caf::strong_actor_ptr acceptor);

  behavior_type make_behavior() override;

private:
  void becomes_ready(const transport_opening& opening) override;
  void became_ready() override;
  void completes_handshake() override;
  [[nodiscard]] result<void> is_greeted(const session_frame& frame) override;
  void leaves_session(const transport_error& reason) override;
  void wire_lost(const transport_error& reason) override;
  void obey(peer_directive& directive) override;
  [[nodiscard]] bool depends_on(const caf::actor_addr& who) const noexcept override;
  void cut(const transport_error& reason) override;
  void carried_to_the_end(const transport_error&) override {}
  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  /// Gives up the place among the half-open, as far as that goes, and takes that among the connections of its address.
  /// Returns whether the client stays: false if it had to go before, or its address has no place left.
  [[nodiscard]] bool settle_places(const accept_settings& origin, bool is_early);
  /// Has this connection end as soon as it can.
  void abort_soon();

  // -- the session: see connection_session.cpp
  void carry_out(session_errands errands);
  void carry_out(session_step& step);

  /// Makes the actor that serves this client.
  void engage_server(const accept_function& serve);

  local_ref<transport> bearer_;
  /// Until it is ready, and its handshake done.
  std::shared_ptr<const accept_settings> origin_;
  places places_;
  /// Who is told when this connection is ready, until it is.
  caf::strong_actor_ptr acceptor_;
  caf::actor server_;
  /// Where the sessions of the listener are; null without, and when this connection has left it.
  std::shared_ptr<session_desk> desk_;
  /// There is no place for the client, who may come again.
  bool is_turned_away_ = false;
  /// This actor is at its end for a failure of its own.
  bool is_crashing_ = false;
};

} // namespace actorwire
