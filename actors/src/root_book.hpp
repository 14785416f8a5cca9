#pragma once

#include <actorwire/actors/type_ids.hpp>

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace actorwire {

/// The roots of a network: the supervisors and listeners that have not ended, which are closed when the network ends.
/// *Thread:* any thread. *Lifetime:* shared with its roots, each of which takes itself out at its end.
class root_book : public std::enable_shared_from_this<root_book> {
public:
  struct root {
    caf::actor handle;
    /// Whether it is a listener; else it is a supervisor.
    bool listens = false;
  };

  /// Returns whether there was a place for it: none is taken in any more once they are closed.
  [[nodiscard]] bool add(const supervisor_actor& who) { return add(root{caf::actor_cast<caf::actor>(who), false}); }
  [[nodiscard]] bool add(const listener_actor& who) { return add(root{caf::actor_cast<caf::actor>(who), true}); }

  /// Whether none is taken in any more.
  [[nodiscard]] bool is_closed() {
    const std::lock_guard guard{mutex_};
    return is_closed_;
  }

  /// Takes in no more of them; returns all that have not ended.
  [[nodiscard]] std::vector<root> close() {
    const std::lock_guard guard{mutex_};
    is_closed_ = true;
    std::vector<root> found;
    for (const auto& [id, each] : roots_)
      found.push_back(each);
    return found;
  }

private:
  bool add(root made) {
    {
      const std::lock_guard guard{mutex_};
      if (is_closed_)
        return false;
      roots_.emplace(made.handle.id(), made);
    }
    // Runs at once if the root has ended already.
    caf::actor_cast<caf::abstract_actor*>(made.handle)
        ->attach_functor([book = weak_from_this(), id = made.handle.id()] {
          if (const auto self = book.lock())
            self->remove(id);
        });
    return true;
  }

  void remove(caf::actor_id id) {
    // Dropped after the lock is given back: the last handle of an actor may hold others.
    decltype(roots_)::node_type ended;
    const std::lock_guard guard{mutex_};
    ended = roots_.extract(id);
  }

  std::mutex mutex_;
  std::unordered_map<caf::actor_id, root> roots_;
  bool is_closed_ = false;
};

} // namespace actorwire
