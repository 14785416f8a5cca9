#pragma once

#include "seam/shard_actor.hpp"

#include <actorwire/actors/network.hpp>

#include <memory>
#include <utility>

namespace actorwire {

/// An actor of the user's that lives on a shard.
class function_actor final : public shard_actor<caf::event_based_actor> {
public:
  function_actor(caf::actor_config& config, std::shared_ptr<shard_context> home, shard_function body)
    : shard_actor(config, std::move(home)), body_(std::move(body)) {}

  caf::behavior make_behavior() override { return std::exchange(body_, {})(this); }

private:
  shard_function body_;
};

inline caf::actor spawn_function_on(const std::shared_ptr<shard_context>& home, shard_function body) {
  return caf::actor_cast<caf::actor>(spawn_on<function_actor>(home, std::move(body)));
}

} // namespace actorwire
