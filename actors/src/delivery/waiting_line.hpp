#pragma once

#include "delivery/ring_queue.hpp"

#include <actorwire/messages/delivery.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace actorwire {

/// The messages that wait, in the order in which they leave: first those that have begun, then the others by their priority,
/// and of one priority as they came. Where keys count, a message that has not begun is found by its key.
///
/// As long as all have the usual priority and no key, this is one queue. How many at its front have begun is the caller's to
/// know: `begun` below.
/// *Time:* constant for each message, but logarithmic to `find` one, and linear in `begun` where that is given.
template <class Message>
class waiting_line {
public:
  [[nodiscard]] bool empty() const noexcept {
    if (!usual_.empty())
      return false;
    if (more_ != nullptr)
      for (const auto& lane : more_->lanes)
        if (!lane.empty())
          return false;
    return true;
  }

  /// Whether none has another priority than the usual one, or a key by which it is found.
  [[nodiscard]] bool is_plain() const noexcept { return more_ == nullptr; }

  /// The one that is at the front of those that have begun, or of those of the usual priority.
  [[nodiscard]] Message& front() noexcept { return usual_.front(); }
  [[nodiscard]] const Message& front() const noexcept { return usual_.front(); }
  /// The one `index` places behind it.
  [[nodiscard]] Message& operator[](std::size_t index) noexcept { return usual_[index]; }
  [[nodiscard]] const Message& operator[](std::size_t index) const noexcept { return usual_[index]; }
  void pop_front() noexcept { usual_.pop_front(); }

  /// Calls `visit` for each as they leave, until it returns false.
  template <class Visit>
  void for_each(std::size_t begun, Visit&& visit) const {
    for (std::size_t index = 0; index < begun; ++index)
      if (!visit(usual_[index]))
        return;
    for (auto priority = send_priorities; priority-- > 0;) {
      if (!has_lane(priority))
        continue;
      const auto& lane = lane_of(priority);
      for (auto index = &lane == &usual_ ? begun : 0; index < lane.size(); ++index)
        if (!visit(lane[index]))
          return;
    }
  }

  /// Calls `visit` for the first ones of each priority, and of all that have begun, in the order in which they came, at most
  /// `count` of each, until it returns true.
  template <class Visit>
  void for_each_of_the_oldest(std::size_t count, Visit&& visit) const {
    for (std::uint8_t priority = 0; priority < send_priorities; ++priority) {
      if (!has_lane(priority))
        continue;
      const auto& lane = lane_of(priority);
      for (std::size_t index = 0; index < std::min(count, lane.size()); ++index)
        if (visit(lane[index]))
          break;
    }
  }

  /// The queue whose front leaves next, of those that have not begun if some have.
  [[nodiscard]] ring_queue<Message>& next(std::size_t begun = 0) noexcept {
    if (more_ != nullptr)
      for (auto priority = send_priorities; priority-- > 0;) {
        auto& lane = lane_of(priority);
        if (lane.size() > (&lane == &usual_ ? begun : 0))
          return lane;
      }
    assert(usual_.size() > begun);
    return usual_;
  }

  /// Has the next one begun, behind those that have: it stays in front of all that has not, whatever comes. Returns it.
  Message& begin_next(std::size_t begun) {
    if (auto& lane = next(begun); &lane != &usual_)
      usual_.insert(begun, lane.take_front());
    forget(usual_[begun]);
    return usual_[begun];
  }

  /// Those that have begun have not: they go back to the front of their priority.
  void put_back(std::size_t begun) {
    while (begun-- > 0)
      if (const auto priority = usual_[begun].priority; priority != usual_send_priority)
        make_more().lanes[number_of(priority)].insert(0, usual_.take(begun));
  }

  /// Adds one behind those of its priority.
  Message& add(Message&& added, bool is_found_by_key) {
    if (added.priority != usual_send_priority || (is_found_by_key && added.key != 0))
      make_more();
    auto& last = lane_of(added.priority).emplace_back(std::move(added));
    if (more_ != nullptr && is_found_by_key) {
      if (last.key != 0)
        more_->by_key.insert_or_assign(last.key, where{++more_->last_place, last.priority});
      last.place = more_->last_place;
    }
    return last;
  }

  /// The one with this key that has not begun; null if there is none.
  [[nodiscard]] Message* find(std::uint64_t key, std::size_t begun) noexcept {
    const auto found = locate(key, begun);
    return found.lane != nullptr ? &(*found.lane)[found.index] : nullptr;
  }

  /// Removes it.
  [[nodiscard]] Message take(std::uint64_t key, std::size_t begun) noexcept {
    const auto found = locate(key, begun);
    forget((*found.lane)[found.index]);
    return found.lane->take(found.index);
  }

  /// Calls `visit` for each that has not begun and is of no higher priority, the lowest and oldest first, until it returns
  /// false.
  template <class Visit>
  void for_each_to_drop(std::uint8_t priority_max, std::size_t begun, Visit&& visit) const {
    for (std::uint8_t priority = 0; priority <= priority_max; ++priority) {
      if (!has_lane(priority))
        continue;
      const auto& lane = lane_of(priority);
      for (auto index = &lane == &usual_ ? begun : 0; index < lane.size(); ++index)
        if (!visit(lane[index]))
          return;
    }
  }

  /// Removes the first of those; there is one.
  [[nodiscard]] Message take_to_drop(std::size_t begun) noexcept {
    for (std::uint8_t priority = 0;; ++priority) {
      if (!has_lane(priority))
        continue;
      auto& lane = lane_of(priority);
      if (const auto first = &lane == &usual_ ? begun : 0; lane.size() > first) {
        forget(lane[first]);
        return lane.take(first);
      }
    }
  }

  /// Removes those that `chosen` picks of those that have not begun, as they leave. The others keep their order.
  template <std::predicate<const Message&> Chosen>
  [[nodiscard]] ring_queue<Message> take_if(std::size_t begun, Chosen&& chosen) {
    ring_queue<Message> taken;
    for (auto priority = send_priorities; priority-- > 0;) {
      if (!has_lane(priority))
        continue;
      auto& lane = lane_of(priority);
      auto kept = &lane == &usual_ ? begun : 0;
      for (auto index = kept; index < lane.size(); ++index) {
        auto& entry = lane[index];
        if (chosen(std::as_const(entry))) {
          forget(entry);
          taken.push_back(std::move(entry));
          continue;
        }
        if (kept != index)
          lane[kept] = std::move(entry);
        ++kept;
      }
      lane.truncate(kept);
    }
    return taken;
  }

  /// It has begun, or is gone: it is not found by its key any more.
  void forget(const Message& entry) noexcept {
    if (more_ == nullptr || entry.key == 0)
      return;
    if (const auto known = more_->by_key.find(entry.key);
        known != more_->by_key.end() && known->second.place == entry.place)
      more_->by_key.erase(known);
  }

  /// Gives back the memory that an empty line does not need; returns whether it is empty.
  bool tidy() noexcept {
    if (!empty())
      return false;
    more_ = nullptr;
    return true;
  }

private:
  /// Where one stands that is found by its key. Places grow along the queue of a priority.
  struct where {
    std::uint32_t place = 0;
    std::uint8_t priority = 0;
  };

  /// What only other priorities than the usual one, and keys, need.
  struct more {
    std::array<ring_queue<Message>, send_priorities - 1> lanes;
    std::unordered_map<std::uint64_t, where> by_key;
    std::uint32_t last_place = 0;
  };

  struct location {
    ring_queue<Message>* lane = nullptr;
    std::size_t index = 0;
  };

  [[nodiscard]] static std::size_t number_of(std::uint8_t priority) noexcept {
    return priority < usual_send_priority ? priority : priority - 1U;
  }

  more& make_more() {
    if (more_ == nullptr)
      more_ = std::make_unique<more>();
    return *more_;
  }

  [[nodiscard]] bool has_lane(std::uint8_t priority) const noexcept {
    return priority == usual_send_priority || more_ != nullptr;
  }
  [[nodiscard]] const ring_queue<Message>& lane_of(std::uint8_t priority) const noexcept {
    return priority == usual_send_priority ? usual_ : more_->lanes[number_of(priority)];
  }
  [[nodiscard]] ring_queue<Message>& lane_of(std::uint8_t priority) noexcept {
    return priority == usual_send_priority ? usual_ : more_->lanes[number_of(priority)];
  }

  [[nodiscard]] location locate(std::uint64_t key, std::size_t begun) noexcept {
    if (more_ == nullptr || key == 0)
      return {};
    const auto known = more_->by_key.find(key);
    if (known == more_->by_key.end())
      return {};
    auto& lane = lane_of(known->second.priority);
    auto first = &lane == &usual_ ? begun : 0;
    // Places are compared from the first on, so that they may begin anew from 0.
    const auto start = lane[first].place;
    for (auto count = lane.size() - first; count > 0;) {
      const auto half = count / 2;
      if (lane[first + half].place - start < known->second.place - start) {
        first += half + 1;
        count -= half + 1;
      } else {
        count = half;
      }
    }
    assert(lane[first].place == known->second.place && lane[first].key == key);
    return {&lane, first};
  }

  /// Those of the usual priority; before them, those of any that have begun.
  ring_queue<Message> usual_;
  /// Null while all are usual.
  std::unique_ptr<more> more_;
};

} // namespace actorwire
