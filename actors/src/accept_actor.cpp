#include "accept_actor.hpp"

#include "connection.hpp"
#include "edge/accept_tls.hpp"

#include <actorwire/actors/errors.hpp>

#include <utility>

namespace actorwire {

accept_actor::accept_actor(caf::actor_config& config, std::shared_ptr<shard_context> home,
                           std::shared_ptr<const accept_settings> settings, caf::strong_actor_ptr listener)
  : shard_actor(config, std::move(home)), settings_(std::move(settings)), listener_(std::move(listener)) {}

caf::behavior accept_actor::make_behavior() {
  ignore_error_messages();
  return {
      [this](const open_socket& request) { return handle(request); },
      [this](suspend) { close_socket(); },
      [this](places_changed) { follow_limit(); },
      [this](const credentials_changed& news) { handle(news); },
      [this](accepted& client) { handle(client); },
      [this](const close& request) { return handle(request); },
  };
}

// -- the socket ---------------------------------------------------------------------------------------------------------

caf::result<endpoint> accept_actor::handle(const open_socket& request) {
  if (closing_.has_begun())
    return to_caf_error(make_error(error_code::draining, phase::setup, origin::local, "the listener is closing"));
  if (socket_)
    return socket_->local();
  auto config = settings_->config;
  config.share_port = config.share_port || request.is_joining;
  auto made = settings_->make_acceptor(where());
  if (const auto opened = made->open(request.local, config, *this); !opened)
    return to_caf_error(opened.error());
  socket_ = std::move(made);
  if (config.reuse_port && settings_->shards.size() > 1)
    if (const auto shared = socket_->share(); !shared) {
      close_socket();
      return to_caf_error(shared.error());
    }
  follow_limit();
  return socket_->local();
}

void accept_actor::follow_limit() {
  if (!socket_)
    return;
  if (settings_->budget->is_used_up())
    socket_->pause();
  else
    socket_->resume();
}

void accept_actor::close_socket() noexcept {
  if (socket_)
    socket_->close();
  socket_ = nullptr;
}

shard& accept_actor::choose_shard(shard& mine) {
  // With a socket on every shard the kernel has spread the clients already.
  if (settings_->config.reuse_port)
    return mine;
  next_shard_ = (next_shard_ + 1) % settings_->shards.size();
  chosen_ = settings_->shards[next_shard_];
  return chosen_->shard();
}

void accept_actor::on_accept_error(const transport_error& reason) {
  in_actor([&] { send_to(listener_, accept_failed{reason}); });
}

// -- connections --------------------------------------------------------------------------------------------------------

void accept_actor::on_accepted(local_ref<transport> accepted, const endpoint& remote, address_proof proof) {
  const auto target = chosen_ ? std::exchange(chosen_, nullptr) : home();
  in_actor([&] {
    // The limit may have been reached by another shard since this one looked; the client is turned away.
    if (settings_->budget->is_used_up()) {
      pause();
      return;
    }
    reserved_places reserved{*this};
    const auto from = address_group_of(remote.host);
    // First, so that nobody is ended for one who is turned away.
    auto share = settings_->addresses ? settings_->addresses->share_of(from) : nullptr;
    if (share && !may_come(*share, proof))
      return;
    const auto& half_open = settings_->handshakes;
    const auto place = half_open ? admit(from, proof) : 0;
    // Before it takes a place among the connections: whoever gives back the last of them has to tell all shards.
    if (half_open && place == 0)
      return;
    reserved.in_book = place;
    if (!settings_->budget->try_take()) {
      pause();
      return;
    }
    reserved.is_counted = true;
    // Asked for each client: a reload of one listener is one of all that share its settings.
    if (settings_->identity && settings_->local.proto == protocol::tls)
      accepted = accept_tls(target->shard(), std::move(accepted), settings_->identity->present());
    auto told_when_ready = settings_->receiver ? caf::strong_actor_ptr{ctrl()} : nullptr;
    connection_actor made =
        spawn_on<connection>(target, settings_->next_id(), remote, settings_->transport, std::move(accepted), settings_,
                             connection::places{place, share}, std::move(told_when_ready));
    connections_.emplace(made.id(), admitted{made, place, std::move(share)});
    reserved.keep();
    watch(caf::actor_cast<caf::strong_actor_ptr>(made));
    if (half_open)
      half_open->add(place, made);
    // Only now, so that whoever is counted has its place in the order of those who may have to go.
    settings_->budget->count_accepted();
    if (settings_->budget->is_used_up())
      pause();
  });
}

accept_actor::reserved_places::~reserved_places() {
  if (in_book != 0)
    whose.settings_->handshakes->remove(in_book);
  if (is_counted)
    whose.free_place();
}

void accept_actor::pause() {
  if (socket_)
    socket_->pause();
}

bool accept_actor::may_come(address_limit::share& share, address_proof proof) {
  // A mere claim does not count, or strangers could use up the share of whom they choose. The connection takes it when its
  // address is proved.
  return proof == address_proof::proved ? share.take() : share.is_to_be_had();
}

handshake_book::place accept_actor::admit(const address_group& from, address_proof proof) {
  const auto [taken, evicted] = settings_->handshakes->admit(from, proof);
  // It keeps its place among the connections until it has ended, so these are never more than their limit.
  if (evicted)
    abort_connection(evicted);
  return taken;
}

void accept_actor::leave_book(const admitted& gone) const noexcept {
  if (settings_->handshakes)
    settings_->handshakes->remove(gone.place);
}

void accept_actor::abort_connection(const connection_actor& client) {
  anonymous_tell(client, close{close_mode::abort, settings_->transport->operation_timeout});
}

void accept_actor::handle(accepted& client) {
  const auto id = client.connection.id();
  // Asked and not told: a receiver that ends before it has handled the message leaves a connection that nobody knows.
  // Asked here and not by the connection, which would keep the table of its open requests for life.
  unanswered_.emplace(id, nullptr);
  ask(this, settings_->receiver, caf::infinite, std::move(client))
      .then([this, id] { note_answer(id); },
            [this, id](const caf::error& reason) {
              note_answer(id);
              // Whatever went wrong with it, nobody knows of this connection.
              const auto nobodys = connections_.find(id);
              if (nobodys == connections_.end())
                return;
              send_to(listener_, accept_failed{to_transport_error(reason)});
              abort_connection(nobodys->second.connection);
            });
}

void accept_actor::handle(const credentials_changed& news) {
  if (news.request.drain)
    for (const auto& [id, each] : connections_)
      anonymous_tell(each.connection, close{close_mode::drain, news.request.drain_timeout});
}

void accept_actor::note_answer(caf::actor_id client) {
  unanswered_.erase(client);
  if (!connections_.contains(client))
    free_place();
}

void accept_actor::on_down(const caf::actor_addr& whom, const caf::error&) {
  const auto gone = connections_.extract(whom.id());
  if (!gone)
    return;
  leave_book(gone.mapped());
  // A client that has gone keeps its places until the receiver has heard of it: what waits for a slow one is bounded.
  if (const auto waiting = unanswered_.find(whom.id()); waiting != unanswered_.end())
    waiting->second = std::move(gone.mapped().share);
  else
    free_place();
}

void accept_actor::free_place() {
  // Whoever frees the first place at the limit lets all shards accept again.
  if (settings_->budget->give_back())
    send_to(listener_, places_changed{});
}

// -- the end ------------------------------------------------------------------------------------------------------------

caf::typed_response_promise<close_report> accept_actor::handle(const close& request) {
  close_socket();
  std::vector<connection_actor> clients;
  for (const auto& [id, each] : connections_)
    clients.push_back(each.connection);
  return closing_.join_and_pass_on(this, clients, request, [this] { quit(); });
}

void accept_actor::tear_down(const caf::error& reason) noexcept {
  closing_.abandon(reason);
  close_socket();
  for (const auto& [id, each] : connections_) {
    unanswered_.erase(id);
    settings_->budget->give_back();
    // The parts on other shards may outlive this one.
    leave_book(each);
    caf::anon_send_exit(each.connection, caf::exit_reason::user_shutdown);
  }
  connections_.clear();
  for (std::size_t gone = unanswered_.size(); gone > 0; --gone)
    settings_->budget->give_back();
  // Handles of an ended actor are often kept; what the settings hold may refer back to it.
  settings_ = nullptr;
  listener_ = nullptr;
}

} // namespace actorwire
