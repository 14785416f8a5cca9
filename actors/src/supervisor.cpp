#include "supervisor.hpp"

#include "carrier.hpp"
#include "peer.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <utility>

namespace actorwire {

namespace {

transport_error no_such_peer(connection_id id) {
  return make_invalid_value("id", std::to_string(id), "the id of a peer of this supervisor");
}

/// What a peer is told of the end of its attempt or connection that has led to `state`.
peer_directive::kind directive_for(connection_state state) noexcept {
  if (state == connection_state::failed)
    return peer_directive::kind::give_up;
  return state == connection_state::idle ? peer_directive::kind::rest : peer_directive::kind::wait;
}

} // namespace

supervisor::supervisor(caf::actor_config& config, std::shared_ptr<shard_context> home, settings options)
  : shard_actor(config, std::move(home)),
    options_(std::move(options)),
    pool_(options_.limits, random_source{options_.seed}, options_.next_id),
    leases_(options_.limits),
    streams_(*this, &supervisor::statistics),
    due_([this] { in_actor([this] { proceed(); }); }),
    leases_due_([this] { in_actor([this] { proceed(); }); }) {}

supervisor::behavior_type supervisor::make_behavior() {
  ignore_error_messages();
  return {
      [this](const acquire& request) { return handle(request); },
      [this](const lookup& request) { return handle(request); },
      [this](list) { return pool_.list(where().now()); },
      [this](const set_policy& request) { return handle(request); },
      [this](const reset& request) { return handle(request); },
      [this](const reload_tls& request) { return handle(request); },
      [this](get_pool_stats) { return statistics(); },
      [this](get_pool_totals request) { return handle(request); },
      [this](const stream_stats& request) { handle(request); },
      [this](const subscribe& request) { handle(request); },
      [this](const unsubscribe& request) { handle(request); },
      [this](const close& request) { return handle(request); },
      [this](const checkout& request) { return handle(request); },
      [this](const release& request) { return handle(request); },
      [this](const opened& event) { handle_ready(event); },
      [this](const peer_resting& resting) { handle(resting); },
      [this](const peer_leaving& leaving) { note_leaving(leaving); },
      [this](const stats& last) { handle(last); },
  };
}

// -- requests -----------------------------------------------------------------------------------------------------------

caf::result<connection_actor> supervisor::handle(const acquire& request) {
  if (closing_.has_begun())
    return refuse<connection_actor>(
        make_error(error_code::draining, phase::setup, origin::local, "the supervisor is closing"));
  if (const auto valid = validate(request); !valid)
    return refuse<connection_actor>(valid.error());
  const auto found = pool_.acquire(request.remote, request.options, where().now(), request.alternatives);
  if (!found)
    return refuse<connection_actor>(found.error());
  if (!found->is_new) {
    if (pool_.wake(found->id, where().now()))
      proceed();
    return members_.at(found->id).peer;
  }
  auto made = make_peer(found->id, request.remote);
  proceed();
  return made;
}

connection_actor supervisor::make_peer(connection_id id, const endpoint& remote) {
  auto home = options_.shards[next_shard_++ % options_.shards.size()];
  // Peers with equal options share them, as their pool entries do.
  const auto options = pool_.options(id);
  const std::shared_ptr<const transport_config> transport{options, &options->transport};
  connection_actor made = spawn_on<peer>(home, id, remote, pool_.alternatives(id), transport,
                                         caf::strong_actor_ptr{ctrl()}, pool_.gauge(id), pool_.idle_timeout(id));
  watch(caf::actor_cast<caf::strong_actor_ptr>(made));
  roles_.emplace(made.id(), role{id, 0});
  members_.emplace(id, member{made, std::move(home)});
  publish(pool_change::added, id, remote, {});
  return made;
}

void supervisor::handle(const peer_resting& resting) {
  if (resting.is_wanted)
    pool_.wake(resting.id, where().now());
  else
    pool_.rest(resting.id);
  proceed();
}

caf::result<connection_actor> supervisor::handle(const lookup& request) {
  const auto found = members_.find(request.id);
  if (found == members_.end())
    return refuse<connection_actor>(no_such_peer(request.id));
  return found->second.peer;
}

caf::result<void> supervisor::handle(const set_policy& request) {
  if (const auto valid = validate(request.policy); !valid)
    return refuse<void>(valid.error());
  if (!pool_.set_policy(request.id, request.policy))
    return refuse<void>(no_such_peer(request.id));
  return caf::unit;
}

caf::result<void> supervisor::handle(const reset& request) {
  if (!pool_.reset(request.id, where().now()))
    return refuse<void>(no_such_peer(request.id));
  if (const auto found = members_.find(request.id); found != members_.end()) {
    peer_directive directive;
    directive.what = peer_directive::kind::revive;
    send_to(found->second.peer, std::move(directive));
  }
  proceed();
  return caf::unit;
}

caf::typed_response_promise<void> supervisor::handle(const reload_tls& request) {
  auto asker = is_request() ? make_response_promise<void>() : caf::typed_response_promise<void>{};
  if (const auto valid = validate(request); !valid) {
    if (asker.pending())
      asker.deliver(to_caf_error(valid.error()));
    return asker;
  }
  // Many peers share their settings, and the credentials with them.
  std::vector<tls_config> in_use;
  for (const auto& [id, entry] : members_)
    if (may_use_tls(id))
      if (const auto& tls = pool_.options(id)->transport.tls; std::ranges::find(in_use, tls) == in_use.end())
        in_use.push_back(tls);
  if (in_use.empty()) {
    detail::deliver_nothing(asker);
    return asker;
  }
  const auto number = ++reloads_begun_;
  auto& begun = reloads_[number];
  begun = {request, asker, {}, in_use.size(), {}};
  for (const auto& each : in_use)
    begun.questions.push_back(options_.identities->reload(tls_role::client, each, where(),
                                                          [this, number, each](const tls_store::answer& found) {
                                                            in_actor([&] {
                                                              note_reloaded(number, each,
                                                                            found ? result<void>{} : found.error());
                                                            });
                                                          }));
  return asker;
}

bool supervisor::may_use_tls(connection_id id) {
  const auto is_encrypted = [](const endpoint& where) { return where.proto != protocol::tcp; };
  const auto status = pool_.status(id, where().now());
  const auto others = pool_.alternatives(id);
  return status && (is_encrypted(status->info.remote) || (others && std::ranges::any_of(*others, is_encrypted)));
}

void supervisor::note_reloaded(std::uint64_t number, const tls_config& renewed, const result<void>& outcome) {
  auto& noted = reloads_.at(number);
  publish(outcome ? pool_change::tls_reloaded : pool_change::tls_kept, 0, {},
          outcome ? transport_error{} : outcome.error());
  if (outcome && noted.request.drain) {
    for (const auto& [id, entry] : members_)
      if (may_use_tls(id) && pool_.options(id)->transport.tls == renewed)
        pool_.renew(id, noted.request.drain_timeout, where().now());
    proceed();
  }
  if (!outcome && noted.outcome)
    noted.outcome = outcome;
  if (--noted.open > 0)
    return;
  const auto ended = std::move(reloads_.extract(number).mapped());
  if (!ended.asker.pending())
    return;
  auto asker = ended.asker;
  if (ended.outcome)
    detail::deliver_nothing(asker);
  else
    asker.deliver(to_caf_error(ended.outcome.error()));
}

caf::typed_response_promise<close_report> supervisor::handle(const close& request) {
  refuse_checkouts(make_error(error_code::draining, phase::setup, origin::local, "the supervisor is closing"));
  std::vector<connection_actor> peers;
  for (const auto& [id, entry] : members_)
    peers.push_back(entry.peer);
  return closing_.join_and_pass_on(this, peers, request, [this] { quit(); });
}

// -- what became of the attempts ----------------------------------------------------------------------------------------

void supervisor::handle_ready(const opened& event) {
  if (!current_sender())
    return;
  const auto found = roles_.find(current_sender()->id());
  const auto* carried_by = event.info.carried_by.host.empty() ? nullptr : &event.info.carried_by;
  if (found != roles_.end() && pool_.connected(found->second.id, found->second.attempt, where().now(), carried_by))
    leases_.note_ready(found->second.id, where().now());
  // A place among those that may connect at once is free again.
  proceed();
}

void supervisor::on_down(const caf::actor_addr& whom, const caf::error& reason) {
  subscribers_.remove(whom);
  streams_.stop(whom);
  bury(whom);
  const auto found = roles_.find(whom.id());
  if (found == roles_.end()) {
    proceed();
    return;
  }
  const auto [id, attempt] = found->second;
  roles_.erase(found);
  if (attempt == 0) {
    const auto left = members_.find(id);
    const auto* why = left != members_.end() ? left->second.why_leaving.get() : nullptr;
    if (const auto status = pool_.status(id, where().now()))
      publish(pool_change::removed, id, status->info.remote, why != nullptr ? *why : to_transport_error(reason));
    pool_.remove(id, where().now());
    members_.erase(id);
    census_.forget(id);
    leases_.remove(id);
    // There is a place for another.
    leases_.may_grow();
  } else if (is_transport_error(reason) || reason == caf::exit_reason::user_shutdown) {
    auto cause = to_transport_error(reason);
    // An orderly end is no failure that would repeat itself. A peer that wanted it is about to end as well.
    if (cause.code == error_code::closed)
      cause = make_error(error_code::peer_closed, cause.where, cause.who, std::move(cause.text));
    if (const auto decided = pool_.ended(id, attempt, cause, where().now()))
      pass_on(id, *decided);
  } else {
    auto cause = to_transport_error(reason);
    // Whatever it means to others, an actor that ends by it has crashed.
    if (cause.code != error_code::crashed)
      cause = make_error(error_code::crashed, cause.where, origin::local, std::move(cause.text));
    if (const auto decided = pool_.crashed(id, attempt, cause, where().now()))
      pass_on(id, *decided);
  }
  proceed();
}

void supervisor::pass_on(connection_id id, const verdict& decided) {
  const auto found = members_.find(id);
  if (found == members_.end())
    return;
  peer_directive directive;
  directive.what = directive_for(decided.state);
  directive.attempt = decided.attempt;
  directive.delay = std::chrono::ceil<std::chrono::milliseconds>(decided.delay);
  directive.reason = decided.reason;
  const auto remote = pool_.status(id, where().now())->info.remote;
  if (directive.what == peer_directive::kind::give_up)
    publish(pool_change::gave_up, id, remote, decided.reason);
  else if (decided.reason.code == error_code::crashed)
    publish(pool_change::crash_restart, id, remote, decided.reason);
  send_to(found->second.peer, std::move(directive));
  leases_.note_away(id);
  if (decided.state == connection_state::failed)
    lose_hope(id, decided.reason);
}

// -- dialling -----------------------------------------------------------------------------------------------------------

void supervisor::proceed() {
  // Whom a breaker holds back matters to those who do not want to wait for it.
  do {
    serve_leases();
    dial_due();
  } while (leases_.has_to_serve());
}

void supervisor::dial_due() {
  while (const auto order = pool_.poll_dial(where().now()))
    start_attempt(*order);
  tell_of_breakers();
  if (const auto next = pool_.next_timeout())
    where().arm(due_, std::max(*next - where().now(), duration{0}));
  else
    due_.cancel();
}

void supervisor::tell_of_breakers() {
  while (const auto change = pool_.poll_breaker_change()) {
    if (change->is_open) {
      publish(pool_change::breaker_opened, 0, change->remote, change->cause);
      refuse_impatient(change->remote);
    } else {
      publish(pool_change::breaker_closed, 0, change->remote, {});
    }
  }
  const auto tell_peer = [this](connection_id id, transport_error&& reason) {
    const auto found = members_.find(id);
    if (found == members_.end())
      return;
    peer_directive directive;
    directive.what = peer_directive::kind::hold;
    directive.reason = std::move(reason);
    send_to(found->second.peer, std::move(directive));
  };
  while (const auto free = pool_.poll_let_go()) {
    leases_.note_let_go(*free);
    tell_peer(*free, {});
  }
  while (auto held = pool_.poll_held_back()) {
    leases_.note_held_back(held->id);
    tell_peer(held->id, std::move(held->reason));
  }
}

void supervisor::start_attempt(const dial& order) {
  const auto found = members_.find(order.id);
  if (found == members_.end())
    return;
  auto& entry = found->second;
  const auto made = spawn_on<carrier>(entry.home, options_.transports, caf::strong_actor_ptr{ctrl()});
  auto connection = caf::actor_cast<caf::strong_actor_ptr>(made);
  watch(connection);
  roles_.emplace(connection->id(), role{order.id, order.attempt});
  peer_directive directive;
  directive.what = order.renewal_limit ? peer_directive::kind::renew : peer_directive::kind::dial;
  directive.connection = std::move(connection);
  directive.attempt = order.failures;
  directive.delay = order.renewal_limit.value_or(std::chrono::milliseconds{0});
  send_to(entry.peer, std::move(directive));
}

void supervisor::publish(pool_change change, connection_id id, const endpoint& remote, const transport_error& reason) {
  subscribers_.publish(*this, event_mask::pool, pool_event{change, id, remote, reason});
}

void supervisor::tear_down(const caf::error& reason) noexcept {
  closing_.abandon(reason);
  census_.abandon(
      reason ? reason
             : to_caf_error(make_error(error_code::closed, phase::setup, origin::local, "the supervisor has ended")));
  due_.cancel();
  leases_due_.cancel();
  refuse_checkouts(reason ? to_transport_error(reason)
                          : make_error(error_code::closed, phase::setup, origin::local, "the supervisor has ended"));
  for (auto& [number, begun] : std::exchange(reloads_, {}))
    if (begun.asker.pending())
      begun.asker.deliver(reason ? reason
                                 : to_caf_error(make_error(error_code::closed, phase::setup, origin::local,
                                                           "the supervisor has ended")));
  // Without a supervisor nobody would ever reconnect them.
  for (const auto& [id, entry] : members_)
    caf::anon_send_exit(entry.peer, caf::exit_reason::user_shutdown);
  members_.clear();
  dismiss_all();
}

} // namespace actorwire
