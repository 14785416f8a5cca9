#pragma once

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/error.hpp>

#include <cstddef>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace actorwire {

/// Adds up what the peers of a supervisor tell of themselves, for everyone who asks, in rounds: each asks all peers once.
/// Whoever asks while a round is under way waits for the next, since this one may have counted already what he wants to
/// know of. Peers that have ended are in every sum, with what they said last.
/// *Limits:* one round at a time; `waiting_max` askers for the next.
/// *Thread:* shard only, within the message handling of the supervisor, which must outlive it.
class pool_census {
public:
  using promise = caf::typed_response_promise<pool_totals>;

  static constexpr std::size_t waiting_max = 1'024;

  /// Lets whoever sent the present message wait for the next sum. Call `begin` then, if no round is under way.
  /// *Errors:* `would_block`, as the answer.
  template <class Self>
  promise join(Self* self) {
    if (!self->is_request())
      return {};
    auto asker = self->template make_response_promise<pool_totals>();
    if (waiting_.size() < waiting_max)
      waiting_.push_back(asker);
    else
      asker.deliver(
          to_caf_error(make_error(error_code::would_block, phase::established, origin::local,
                                  "get_pool_totals: " + std::to_string(waiting_max) + " askers wait already")));
    return asker;
  }

  [[nodiscard]] bool has_begun() const noexcept { return open_answers_ > 0; }
  [[nodiscard]] bool is_wanted() const noexcept { return !waiting_.empty(); }

  /// Asks all `members`, which are pairs of an id and whatever has the handle `peer`, for everyone who waits. `done` is
  /// called when they were answered.
  template <class Self, class Members, class Done>
  void begin(Self* self, const Members& members, Done done) {
    answered_ = std::exchange(waiting_, {});
    sum_ = past_;
    // One more than are asked, so that nobody is answered before all were.
    open_answers_ = 1;
    for (const auto& [id, entry] : members)
      if (!gone_.contains(id))
        open_.insert(id);
    open_answers_ += open_.size();
    for (const auto& [id, entry] : members) {
      if (!open_.contains(id))
        continue;
      ask(self, entry.peer, caf::infinite, get_stats{})
          .then(
              [this, done, id = id](const stats& told) {
                if (open_.erase(id) > 0)
                  sum_ += told;
                count_answer(done);
              },
              [this, done](caf::error&) { count_answer(done); });
    }
    count_answer(done);
  }

  /// The last that a peer says.
  void note_end(const stats& last) {
    if (!gone_.insert(last.source).second)
      return;
    past_ += last;
    // It was asked, and ends without an answer.
    if (open_.erase(last.source) > 0)
      sum_ += last;
  }

  /// The peer is no more.
  void forget(connection_id id) noexcept { gone_.erase(id); }

  /// Tells everyone who waits that there will be no sum.
  void abandon(const caf::error& reason) {
    for (auto* askers : {&answered_, &waiting_})
      for (auto& asker : std::exchange(*askers, {}))
        asker.deliver(reason);
  }

private:
  template <class Done>
  void count_answer(const Done& done) {
    if (--open_answers_ > 0)
      return;
    open_.clear();
    for (auto& asker : std::exchange(answered_, {}))
      asker.deliver(sum_);
    sum_ = {};
    done();
  }

  /// Peers that have ended.
  pool_totals past_;
  /// What the round under way has come to.
  pool_totals sum_;
  std::size_t open_answers_ = 0;
  /// Those that were asked, and are not counted yet.
  std::unordered_set<connection_id> open_;
  /// Those that have said their last and are still members.
  std::unordered_set<connection_id> gone_;
  /// Who waits for the round under way, and for the next.
  std::vector<promise> answered_;
  std::vector<promise> waiting_;
};

} // namespace actorwire
