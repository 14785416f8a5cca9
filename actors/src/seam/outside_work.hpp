#pragma once

#include <actorwire/transports/shard.hpp>

#include <caf/resumable.hpp>

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace actorwire {

/// The actors outside of a shard that are to be run because the shard has sent them something: it is in their mailboxes,
/// and CAF's workers are to be told. To tell them of each actor at once would have a worker fall asleep in between, and, if
/// it shares a core with the shard, interrupt the shard each time. So it is done at the end of a turn, and while sockets
/// have work for more than one turn, when all of that is done. *Thread:* shard only.
class outside_work {
public:
  /// So many are handed over at once: a worker with a core of its own need not wait for the rest.
  static constexpr std::size_t actors_max = 32;
  /// None waits for the end of more turns than so many, even if sockets have more.
  static constexpr std::size_t turns_max = 32;

  /// Hands actors, at least one, to those who run them, together with the references that were counted for it.
  using hand_over_function = std::function<void(std::vector<caf::resumable*>)>;

  outside_work(shard& where, hand_over_function hand_over) : where_(where), take_(std::move(hand_over)) {}

  /// Takes an actor, which has been counted as referred to.
  void add(caf::resumable* who) {
    waiting_.push_back(who);
    is_new_ = true;
    if (waiting_.size() >= actors_max)
      hand_over();
  }

  /// The shard's own actors are about to handle what they have in this turn. If a worker is woken now, and has answered
  /// by then, they handle that as well.
  void begin_round() {
    if (is_new_ && !is_busy_)
      hand_over_or_wait();
  }

  /// They have handled it. May be told more than once in a turn.
  void end_round() {
    if (is_new_ || !waiting_.empty())
      hand_over_or_wait();
  }

  /// Hands over all that wait. *Thread:* shard only, or any when the shard's has ended.
  void hand_over();

private:
  void hand_over_or_wait();
  /// Finds out how many turns have work for outside until all events are handled that the loop has at hand.
  void look_ahead();

  shard& where_;
  hand_over_function take_;
  std::vector<caf::resumable*> waiting_;
  /// Whether some came since the last end of a turn.
  bool is_new_ = false;
  /// Ends of turns since the first of those that wait came.
  std::size_t turns_waited_ = 0;
  /// Whether more than one turn had work for outside when that was last found out.
  bool is_busy_ = false;
  bool looks_ahead_ = false;
  std::size_t turns_seen_ = 0;
  std::size_t turns_not_seen_ = 0;
};

} // namespace actorwire
