#include "listener.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace actorwire {

namespace {

/// How long the connections of a listener that is closed wait for all its sockets to be closed.
constexpr duration patience_max = std::chrono::seconds{1};

transport_error closed_because(std::string text) {
  return make_error(error_code::closed, phase::setup, origin::local, std::move(text));
}

} // namespace

listener::listener(caf::actor_config& config, std::shared_ptr<shard_context> home, accept_settings settings,
                   std::function<void(result<endpoint>)> opened)
  : shard_actor(config, std::move(home)),
    settings_(std::make_shared<const accept_settings>(std::move(settings))),
    local_(settings_->local),
    opened_(std::move(opened)),
    held_long_enough_([this] { in_actor([this] { pass_closes_on(); }); }),
    sweep_([this] { in_actor([this] { sweep_sessions(); }); }),
    streams_(*this, &listener::statistics) {}

listener::behavior_type listener::make_behavior() {
  ignore_error_messages();
  const auto add_part = [this](const std::shared_ptr<shard_context>& where) {
    parts_.push_back(
        caf::actor_cast<caf::actor>(spawn_on<accept_actor>(where, settings_, caf::strong_actor_ptr{ctrl()})));
    watch(caf::actor_cast<caf::strong_actor_ptr>(parts_.back()));
  };
  add_part(home());
  if (settings_->config.reuse_port)
    for (const auto& shard : settings_->shards)
      if (shard != home())
        add_part(shard);
  if (settings_->receiver)
    watch(caf::actor_cast<caf::strong_actor_ptr>(settings_->receiver));
  open_sockets();
  if (settings_->sessions) {
    settings_->sessions->report_to(caf::weak_actor_ptr{ctrl()});
    sweep_sessions();
  }
  return {
      [this](suspend request) { return handle(request); },
      [this](actorwire::resume request) { return handle(request); },
      [this](const set_limit& request) { return handle(request); },
      [this](const reload_tls& request) { return handle(request); },
      [this](get_listener_stats) { return statistics(); },
      [this](const stream_stats& request) { handle(request); },
      [this](const subscribe& request) { handle(request); },
      [this](const unsubscribe& request) { handle(request); },
      [this](const close& request) { return handle(request); },
      [this](const places_changed& news) { tell_parts(news); },
      [this](const accept_failed& event) {
        count_error(event.reason);
        publish(listener_change::accept_failed, event.reason);
      },
      [this](const session_lost& event) { publish_lost({event}); },
  };
}

// -- requests -----------------------------------------------------------------------------------------------------------

listener::promise listener::handle(suspend) {
  auto asker = is_request() ? make_response_promise<void>() : promise{};
  suspending_.push_back(asker);
  close_sockets(closed_because("the listener was suspended meanwhile"));
  return asker;
}

listener::promise listener::handle(actorwire::resume) {
  auto asker = is_request() ? make_response_promise<void>() : promise{};
  if (has_lost_receiver_ || closing_.has_begun()) {
    const auto why =
        closed_because(has_lost_receiver_ ? "the receiver of the listener has ended" : "the listener is closing");
    if (asker.pending())
      asker.deliver(to_caf_error(why));
    return asker;
  }
  resuming_.push_back(asker);
  if (state_ == sockets::open)
    note_open();
  else if (state_ == sockets::closed)
    open_sockets();
  return asker;
}

caf::result<void> listener::handle(const set_limit& request) {
  auto wanted = settings_->config;
  wanted.max_connections = request.max_connections;
  if (const auto valid = validate(wanted); !valid) {
    if (is_request())
      return to_caf_error(valid.error());
    count_error(valid.error());
    return caf::unit;
  }
  settings_->budget->set_limit(request.max_connections);
  if (settings_->handshakes)
    settings_->handshakes->set_limit(
        handshake_book::limit_for(settings_->config.max_handshakes, request.max_connections));
  tell_parts(places_changed{});
  return caf::unit;
}

listener::promise listener::handle(const reload_tls& request) {
  auto asker = is_request() ? make_response_promise<void>() : promise{};
  auto valid = validate(request);
  if (valid && !settings_->identity)
    valid =
        make_error(error_code::unsupported, phase::setup, origin::local, "reload_tls: the listener does not speak TLS");
  if (!valid) {
    publish(listener_change::tls_kept, valid.error());
    if (asker.pending())
      asker.deliver(to_caf_error(valid.error()));
    else
      count_error(valid.error());
    return asker;
  }
  const auto number = ++reloads_begun_;
  auto question = settings_->identities->reload(tls_role::server, settings_->identity->config(), where(),
                                                [this, number, request](const tls_store::answer& found) {
                                                  in_actor([&] { note_reloaded(number, request, found); });
                                                });
  reloads_.emplace(number, std::pair{std::move(question), asker});
  return asker;
}

void listener::note_reloaded(std::uint64_t number, const reload_tls& request, const tls_store::answer& found) {
  if (!found) {
    end_reload(number, found.error());
    return;
  }
  ask_parts<>(0, credentials_changed{request},
              [this, number](const result<void>& outcome) { end_reload(number, outcome); });
}

void listener::end_reload(std::uint64_t number, const result<void>& outcome) {
  auto asker = std::move(reloads_.extract(number).mapped().second);
  if (!outcome)
    count_error(outcome.error());
  publish(outcome ? listener_change::tls_reloaded : listener_change::tls_kept,
          outcome ? transport_error{} : outcome.error());
  if (!asker.pending())
    return;
  if (outcome)
    detail::deliver_nothing(asker);
  else
    asker.deliver(to_caf_error(outcome.error()));
}

void listener::handle(const subscribe& request) {
  const auto who = caf::actor_cast<caf::strong_actor_ptr>(current_sender());
  if (!who)
    return;
  if (!is_watched(caf::actor_cast<caf::actor_addr>(who)))
    watch(who);
  subscribers_.add(who, request.mask);
}

void listener::handle(const unsubscribe&) {
  const auto who = caf::actor_cast<caf::actor_addr>(current_sender());
  if (subscribers_.remove(who) && !is_watched(who))
    unwatch(who);
}

void listener::handle(const stream_stats& request) {
  const auto who = caf::actor_cast<caf::strong_actor_ptr>(current_sender());
  if (!who)
    return;
  const auto address = caf::actor_cast<caf::actor_addr>(who);
  if (request.interval.count() > 0) {
    if (!is_watched(address))
      watch(who);
    streams_.start(who, request.interval);
  } else if (streams_.stop(address) && !is_watched(address)) {
    unwatch(address);
  }
}

bool listener::is_part(const caf::actor_addr& who) const {
  return std::ranges::any_of(parts_, [&](const caf::actor& each) { return each.address() == who; });
}

bool listener::is_receiver(const caf::actor_addr& who) const {
  return settings_->receiver && who == settings_->receiver.address();
}

bool listener::is_watched(const caf::actor_addr& who) const {
  return is_receiver(who) || is_part(who) || subscribers_.includes(who) || streams_.includes(who);
}

listener_stats listener::statistics() const {
  const auto& budget = *settings_->budget;
  listener_stats all;
  all.open = budget.open();
  all.accepted = budget.accepted();
  if (settings_->addresses)
    all.connections_refused = settings_->addresses->refused();
  if (const auto& book = settings_->handshakes) {
    const auto handshakes = book->counts();
    all.handshaking = handshakes.handshaking;
    all.handshakes_refused = handshakes.refused;
    all.handshakes_evicted = handshakes.evicted;
  }
  all.accept_errors = errors_;
  all.accepting = state_ == sockets::open && !closing_.has_begun() && !budget.is_used_up();
  all.last_error = last_error_;
  return all;
}

caf::typed_response_promise<close_report> listener::handle(const close& request) {
  const auto begun = closing_.join(this, [this] { quit(); });
  close_sockets(closed_because("the listener was closed meanwhile"));
  const auto time = std::clamp<duration>(request.timeout, duration{0}, std::chrono::hours{24});
  held_closes_.push_back({begun, request, where().now() + time});
  // On every shard before the first connection ends: who is sent away here is not taken in by the next shard. Parts close
  // their sockets at once, but one on a shard that is blocked must not cost the others' connections their time.
  const auto patience = request.mode == close_mode::abort ? duration{0} : std::min(time / 2, patience_max);
  if (begun.is_first && patience > duration{0}) {
    holds_closes_ = true;
    ask_parts<>(0, suspend{}, [this](const result<void>&) { pass_closes_on(); });
    where().arm(held_long_enough_, patience);
  } else if (!holds_closes_ || patience == duration{0}) {
    pass_closes_on();
  }
  return begun.asker;
}

void listener::pass_closes_on() {
  holds_closes_ = false;
  held_long_enough_.cancel();
  for (auto& [begun, request, end] : std::exchange(held_closes_, {})) {
    request.timeout =
        std::max(std::chrono::ceil<std::chrono::milliseconds>(end - where().now()), std::chrono::milliseconds{0});
    closing_.pass_on(this, begun, parts_, request);
  }
}

// -- sockets ------------------------------------------------------------------------------------------------------------

template <class... Answer, class Question>
void listener::ask_parts(std::size_t first, const Question& question,
                         std::function<void(const result<void>&)> then_do) {
  struct joint_answer {
    std::size_t open;
    result<void> outcome;
    std::function<void(const result<void>&)> then_do;

    void count() {
      if (--open == 0)
        then_do(outcome);
    }
  };
  if (first == parts_.size()) {
    then_do({});
    return;
  }
  const auto all = std::make_shared<joint_answer>(joint_answer{parts_.size() - first, {}, std::move(then_do)});
  for (auto index = first; index < parts_.size(); ++index)
    ask(this, parts_[index], caf::infinite, question)
        .then([all](const Answer&...) { all->count(); },
              [all](const caf::error& reason) {
                if (all->outcome)
                  all->outcome = to_transport_error(reason);
                all->count();
              });
}

void listener::tell_parts(const places_changed& news) {
  for (const auto& part : parts_)
    send_to(part, news);
}

void listener::open_sockets() {
  state_ = sockets::opening;
  const auto round = ++round_;
  ask(this, parts_.front(), caf::infinite, open_socket{local_, false})
      .then(
          [this, round](const endpoint& taken) {
            if (round == round_)
              let_others_join(taken);
          },
          [this, round](const caf::error& reason) {
            if (round == round_)
              note_failure(to_transport_error(reason));
          });
}

void listener::let_others_join(const endpoint& taken) {
  // The first socket finds out which port it is; the others, and all later ones, bind to the same.
  local_.port = taken.port;
  ask_parts<endpoint>(1, open_socket{local_, true}, [this, round = round_](const result<void>& outcome) {
    if (round != round_)
      return;
    if (outcome)
      note_open();
    else
      note_failure(outcome.error());
  });
}

void listener::note_open() {
  if (std::exchange(state_, sockets::open) != sockets::open)
    publish(listener_change::opened);
  for (auto& asker : std::exchange(resuming_, {}))
    detail::deliver_nothing(asker);
  if (opened_)
    std::exchange(opened_, nullptr)(local_);
}

void listener::note_failure(const transport_error& reason) {
  count_error(reason);
  close_sockets(reason);
}

void listener::close_sockets(const transport_error& why) {
  stops_listening_ = stops_listening_ || state_ == sockets::open || state_ == sockets::opening;
  state_ = sockets::closing;
  const auto round = ++round_;
  for (auto& asker : std::exchange(resuming_, {}))
    if (asker.pending())
      asker.deliver(to_caf_error(why));
  // A part handles what it is asked in order, so it closes what it was asked to open before.
  ask_parts<>(0, suspend{}, [this, round, why](const result<void>&) {
    if (round == round_)
      note_closed(why);
  });
}

void listener::note_closed(const transport_error& why) {
  state_ = sockets::closed;
  if (std::exchange(stops_listening_, false))
    publish(listener_change::suspended, why);
  for (auto& asker : std::exchange(suspending_, {}))
    detail::deliver_nothing(asker);
  if (opened_) {
    std::exchange(opened_, nullptr)(why);
    quit(to_caf_error(why));
  }
  // Not before: the first socket takes the port for itself, which the last of the old ones would have kept.
  if (!resuming_.empty())
    open_sockets();
}

void listener::count_error(const transport_error& reason) {
  ++errors_;
  last_error_ = reason;
}

void listener::publish(listener_change change, const transport_error& reason) {
  subscribers_.publish(*this, event_mask::listener, listener_event{change, local_, reason});
}

// -- sessions -----------------------------------------------------------------------------------------------------------

void listener::sweep_sessions() {
  const auto now = where().now();
  publish_lost(settings_->sessions->expire(now).lost);
  // One that is left by its connection in a moment is due after `session_keep`, and nobody says so here.
  const duration keep = settings_->config.session_keep;
  const auto next = settings_->sessions->next_timeout();
  where().arm(sweep_, next ? std::clamp<duration>(*next - now, std::chrono::milliseconds{1}, keep) : keep);
}

void listener::publish_lost(const std::vector<session_lost>& lost) {
  for (const auto& each : lost)
    subscribers_.publish(*this, event_mask::sessions, each);
}

// -- the end ------------------------------------------------------------------------------------------------------------

void listener::on_down(const caf::actor_addr& whom, const caf::error& reason) {
  subscribers_.remove(whom);
  streams_.stop(whom);
  if (is_receiver(whom)) {
    has_lost_receiver_ = true;
    close_sockets(closed_because("the receiver of the listener has ended"));
  } else if (is_part(whom) && !closing_.has_begun()) {
    // Nobody listens on its shard any more, and nobody is to believe so.
    quit(reason);
  }
}

void listener::tear_down(const caf::error& reason) noexcept {
  held_long_enough_.cancel();
  sweep_.cancel();
  if (settings_->sessions)
    publish_lost(settings_->sessions->close().lost);
  const auto why = reason ? reason : to_caf_error(closed_because("the listener has ended"));
  closing_.abandon(why);
  for (auto* waiting : {&resuming_, &suspending_})
    for (auto& asker : std::exchange(*waiting, {}))
      if (asker.pending())
        asker.deliver(why);
  for (auto& [number, begun] : std::exchange(reloads_, {}))
    if (begun.second.pending())
      begun.second.deliver(why);
  if (opened_)
    std::exchange(opened_, nullptr)(to_transport_error(why));
  for (const auto& part : parts_) {
    unwatch(part.address());
    caf::anon_send_exit(part, caf::exit_reason::user_shutdown);
  }
  parts_.clear();
  for (const auto& who : streams_.stop_all())
    if (!is_watched(who))
      unwatch(who);
  subscribers_.for_each([this](const auto& who) { unwatch(caf::actor_cast<caf::actor_addr>(who)); });
  subscribers_.clear(*this);
  // Handles of an ended listener are often kept, by its receiver above all: neither keeps the other.
  if (settings_->receiver)
    unwatch(settings_->receiver.address());
  settings_ = nullptr;
}

} // namespace actorwire
