#pragma once

#include "seam/shard_context.hpp"

#include <actorwire/actors/detail/caf_execution.hpp>

#include <caf/send.hpp>

#include <memory>
#include <utility>

namespace actorwire {

/// Tells where an actor lives, whatever its type.
class shard_resident {
public:
  [[nodiscard]] const std::shared_ptr<shard_context>& home() const noexcept { return home_; }

protected:
  explicit shard_resident(std::shared_ptr<shard_context> home) : home_(std::move(home)), lease_(home_->shard()) {}
  virtual ~shard_resident() = default;

  /// The shard need not wait for this actor any longer.
  void move_out() noexcept {
    home_->move_out(*this);
    lease_ = {};
  }

  [[nodiscard]] bool lives_here() const noexcept { return static_cast<bool>(lease_); }

private:
  friend class shard_context;

  [[nodiscard]] virtual caf::weak_actor_ptr weak_handle() = 0;

  std::shared_ptr<shard_context> home_;
  shard::lease lease_;
  /// Neighbours in the book of the shard.
  shard_resident* next_resident_ = nullptr;
  shard_resident* previous_resident_ = nullptr;
};

/// An actor that lives on a shard: its handlers, timers and socket events all run on the shard's thread.
///
/// Whatever belongs to the shard (transports, timers) is released in `tear_down`, which runs there, never in the
/// destructor: the last reference to an actor may be dropped by any thread, long after the shard is gone.
template <class Base>
class shard_actor : public detail::hosted_actor<Base>, public shard_resident {
public:
  shard_actor(caf::actor_config& config, std::shared_ptr<shard_context> home)
    : detail::hosted_actor<Base>(config), shard_resident(std::move(home)) {
    this->home()->move_in(*this);
  }

  /// Runs `body` like a message handler of this actor. Every event from a transport or timer enters the actor through
  /// this. *Thread:* shard only; not from within a handler of the same actor.
  template <class Body>
  void in_actor(Body&& body) {
    const shard::turn here{where()};
    this->run_as_handler(std::forward<Body>(body));
  }

  [[nodiscard]] shard& where() const noexcept { return home()->shard(); }

  /// Whether the message that is being handled was asked and not told. Only requests are answered: CAF takes an error that
  /// nobody asked for as a reason to end the one who gets it.
  [[nodiscard]] bool is_request() { return this->current_mailbox_element()->mid.is_request(); }

  /// Sends one message to whatever kind of actor.
  template <class Handle, class Message>
  void send_to(const Handle& receiver, Message&& message) {
    detail::enqueue_to(caf::actor_cast<caf::strong_actor_ptr>(receiver), this->ctrl(), host(),
                       std::forward<Message>(message));
  }

protected:
  /// Releases what belongs to the shard. Called once, on the shard, when the actor ends.
  virtual void tear_down(const caf::error&) noexcept {}

  void on_down(const caf::actor_addr&, const caf::error&) override {}

  [[nodiscard]] detail::routing_context* host() const noexcept final { return home().get(); }

private:
  [[nodiscard]] caf::weak_actor_ptr weak_handle() final { return caf::weak_actor_ptr{this->ctrl()}; }

  void leave(const caf::error& reason) noexcept final {
    if (!lives_here())
      return;
    // An actor that was never run ends wherever its last reference is dropped, and has nothing to tear down.
    if (where().is_current())
      tear_down(reason);
    move_out();
  }
};

/// Creates an actor of class `T` on a shard. *Thread:* any thread.
template <class T, class... Args>
auto spawn_on(const std::shared_ptr<shard_context>& home, Args&&... args) {
  caf::actor_config config{home.get()};
  auto made = home->system().spawn_class<T, caf::no_spawn_options>(config, home, std::forward<Args>(args)...);
  // Whoever comes while the others are sent away goes with them.
  if (home->is_ending())
    caf::anon_send_exit(made, caf::exit_reason::user_shutdown);
  return made;
}

} // namespace actorwire
