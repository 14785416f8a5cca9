#pragma once

#include <actorwire/actors/type_ids.hpp>

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace actorwire {

/// Closing many at once: passes a `close` on to each of them, adds up what they report, and answers everyone who asked.
/// One that ends without a report counts as nothing lost: its own subscribers were told what was.
/// *Thread:* shard only, within the message handling of `self`, which must outlive the round.
class close_round {
public:
  using promise = caf::typed_response_promise<close_report>;

  [[nodiscard]] bool has_begun() const noexcept { return has_begun_; }

  /// Lets `asker` wait for the end of the round, which the first one begins. `done` is called after the last answer.
  template <class Self, class Handles>
  void join(Self* self, promise asker, const Handles& members, const close& request, std::function<void()> done) {
    waiting_.push_back(std::move(asker));
    if (!std::exchange(has_begun_, true)) {
      done_ = std::move(done);
      open_answers_ = 1;
      for (const auto& member : members) {
        ++open_answers_;
        ask(self, member, caf::infinite, request)
            .then(
                [this](const close_report& report) {
                  sum_ += report;
                  count_answer();
                },
                [this](caf::error&) { count_answer(); });
      }
      count_answer();
    } else if (open_answers_ == 0) {
      answer();
    }
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
    answer();
    done_();
  }

  void answer() {
    for (auto& asker : std::exchange(waiting_, {}))
      asker.deliver(sum_);
  }

  std::vector<promise> waiting_;
  close_report sum_{{}, true};
  std::function<void()> done_;
  std::size_t open_answers_ = 0;
  bool has_begun_ = false;
};

} // namespace actorwire
