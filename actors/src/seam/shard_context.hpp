#pragma once

#include "seam/outside_work.hpp"

#include <actorwire/actors/detail/caf_execution.hpp>
#include <actorwire/transports/shard.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace actorwire {

class shard_resident;

/// A shard seen as a place where CAF actors run: the seam between the two. Actors that live on the shard are run at the
/// end of each turn; a message between two of them crosses neither lock nor thread, and where the receiver has nothing
/// else to do, it does not even pass through a mailbox.
///
/// *Lifetime:* each of its actors holds the context, so it outlives the network as long as somebody still refers to one
/// of them. A message that arrives after the shard's thread has ended finds a closed mailbox, and all that is left to do
/// is to release the actor.
class shard_context final : public detail::routing_context, public std::enable_shared_from_this<shard_context> {
public:
  shard_context(caf::actor_system& system, shard::options settings);

  /// Starts the shard's thread.
  void launch();

  /// Tells every actor that lives here to end, and every one that comes later too. *Thread:* any thread.
  void end_actors();

  /// Keeps the book of who lives here. *Thread:* any thread.
  void move_in(shard_resident& who);
  void move_out(shard_resident& who) noexcept;
  [[nodiscard]] bool is_ending();

  /// Waits for the last actor of the shard, then ends its thread. *Thread:* any but the shard's own.
  void join();

  [[nodiscard]] actorwire::shard& shard() noexcept { return shard_; }
  [[nodiscard]] caf::actor_system& system() noexcept { return system_; }

  /// Takes what CAF wants to have run. *Thread:* any thread.
  void route(caf::resumable* what) override;

  /// Takes a message between two actors of this shard out of the hands of CAF, if nothing is in the receiver's mailbox
  /// that it could overtake. *Thread:* any thread.
  bool take_over(caf::scheduled_actor& receiver, detail::direct_handler by, caf::mailbox_element_ptr& message) override;

  /// The actor that handles a message on the calling thread just now.
  [[nodiscard]] static caf::resumable& running() noexcept;

private:
  /// Releases an actor that is to be run when the shard has stopped; one that was made too late ends unrun.
  void turn_away(caf::resumable* what);

  /// An actor to run, which has been counted as referred to: for its mailbox, or for one message.
  struct run {
    caf::resumable* who;
    caf::mailbox_element_ptr message;
    /// Tried first; only with a message.
    detail::direct_handler by = nullptr;
  };

  /// Runs the actors that have messages; returns whether some are left for the next turn.
  bool run_actors();
  /// Lets a message that `receiver` skips, and whatever else is on its way to it, go through the mailbox, in order.
  void put_by(caf::scheduled_actor& receiver, caf::mailbox_element_ptr skipped);

  caf::actor_system& system_;
  actorwire::shard shard_;

  // -- shard only
  std::deque<run> ready_;
  outside_work outside_work_;

  // -- the seam: the only state that other threads touch
  std::mutex mutex_;
  std::vector<caf::resumable*> inbox_;
  /// Whether the inbox holds something; lets a turn without mail from outside do without the lock.
  std::atomic<bool> has_mail_{false};
  shard_resident* residents_ = nullptr;
  bool is_ending_ = false;
  bool is_stopped_ = false;
};

} // namespace actorwire
