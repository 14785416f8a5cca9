#pragma once

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>

#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace actorwire {

/// The roots of a network: the supervisors and listeners that have not ended, which are closed when the network ends.
/// *Thread:* any thread. *Lifetime:* shared with its roots, each of which takes itself out at its end.
class root_book : public std::enable_shared_from_this<root_book> {
public:
  void add(const caf::actor& root) {
    {
      const std::lock_guard guard{mutex_};
      roots_.emplace(root.id(), root);
    }
    // Runs at once if the root has ended already.
    caf::actor_cast<caf::abstract_actor*>(root)->attach_functor([book = weak_from_this(), id = root.id()] {
      if (const auto self = book.lock())
        self->remove(id);
    });
  }

  [[nodiscard]] std::vector<caf::actor> all() {
    const std::lock_guard guard{mutex_};
    std::vector<caf::actor> found;
    for (const auto& [id, root] : roots_)
      found.push_back(root);
    return found;
  }

private:
  void remove(caf::actor_id id) {
    // Dropped after the lock is given back: the last handle of an actor may hold others.
    decltype(roots_)::node_type ended;
    const std::lock_guard guard{mutex_};
    ended = roots_.extract(id);
  }

  std::mutex mutex_;
  std::unordered_map<caf::actor_id, caf::actor> roots_;
};

} // namespace actorwire
