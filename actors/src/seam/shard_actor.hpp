#pragma once

#include "seam/shard_context.hpp"

#include <actorwire/actors/detail/caf_compat.hpp>

#include <memory>
#include <utility>

namespace actorwire {

/// Tells where an actor lives, whatever its type.
class shard_resident {
public:
  [[nodiscard]] const std::shared_ptr<shard_context>& home() const noexcept { return home_; }

protected:
  explicit shard_resident(std::shared_ptr<shard_context> home)
    : home_(std::move(home)), lease_(home_->shard()) {}
  virtual ~shard_resident() = default;

  /// The shard need not wait for this actor any longer.
  void give_back_lease() noexcept { lease_ = {}; }

  [[nodiscard]] bool has_lease() const noexcept { return static_cast<bool>(lease_); }

private:
  std::shared_ptr<shard_context> home_;
  shard::lease lease_;
};

/// An actor that lives on a shard: its handlers, timers and socket events all run on the shard's thread.
///
/// Whatever belongs to the shard (transports, timers) is released in `tear_down`, which runs there, never in the
/// destructor: the last reference to an actor may be dropped by any thread, long after the shard is gone.
template <class Base>
class shard_actor : public detail::hosted_actor<Base>, public shard_resident {
public:
  shard_actor(caf::actor_config& config, std::shared_ptr<shard_context> home)
    : detail::hosted_actor<Base>(config), shard_resident(std::move(home)) {}

  /// Runs `body` like a message handler of this actor. Every event from a transport or timer enters the actor through
  /// this. *Thread:* shard only; not from within a handler of the same actor.
  template <class Body>
  void in_actor(Body&& body) {
    const shard::turn here{where()};
    this->run_as_handler(std::forward<Body>(body));
  }

  [[nodiscard]] shard& where() const noexcept { return home()->shard(); }

protected:
  /// Releases what belongs to the shard. Called once, on the shard, when the actor ends.
  virtual void tear_down(const caf::error&) noexcept {}

  void on_down(const caf::actor_addr&, const caf::error&) override {}

  [[nodiscard]] detail::execution_context* host() const noexcept final { return home().get(); }

private:
  void leave(const caf::error& reason) noexcept final {
    if (!has_lease())
      return;
    // An actor that was never run ends wherever its last reference is dropped, and has nothing to tear down.
    if (where().is_current())
      tear_down(reason);
    give_back_lease();
  }
};

/// Creates an actor of class `T` on a shard. *Thread:* any thread.
template <class T, class... Args>
auto spawn_on(const std::shared_ptr<shard_context>& home, Args&&... args) {
  caf::actor_config config{home.get()};
  return home->system().spawn_class<T, caf::no_spawn_options>(config, home, std::forward<Args>(args)...);
}

} // namespace actorwire
