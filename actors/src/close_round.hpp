#pragma once

#include <actorwire/actors/type_ids.hpp>

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace actorwire {

/// Closing many at once: passes each `close` on to all of them, adds up what they report, and answers everyone who asked.
/// A later close reaches them too, because it may be stricter, or in more of a hurry, than the first.
/// One that ends without a report counts as nothing lost: its own subscribers were told what was.
/// *Thread:* shard only, within the message handling of `self`, which must outlive the round.
class close_round {
public:
  using promise = caf::typed_response_promise<close_report>;

  [[nodiscard]] bool has_begun() const noexcept { return has_begun_; }

  /// One `close` on its way to the members.
  struct step {
    /// What its sender waits for, if anybody does.
    promise asker;
    bool is_first = false;
  };

  /// Lets whoever sent the present message wait for the end of the round, which the first one begins. `done` is called
  /// after the last answer. A `pass_on` of this step must follow.
  template <class Self>
  [[nodiscard]] step join(Self* self, std::function<void()> done) {
    step begun;
    if (self->is_request())
      waiting_.push_back(begun.asker = self->template make_response_promise<close_report>());
    done_ = std::move(done);
    begun.is_first = !std::exchange(has_begun_, true);
    // One more than are asked, so that nobody is answered before all were.
    ++open_answers_;
    return begun;
  }

  /// Asks the members, those that are left of the ones with which the round began.
  template <class Self, class Handles>
  void pass_on(Self* self, const step& begun, const Handles& members, const close& request) {
    for (const auto& member : members) {
      ++open_answers_;
      ask(self, member, caf::infinite, request)
          .then(
              [this, is_first = begun.is_first](const close_report& report) {
                // Each member answers every close with the same report.
                if (is_first)
                  sum_ += report;
                count_answer();
              },
              [this](caf::error&) { count_answer(); });
    }
    count_answer();
  }

  /// Both at once.
  template <class Self, class Handles>
  promise join_and_pass_on(Self* self, const Handles& members, const close& request, std::function<void()> done) {
    const auto begun = join(self, std::move(done));
    pass_on(self, begun, members, request);
    return begun.asker;
  }

  /// Tells everyone who waits that there will be no report.
  void abandon(const caf::error& reason) {
    for (auto& asker : std::exchange(waiting_, {}))
      asker.deliver(reason);
  }

private:
  void count_answer() {
    if (--open_answers_ > 0)
      return;
    for (auto& asker : std::exchange(waiting_, {}))
      asker.deliver(sum_);
    done_();
  }

  std::vector<promise> waiting_;
  close_report sum_{{}, true};
  std::function<void()> done_;
  std::size_t open_answers_ = 0;
  bool has_begun_ = false;
};

} // namespace actorwire
