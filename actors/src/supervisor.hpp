#pragma once

#include "close_round.hpp"
#include "edge/tls_store.hpp"
#include "seam/shard_actor.hpp"
#include "subscriber_list.hpp"
#include "supervision/pool.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport_factory.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace actorwire {

/// The public interface of a supervisor, how connection actors tell it that they are ready, and peers that they close.
using supervisor_interface = supervisor_actor::extend<sig<void(opened)>, sig<void(peer_leaving)>>;

/// Carries out what its `pool` decides: makes peers, makes a connection actor for each attempt, watches both, and hands
/// each peer the verdict. No payload and no user code passes through it, so nothing that users do can bring it down.
class supervisor final : public shard_actor<supervisor_interface::base> {
public:
  struct settings {
    pool_limits limits;
    std::uint64_t seed = 0;
    std::shared_ptr<transport_factory> transports;
    std::shared_ptr<tls_store> identities;
    /// Where peers may live; they are dealt out in turn.
    std::vector<std::shared_ptr<shard_context>> shards;
    std::function<connection_id()> next_id;
  };

  supervisor(caf::actor_config& config, std::shared_ptr<shard_context> home, settings options);

  behavior_type make_behavior() override;

private:
  struct member {
    connection_actor peer;
    std::shared_ptr<shard_context> home;
    caf::actor_id carrier = 0;
  };

  /// What a watched actor is to the pool.
  struct role {
    connection_id id = 0;
    /// Which attempt a connection actor makes; 0 for the peer itself.
    attempt_id attempt = 0;
  };

  /// A `reload_tls` that is under way.
  struct reload {
    reload_tls request;
    caf::typed_response_promise<void> asker;
    std::vector<tls_store::query> questions;
    std::size_t open = 0;
    result<void> outcome;
  };

  caf::result<connection_actor> handle(const acquire& request);
  caf::result<connection_actor> handle(const lookup& request);
  caf::result<void> handle(const set_policy& request);
  caf::result<void> handle(const reset& request);
  caf::typed_response_promise<void> handle(const reload_tls& request);
  caf::typed_response_promise<close_report> handle(const close& request);
  void handle_ready();

  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  /// Whether any of the endpoints of a peer is encrypted.
  [[nodiscard]] bool may_use_tls(connection_id id);

  /// The answer for one of the settings that a reload is about.
  void note_reloaded(std::uint64_t number, const tls_config& renewed, const result<void>& outcome);

  void dial_due();
  void tell_of_breakers();
  void start_attempt(const dial& order);
  void pass_on(connection_id id, const verdict& decided);
  void publish(pool_change change, connection_id id, const endpoint& remote, const transport_error& reason);

  settings options_;
  pool pool_;
  std::unordered_map<connection_id, member> members_;
  std::unordered_map<caf::actor_id, role> roles_;
  subscriber_list subscribers_;
  std::unordered_map<std::uint64_t, reload> reloads_;
  std::uint64_t reloads_begun_ = 0;
  close_round closing_;
  timer due_;
  std::size_t next_shard_ = 0;
};

} // namespace actorwire
