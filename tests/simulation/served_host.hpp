#pragma once

#include "listener.hpp"
#include "simulated_system.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

/// Accepts what connects to a host of the simulated network, as sockets that listen would.
class simulated_acceptor final : public acceptor {
public:
  simulated_acceptor(simulated_network& hosts, std::vector<endpoint> places)
    : hosts_(hosts), places_(std::move(places)) {}

  result<void> open(const endpoint& where, const listen_config&, acceptor_observer& observer) override {
    local_ = where;
    for (const auto& each : places_)
      hosts_.listen(to_string(each), [told = &observer, proto = each.proto](local_ref<transport> client) {
        told->on_accepted(std::move(client), {proto, "192.0.2.1", 4'711}, address_proof::proved);
      });
    return {};
  }
  result<void> share() override { return {}; }
  [[nodiscard]] endpoint local() const override { return local_; }
  void pause() override {}
  void resume() override {}
  void close() noexcept override {
    for (const auto& each : places_)
      hosts_.stop_listening(to_string(each));
  }

private:
  simulated_network& hosts_;
  std::vector<endpoint> places_;
  endpoint local_;
};

/// Listens at `uris`, all of them one listener, and has each client served as `settings` say, as `network::listen` does.
/// It lives on the shard of `neighbour`, which is number `shard_number`.
inline listener_actor listen_at(simulated_system& world, const probe& neighbour, std::string_view uris,
                                accept_settings settings, transport_config transport,
                                const session_book_limits& sessions = {}, std::size_t shard_number = 0) {
  const auto home =
      dynamic_cast<const shard_resident&>(*caf::actor_cast<caf::abstract_actor*>(neighbour.handle())).home();
  const auto places = parse_endpoints(uris).value();
  settings.local = places.back();
  settings.config.transport = std::move(transport);
  settings.transport = std::make_shared<const transport_config>(settings.config.transport);
  settings.budget = std::make_shared<accept_budget>(settings.config.max_connections);
  if (settings.config.transport.session.mode == session_mode::on)
    settings.sessions = std::make_shared<session_desk>(sessions, limits_of(settings.config.transport.session));
  settings.config.session_keep = std::chrono::duration_cast<std::chrono::milliseconds>(sessions.keep);
  settings.next_id = [next = std::make_shared<connection_id>(1'000)] { return (*next)++; };
  settings.shards = {home};
  settings.make_acceptor = [&hosts = world.hosts(shard_number), places](shard&) {
    return local_ref<acceptor>{make_local<simulated_acceptor>(hosts, places)};
  };
  auto made = spawn_on<listener>(home, std::move(settings), [](const result<endpoint>& where) { REQUIRE(where); });
  world.run_now();
  return made;
}

/// The same by an actor of the library for each client.
inline listener_actor serve_at(simulated_system& world, const probe& neighbour, std::string_view uris,
                               accept_function serve, transport_config transport,
                               const session_book_limits& sessions = {}, std::size_t shard_number = 0) {
  accept_settings settings;
  settings.serve = std::move(serve);
  return listen_at(world, neighbour, uris, std::move(settings), std::move(transport), sessions, shard_number);
}

/// The same by a handler in the shard.
inline listener_actor handle_at(simulated_system& world, const probe& neighbour, std::string_view uris,
                                handler_factory make, transport_config transport,
                                const session_book_limits& sessions = {}) {
  accept_settings settings;
  settings.handle = std::move(make);
  return listen_at(world, neighbour, uris, std::move(settings), std::move(transport), sessions);
}

} // namespace actorwire::test
