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
  connection(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id, const endpoint& remote,
             std::shared_ptr<const transport_config> settings, local_ref<transport> bearer,
             std::shared_ptr<const accept_settings> origin, handshake_book::place place,
             caf::strong_actor_ptr acceptor);

  behavior_type make_behavior() override;

private:
  void becomes_ready(const transport_opening& opening) override;
  void became_ready() override;
  void completes_handshake() override;
  void wire_lost(const transport_error& reason) override;
  void obey(peer_directive&) override {}
  [[nodiscard]] bool depends_on(const caf::actor_addr& who) const noexcept override;
  void cut(const transport_error& reason) override;
  void carried_to_the_end(const transport_error&) override {}
  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  /// Makes the actor that serves this client.
  void engage_server(const accept_function& serve);

  local_ref<transport> bearer_;
  /// Until it is ready, and its handshake done.
  std::shared_ptr<const accept_settings> origin_;
  /// In the book of the listener, until its handshake is done.
  const handshake_book::place place_;
  /// Who is told when this connection is ready, until it is.
  caf::strong_actor_ptr acceptor_;
  caf::actor server_;
};

} // namespace actorwire
