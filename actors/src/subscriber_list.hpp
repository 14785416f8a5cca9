#pragma once

#include "event_account.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/events.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace actorwire {

/// Who hears of what happens to an actor, by events of these kinds. Its owner watches them, and forgets those that have ended.
/// *Thread:* shard only.
template <class... Events>
class subscriber_list {
public:
  /// Adds a subscriber, or changes what it hears; whether it is a new one.
  bool add(const caf::strong_actor_ptr& who, event_mask mask) {
    const auto known = std::ranges::find(entries_, who, &entry::who);
    if (known != entries_.end()) {
      known->mask = mask;
      return false;
    }
    entries_.push_back({who, mask, ++subscriptions_, {}});
    return true;
  }

  /// Whether it was one.
  bool remove(const caf::actor_addr& who) {
    return std::erase_if(entries_, [&who](const entry& each) { return each.who == who; }) > 0;
  }

  [[nodiscard]] bool includes(const caf::actor_addr& who) const noexcept {
    return std::any_of(entries_.begin(), entries_.end(), [&who](const entry& each) { return each.who == who; });
  }

  /// `self`, which owns the list, sends `event` to all who want to hear of `topic` and have room.
  template <class Self, class Event>
  void publish(Self& self, event_mask topic, const Event& event) {
    for (auto& each : entries_)
      if (actorwire::includes(each.mask, topic))
        each.account.tell(self, each.who, event, note_of(self, each));
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& each : entries_)
      visit(each.who);
  }

  /// Forgets all; those who have missed something are told so.
  template <class Self>
  void clear(Self& self) {
    for (auto& each : entries_)
      each.account.tell_missed(0, [&]<class Missed>(const Missed& event) {
        detail::enqueue_to(each.who, self.ctrl(), self.context(), Missed{event});
      });
    entries_.clear();
  }

private:
  struct entry {
    caf::strong_actor_ptr who;
    event_mask mask = event_mask::none;
    /// Tells the answers to an earlier subscription of the same actor from those to this one.
    std::uint64_t number = 0;
    event_account<Events...> account;
  };

  template <class Self>
  auto note_of(Self& self, const entry& about) {
    return [this, &self, number = about.number](std::uint32_t up_to) { note_handled(self, number, up_to); };
  }

  template <class Self>
  void note_handled(Self& self, std::uint64_t number, std::uint32_t up_to) {
    const auto found = std::ranges::find(entries_, number, &entry::number);
    if (found == entries_.end())
      return;
    found->account.note_handled(up_to);
    found->account.tell_missed(0, [&](const auto& event) {
      found->account.send(self, found->who, event, note_of(self, *found));
    });
  }

  std::vector<entry> entries_;
  std::uint64_t subscriptions_ = 0;
};

} // namespace actorwire
