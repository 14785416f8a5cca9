#pragma once

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/events.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace actorwire {

/// Who hears of what happens to an actor. Its owner watches them, and forgets those that have ended. *Thread:* shard only.
class subscriber_list {
public:
  /// Adds a subscriber, or changes what it hears; whether it is a new one.
  bool add(const caf::strong_actor_ptr& who, event_mask mask) {
    const auto known = std::ranges::find(entries_, who, &entry::who);
    if (known != entries_.end()) {
      known->mask = mask;
      return false;
    }
    entries_.push_back({who, mask});
    return true;
  }

  /// Whether it was one.
  bool remove(const caf::actor_addr& who) {
    return std::erase_if(entries_, [&who](const entry& each) { return each.who == who; }) > 0;
  }

  [[nodiscard]] bool includes(const caf::actor_addr& who) const noexcept {
    return std::any_of(entries_.begin(), entries_.end(), [&who](const entry& each) { return each.who == who; });
  }

  /// `self` sends `event` to all who want to hear of `topic`.
  template <class Self, class Event>
  void publish(Self& self, event_mask topic, const Event& event) const {
    for (const auto& each : entries_)
      if (actorwire::includes(each.mask, topic))
        self.send_to(each.who, event);
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& each : entries_)
      visit(each.who);
  }

  void clear() noexcept { entries_.clear(); }

private:
  struct entry {
    caf::strong_actor_ptr who;
    event_mask mask = event_mask::none;
  };

  std::vector<entry> entries_;
};

} // namespace actorwire
