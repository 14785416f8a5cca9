#include "accept_actor.hpp"

#include "connection.hpp"

#include <utility>

namespace actorwire {

accept_actor::accept_actor(caf::actor_config& config, std::shared_ptr<shard_context> home,
                           std::shared_ptr<const accept_settings> settings, caf::strong_actor_ptr listener)
  : shard_actor(config, std::move(home)), settings_(std::move(settings)), listener_(std::move(listener)) {}

caf::behavior accept_actor::make_behavior() {
  ignore_error_messages();
  return {
      [this](suspend) {
        if (socket_)
          socket_->close();
        socket_ = nullptr;
      },
      [this](actorwire::resume) {
        if (!socket_ && !closing_.has_begun())
          if (const auto opened = open(settings_->local); !opened)
            on_accept_error(opened.error());
      },
      [this](set_limit) {
        if (!socket_)
          return;
        if (settings_->budget->is_used_up())
          socket_->pause();
        else
          socket_->resume();
      },
      [this](const close& request) { return handle(request); },
  };
}

result<endpoint> accept_actor::open(const endpoint& where) {
  auto made = make_tcp_acceptor(this->where());
  if (const auto opened = made->open(where, settings_->config, *this); !opened)
    return opened.error();
  socket_ = std::move(made);
  return socket_->local();
}

shard& accept_actor::choose_shard(shard& mine) {
  // With a socket on every shard the kernel has spread the clients already.
  if (settings_->config.reuse_port)
    return mine;
  next_shard_ = (next_shard_ + 1) % settings_->shards.size();
  return settings_->shards[next_shard_]->shard();
}

void accept_actor::on_accepted(local_ref<transport> accepted, const std::string& remote) {
  in_actor([&] {
    // The limit may have been reached by another shard since this one looked; the client is turned away.
    if (!settings_->budget->try_take()) {
      if (socket_)
        socket_->pause();
      return;
    }
    settings_->budget->count_accepted();
    const auto& target = settings_->config.reuse_port ? home() : settings_->shards[next_shard_];
    auto client = parse_endpoint("tcp://" + remote);
    connection_actor made = spawn_on<connection>(target, settings_->next_id(), client ? *client : endpoint{},
                                                 settings_->transport, std::move(accepted), settings_);
    watch(caf::actor_cast<caf::strong_actor_ptr>(made));
    connections_.emplace(made.id(), std::move(made));
    if (settings_->budget->is_used_up() && socket_)
      socket_->pause();
  });
}

void accept_actor::on_accept_error(const transport_error&) {
  settings_->budget->count_error();
}

void accept_actor::on_down(const caf::actor_addr& whom, const caf::error&) {
  if (connections_.erase(whom.id()) == 0)
    return;
  // Whoever frees the first place at the limit lets all shards accept again.
  if (settings_->budget->give_back())
    send_to(listener_, set_limit{});
}

caf::typed_response_promise<close_report> accept_actor::handle(const close& request) {
  auto promise = make_response_promise<close_report>();
  if (socket_)
    socket_->close();
  socket_ = nullptr;
  std::vector<connection_actor> clients;
  for (const auto& [id, client] : connections_)
    clients.push_back(client);
  closing_.join(this, promise, clients, request, [this] { quit(); });
  return promise;
}

void accept_actor::tear_down(const caf::error& reason) noexcept {
  closing_.abandon(reason);
  if (socket_)
    socket_->close();
  socket_ = nullptr;
  for (const auto& [id, client] : connections_) {
    settings_->budget->give_back();
    caf::anon_send_exit(client, caf::exit_reason::user_shutdown);
  }
  connections_.clear();
}

} // namespace actorwire
