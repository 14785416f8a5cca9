#pragma once

#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <chrono>
#include <string_view>
#include <utility>

namespace actorwire::test {

/// A peer that is connected, and whoever subscribes to it and to its supervisor.
struct subscribed_peer {
  subscribed_peer(const acquire_options& options, std::string_view uri, simulated_network::accept_function what)
    : service(std::move(what)), user(world.make_probe()) {
    world.hosts().listen(uri, service);
    user.subscribe_to_pool(world.supervisor());
    peer = world.acquire(uri, options);
    snapshot = user.subscribe(peer);
    world.run_for(std::chrono::seconds{1});
  }

  pool_stats figures() { return test::figures(world, user); }

  /// Its connections live as long as it does, whether it listens or not.
  simulated_network::accept_function service;
  simulated_system world;
  probe user;
  connection_actor peer;
  answer_to<connection_status> snapshot;
};

} // namespace actorwire::test
