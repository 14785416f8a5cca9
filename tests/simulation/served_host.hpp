#pragma once

#include "listener.hpp"
#include "simulated_system.hpp"

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire::test {

/// Accepts what connects to a host of the simulated network, as a socket that listens would.
class simulated_acceptor final : public acceptor {
public:
  simulated_acceptor(simulated_network& hosts, std::string uri) : hosts_(hosts), uri_(std::move(uri)) {}

  result<void> open(const endpoint& where, const listen_config&, acceptor_observer& observer) override {
    local_ = where;
    hosts_.listen(uri_, [told = &observer](local_ref<transport> client) {
      told->on_accepted(std::move(client), {protocol::tcp, "192.0.2.1", 4'711}, address_proof::proved);
    });
    return {};
  }
  result<void> share() override { return {}; }
  [[nodiscard]] endpoint local() const override { return local_; }
  void pause() override {}
  void resume() override {}
  void close() noexcept override { hosts_.stop_listening(uri_); }

private:
  simulated_network& hosts_;
  std::string uri_;
  endpoint local_;
};

/// Listens at `uri`, and serves each client by an actor of the library, as `network::listen` does.
inline listener_actor serve_at(simulated_system& world, const probe& neighbour, std::string_view uri,
                               accept_function serve, transport_config transport,
                               const session_book_limits& sessions = {}) {
  const auto home =
      dynamic_cast<const shard_resident&>(*caf::actor_cast<caf::abstract_actor*>(neighbour.handle())).home();
  accept_settings settings;
  settings.local = parse_endpoint(uri).value();
  settings.config.transport = std::move(transport);
  settings.transport = std::make_shared<const transport_config>(settings.config.transport);
  settings.budget = std::make_shared<accept_budget>(settings.config.max_connections);
  if (settings.config.transport.session.mode == session_mode::on)
    settings.sessions = std::make_shared<session_desk>(sessions, limits_of(settings.config.transport.session));
  settings.config.session_keep = std::chrono::duration_cast<std::chrono::milliseconds>(sessions.keep);
  settings.serve = std::move(serve);
  settings.next_id = [next = std::make_shared<connection_id>(1'000)] { return (*next)++; };
  settings.shards = {home};
  settings.make_acceptor = [&hosts = world.hosts(), uri = std::string{uri}](shard&) {
    return local_ref<acceptor>{make_local<simulated_acceptor>(hosts, uri)};
  };
  auto made = spawn_on<listener>(home, std::move(settings), [](const result<endpoint>& where) { REQUIRE(where); });
  world.run_now();
  return made;
}

} // namespace actorwire::test
