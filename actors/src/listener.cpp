#include "listener.hpp"

#include <actorwire/actors/errors.hpp>

#include <utility>

namespace actorwire {

listener::listener(caf::actor_config& config, std::shared_ptr<shard_context> home, accept_settings settings,
                   std::function<void(result<endpoint>)> opened)
  : shard_actor(config, std::move(home)),
    wanted_(std::move(settings)),
    budget_(wanted_.budget),
    opened_(std::move(opened)) {}

listener::behavior_type listener::make_behavior() {
  ignore_error_messages();
  auto outcome = open();
  if (!outcome)
    quit(to_caf_error(outcome.error()));
  if (wanted_.receiver)
    watch(caf::actor_cast<caf::strong_actor_ptr>(wanted_.receiver));
  std::exchange(opened_, {})(std::move(outcome));
  return {
      [this](suspend request) {
        is_suspended_ = true;
        tell_all(request);
      },
      [this](actorwire::resume request) {
        // Nobody could hear of further connections.
        if (has_lost_receiver_)
          return;
        is_suspended_ = false;
        tell_all(request);
      },
      [this](const set_limit& request) {
        // The parts send it without a number when a place has become free.
        if (request.max_connections > 0)
          budget_->set_limit(request.max_connections);
        tell_all(request);
      },
      [this](get_listener_stats) {
        return listener_stats{budget_->open(), budget_->accepted(), budget_->errors(),
                              !is_suspended_ && !closing_.has_begun() && !budget_->is_used_up()};
      },
      [this](const close& request) { return handle(request); },
  };
}

result<endpoint> listener::open() {
  // The first socket finds out which port it is; the others bind to the same.
  const auto shared = std::make_shared<accept_settings>(wanted_);
  const auto first = spawn_on<accept_actor>(home(), shared, caf::strong_actor_ptr{ctrl()});
  parts_.push_back(caf::actor_cast<caf::actor>(first));
  auto local = static_cast<accept_actor&>(*caf::actor_cast<caf::abstract_actor*>(parts_.front())).open(wanted_.local);
  if (!local)
    return local;
  shared->local.port = local->port;
  if (wanted_.config.reuse_port)
    for (const auto& shard : wanted_.shards)
      if (shard != home()) {
        const auto part = spawn_on<accept_actor>(shard, shared, caf::strong_actor_ptr{ctrl()});
        parts_.push_back(caf::actor_cast<caf::actor>(part));
        send_to(parts_.back(), actorwire::resume{});
      }
  return local;
}

caf::typed_response_promise<close_report> listener::handle(const close& request) {
  auto promise = make_response_promise<close_report>();
  closing_.join(this, promise, parts_, request, [this] { quit(); });
  return promise;
}

void listener::on_down(const caf::actor_addr&, const caf::error&) {
  has_lost_receiver_ = true;
  is_suspended_ = true;
  tell_all(suspend{});
}

void listener::tear_down(const caf::error& reason) noexcept {
  closing_.abandon(reason);
  for (const auto& part : parts_)
    caf::anon_send_exit(part, caf::exit_reason::user_shutdown);
  parts_.clear();
}

} // namespace actorwire
