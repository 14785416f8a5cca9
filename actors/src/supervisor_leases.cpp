// How a supervisor lends its peers: what its `lease_book` decides is carried out here.

#include "channel/audience.hpp"
#include "delivery/obstacle.hpp"
#include "supervisor.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace actorwire {

namespace {

transport_error lease_ended(std::string why) {
  return make_error(error_code::lease_ended, phase::established, origin::local, std::move(why));
}

} // namespace

// -- requests -----------------------------------------------------------------------------------------------------------

caf::typed_response_promise<lease> supervisor::handle(const checkout& request) {
  const auto who = caf::actor_cast<caf::strong_actor_ptr>(current_sender());
  // Nobody else could have it, or give it back.
  if (!is_request() || !who)
    return {};
  auto asker = make_response_promise<lease>();
  const auto refuse = [&asker](const transport_error& reason) {
    asker.deliver(to_caf_error(reason));
    return asker;
  };
  if (closing_.has_begun())
    return refuse(make_error(error_code::draining, phase::setup, origin::local, "the supervisor is closing"));
  if (const auto valid = validate(request); !valid)
    return refuse(valid.error());
  const auto owner = number_of(who);
  const auto waiter = leases_.ask(request, owner, where().now());
  if (!waiter) {
    forget_former_owner(owner);
    auto text = std::to_string(lease_book::waiters_max) + " checkouts wait already";
    if (const auto broken = pool_.breaker(request.remote))
      text += "; not connected" + describe_obstacle(*broken);
    return refuse(make_error(error_code::pool_exhausted, phase::setup, origin::local, std::move(text)));
  }
  checkouts_.emplace(*waiter, waiting_checkout{request, asker});
  proceed();
  if (request.policy == when_down::fail && checkouts_.contains(*waiter))
    if (const auto reason = pool_.breaker(request.remote)) {
      leases_.withdraw(*waiter);
      answer(*waiter, *reason);
      proceed();
    }
  return asker;
}

caf::result<void> supervisor::handle(const release& request) {
  const auto given_back = leases_.release(request.id, request.reuse, where().now());
  if (!given_back)
    return refuse<void>(
        make_invalid_value("id", std::to_string(request.id), "the id of a lease that has not ended in any way"));
  if (const auto found = members_.find(given_back->peer); found != members_.end()) {
    if (given_back->leaves) {
      send_to(found->second.peer, close{close_mode::flush});
    } else {
      clear(given_back->peer, found->second.peer);
    }
  }
  proceed();
  return caf::unit;
}

void supervisor::note_leaving(const peer_leaving& leaving) {
  const auto now = where().now();
  const auto known = members_.find(leaving.id);
  if (known != members_.end() && leaving.reason.code != error_code::none) {
    known->second.why_leaving = std::make_unique<const transport_error>(leaving.reason);
    pool_.note_spoilt(leaving.id, now);
  }
  if (leaving.is_finishing)
    pool_.retire(leaving.id, now);
  else
    pool_.close(leaving.id, close_mode::drain, now);
  leases_.leave(leaving.id);
  proceed();
}

// -- decisions ----------------------------------------------------------------------------------------------------------

void supervisor::serve_leases() {
  while (const auto step = leases_.poll(where().now())) {
    switch (step->what) {
      case lease_step::kind::grant: {
        auto served = checkouts_.extract(step->waiter);
        const auto& granted = members_.at(step->peer).peer;
        // Ahead of all that its owner can send it.
        peer_directive directive;
        directive.what = peer_directive::kind::lend;
        send_to(granted, std::move(directive));
        served.mapped().asker.deliver(lease{step->lease, granted});
        break;
      }
      case lease_step::kind::refuse: {
        const auto reason = why_none(step->waiter);
        leases_.withdraw(step->waiter);
        answer(step->waiter, reason);
        break;
      }
      case lease_step::kind::make: {
        if (closing_.has_begun()) {
          leases_.cannot_grow();
          break;
        }
        const auto& wanted = leases_.purpose_of(step->group);
        if (const auto id = pool_.add(wanted.remote, *wanted.options, where().now(), wanted.alternatives)) {
          leases_.joined(step->group, *id);
          // It is nobody's from the beginning, as one that was given back.
          peer_directive directive;
          directive.what = peer_directive::kind::clear;
          send_to(make_peer(*id, wanted.remote), std::move(directive));
        } else {
          leases_.cannot_grow();
        }
        break;
      }
      case lease_step::kind::expire:
        take_back(step->peer, lease_ended("the time of the lease is over: it was not given back within `hold`"));
        break;
      case lease_step::kind::retire:
        if (const auto found = members_.find(step->peer); found != members_.end())
          send_to(found->second.peer, close{close_mode::flush});
        break;
    }
  }
  while (const auto owner = leases_.poll_former_owner())
    forget_former_owner(*owner);
  if (const auto next = leases_.next_timeout())
    where().arm(leases_due_, std::max(*next - where().now(), duration{0}));
  else
    leases_due_.cancel();
}

transport_error supervisor::why_none(waiter_id waiter) {
  const auto& remote = checkouts_.at(waiter).request.remote;
  const auto group = leases_.standing_of(waiter);
  const auto broken = pool_.breaker(remote);
  if (group.away == 0) {
    auto text = "the pool holds max_connections = " + std::to_string(options_.limits.max_connections) + " peers";
    if (group.leased + group.leaving >= options_.limits.max_leased || !leases_.is_full())
      text = "all of max_leased = " + std::to_string(options_.limits.max_leased) + " peers of " + to_string(remote)
           + " are lent, or " + std::to_string(group.leaving) + " of them about to close";
    // To wait longer may be of no use.
    if (group.down > 0)
      text += "; " + std::to_string(group.down) + " of them are not connected"
            + describe_obstacle(broken ? *broken : last_error_of(group.somebody_down));
    else if (broken)
      text += "; others are not connected" + describe_obstacle(*broken);
    return make_error(error_code::pool_exhausted, phase::setup, origin::local, std::move(text));
  }
  if (broken)
    return *broken;
  const auto cause = last_error_of(group.somebody_away);
  auto text = "of the peers of " + to_string(remote) + ", " + std::to_string(group.leased) + " are lent and "
            + std::to_string(group.away) + " are not connected" + describe_obstacle(cause);
  if (cause.code == error_code::none)
    return make_error(error_code::not_connected, phase::connect, origin::local, std::move(text));
  return make_error(error_code::not_connected, cause.where, cause.who, std::move(text), cause.system_code);
}

transport_error supervisor::last_error_of(connection_id peer) {
  const auto status = pool_.status(peer, where().now());
  return status ? status->last_error : transport_error{};
}

void supervisor::answer(waiter_id waiter, const transport_error& reason) {
  auto refused = checkouts_.extract(waiter);
  if (!refused)
    return;
  refused.mapped().asker.deliver(to_caf_error(reason));
}

void supervisor::clear(connection_id id, const connection_actor& peer) {
  // Its last owner may have asked it to close: then it says so before it answers, and is lent to nobody. One that has ended
  // is removed when that is known.
  peer_directive directive;
  directive.what = peer_directive::kind::clear;
  directive.reason = lease_ended("the lease was given back");
  ask(this, caf::actor_cast<channel_interface>(peer), caf::infinite, std::move(directive))
      .then(
          [this, id] {
            leases_.note_cleared(id, where().now());
            proceed();
          },
          [](const caf::error&) {});
}

void supervisor::take_back(connection_id peer, const transport_error& reason) {
  ++leases_taken_back_;
  const auto found = members_.find(peer);
  if (found == members_.end())
    return;
  if (const auto status = pool_.status(peer, where().now()))
    publish(pool_change::lease_taken_back, peer, status->info.remote, reason);
  peer_directive directive;
  directive.what = peer_directive::kind::take_back;
  directive.reason = reason;
  send_to(found->second.peer, std::move(directive));
}

void supervisor::lose_hope(connection_id peer, const transport_error& reason) {
  const auto left = leases_.give_up(peer);
  if (left.leaves)
    if (const auto found = members_.find(peer); found != members_.end())
      send_to(found->second.peer, close{close_mode::abort});
  for (const auto waiter : left.hopeless)
    answer(waiter, reason);
}

void supervisor::refuse_impatient(const endpoint& remote) {
  const auto reason = pool_.breaker(remote);
  if (!reason)
    return;
  std::vector<waiter_id> impatient;
  for (const auto& [waiter, waiting] : checkouts_)
    if (waiting.request.policy == when_down::fail && waiting.request.remote == remote)
      impatient.push_back(waiter);
  for (const auto waiter : impatient) {
    leases_.withdraw(waiter);
    answer(waiter, *reason);
  }
}

void supervisor::refuse_checkouts(const transport_error& reason) {
  for (const auto waiter : leases_.withdraw_all())
    answer(waiter, reason);
}

// -- owners -------------------------------------------------------------------------------------------------------------

owner_id supervisor::number_of(const caf::strong_actor_ptr& who) {
  const auto address = caf::actor_cast<caf::actor_addr>(who);
  if (const auto known = owner_ids_.find(address); known != owner_ids_.end())
    return known->second;
  if (!serves(address))
    watch(who);
  owner_ids_.emplace(address, ++last_owner_);
  owners_.emplace(last_owner_, address);
  return last_owner_;
}

void supervisor::forget_former_owner(owner_id owner) {
  if (leases_.knows(owner))
    return;
  const auto left = owners_.extract(owner);
  if (!left)
    return;
  owner_ids_.erase(left.mapped());
  if (!serves(left.mapped()))
    unwatch(left.mapped());
}

void supervisor::bury(const caf::actor_addr& whom) {
  const auto known = owner_ids_.find(whom);
  if (known == owner_ids_.end())
    return;
  const auto owner = known->second;
  const auto left = leases_.bury(owner);
  owner_ids_.erase(whom);
  owners_.erase(owner);
  const auto reason = lease_ended("the owner of the lease has ended");
  for (const auto waiter : left.waiters)
    answer(waiter, reason);
  for (const auto peer : left.peers)
    take_back(peer, reason);
}

} // namespace actorwire
