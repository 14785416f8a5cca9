#pragma once

#include "close_round.hpp"
#include "edge/tls_store.hpp"
#include "pool_census.hpp"
#include "seam/shard_actor.hpp"
#include "stats_streams.hpp"
#include "subscriber_list.hpp"
#include "supervision/lease_book.hpp"
#include "supervision/pool.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/type_ids.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport_factory.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace actorwire {

/// The public interface of a supervisor; how connection actors tell it that they are ready, and peers that they close, that
/// nobody uses them, and, when they have ended, their last figures.
using supervisor_interface =
    supervisor_actor::extend<sig<void(opened)>, sig<void(peer_leaving)>, sig<void(peer_resting)>, sig<void(stats)>>;

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
    /// Why it leaves though nobody has asked it to; null unless it does.
    std::unique_ptr<const transport_error> why_leaving{};
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

  /// A `checkout` that was not answered yet.
  struct waiting_checkout {
    checkout request;
    caf::typed_response_promise<lease> asker;
  };

  /// The answer to a request that cannot be granted; nothing for whoever did not ask.
  template <class Result>
  [[nodiscard]] caf::result<Result> refuse(const transport_error& reason) {
    if (is_request())
      return to_caf_error(reason);
    return caf::delegated<Result>{};
  }

  caf::result<connection_actor> handle(const acquire& request);
  caf::result<connection_actor> handle(const lookup& request);
  caf::result<void> handle(const set_policy& request);
  caf::result<void> handle(const reset& request);
  caf::typed_response_promise<void> handle(const reload_tls& request);
  caf::typed_response_promise<close_report> handle(const close& request);
  pool_census::promise handle(get_pool_totals);
  caf::typed_response_promise<lease> handle(const checkout& request);
  caf::result<void> handle(const release& request);
  void handle_ready(const opened& event);
  void handle(const stats& last);
  void handle(const stream_stats& request);
  void handle(const subscribe& request);
  void handle(const unsubscribe& request);
  [[nodiscard]] pool_stats statistics() const;
  /// Asks the peers for what they count.
  void begin_census();
  /// Whether `who` is told anything without asking each time, or has a lease, or waits for one; it is watched then.
  [[nodiscard]] bool serves(const caf::actor_addr& who) const;
  /// Forgets whoever is served.
  void dismiss_all();

  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  /// Whether any of the endpoints of a peer is encrypted.
  [[nodiscard]] bool may_use_tls(connection_id id);

  /// The answer for one of the settings that a reload is about.
  void note_reloaded(std::uint64_t number, const tls_config& renewed, const result<void>& outcome);

  /// Carries out whatever is due now; to be called after each change of the pool or the leases.
  void proceed();
  void dial_due();
  /// Makes the actor of a new peer.
  connection_actor make_peer(connection_id id, const endpoint& remote);
  void tell_of_breakers();
  void start_attempt(const dial& order);
  void pass_on(connection_id id, const verdict& decided);
  void publish(pool_change change, connection_id id, const endpoint& remote, const transport_error& reason);

  // -- leases
  /// A peer takes no more messages, or leaves because of what its server did.
  void note_leaving(const peer_leaving& leaving);
  void handle(const peer_resting& resting);
  void serve_leases();
  /// Why a checkout whose time is over got nothing.
  [[nodiscard]] transport_error why_none(waiter_id waiter);
  /// The last failure of a peer; `error_code::none` if there was none.
  [[nodiscard]] transport_error last_error_of(connection_id peer);
  void answer(waiter_id waiter, const transport_error& reason);
  /// Has a peer that was given back forget its last owner, and lends it to others when it has.
  void clear(connection_id id, const connection_actor& peer);
  /// Closes a peer that was lent and not given back.
  void take_back(connection_id peer, const transport_error& reason);
  /// A peer will not connect any more: nobody is to wait for it.
  void lose_hope(connection_id peer, const transport_error& reason);
  void refuse_checkouts(const transport_error& reason);
  /// The same for those that do not want to wait while the breaker of this endpoint is open.
  void refuse_impatient(const endpoint& remote);
  /// The number under which the leases know an actor, which is watched from then on.
  [[nodiscard]] owner_id number_of(const caf::strong_actor_ptr& who);
  void forget_former_owner(owner_id owner);
  void bury(const caf::actor_addr& whom);

  settings options_;
  pool pool_;
  lease_book leases_;
  std::unordered_map<connection_id, member> members_;
  std::unordered_map<caf::actor_id, role> roles_;
  subscriber_list<pool_event> subscribers_;
  stats_streams<supervisor, pool_stats> streams_;
  std::unordered_map<std::uint64_t, reload> reloads_;
  std::uint64_t reloads_begun_ = 0;
  close_round closing_;
  pool_census census_;
  std::unordered_map<waiter_id, waiting_checkout> checkouts_;
  std::unordered_map<caf::actor_addr, owner_id> owner_ids_;
  std::unordered_map<owner_id, caf::actor_addr> owners_;
  owner_id last_owner_ = 0;
  std::uint64_t leases_taken_back_ = 0;
  timer due_;
  timer leases_due_;
  std::size_t next_shard_ = 0;
};

} // namespace actorwire
