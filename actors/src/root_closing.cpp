#include "root_closing.hpp"

#include <actorwire/actors/errors.hpp>

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace actorwire {

namespace {

using milliseconds = std::chrono::milliseconds;

/// How long an answer may take that should come at once, or at a given time.
constexpr milliseconds grace{1'000};

/// How long the others wait for a listener to stop, however little time there is.
constexpr milliseconds shortest_wait{50};

/// Until when it is to be over.
class time_limit {
public:
  explicit time_limit(milliseconds length) : end_(clock::now() + length) {}

  [[nodiscard]] milliseconds left() const { return until(end_); }
  /// How long to wait for those who have that time.
  [[nodiscard]] milliseconds patience() const { return until(end_ + grace); }

private:
  using clock = std::chrono::steady_clock;

  static milliseconds until(clock::time_point when) {
    return std::max(std::chrono::ceil<milliseconds>(when - clock::now()), milliseconds{0});
  }

  clock::time_point end_;
};

} // namespace

close_report close_roots(caf::actor_system& system, const std::vector<root_book::root>& roots,
                         const root_closing& how) {
  caf::scoped_actor self{system};
  const time_limit limit{how.timeout};
  const auto run_ready = [&how] {
    if (how.run_ready)
      how.run_ready();
  };

  // All of them first: who is sent away by one listener does not come back by another. One on a shard that is blocked
  // leaves the rest half of their time at least.
  const auto patience = std::clamp(how.timeout / 2, shortest_wait, grace);
  const auto ask_to_suspend = [&](const root_book::root& who) {
    return ask(self.operator->(), who.handle, patience, suspend{});
  };
  std::vector<decltype(ask_to_suspend(roots.front()))> suspended;
  for (const auto& root : roots)
    if (root.listens)
      suspended.push_back(ask_to_suspend(root));
  run_ready();
  for (auto& answer : suspended)
    std::move(answer).receive([] {}, [](caf::error&) {});

  // All begin before the first is waited for, so that the time is that of the slowest and not their sum.
  const auto ask_to_close = [&](const root_book::root& who) {
    return ask(self.operator->(), who.handle, limit.patience(), close{how.mode, limit.left()});
  };
  std::vector<decltype(ask_to_close(roots.front()))> answers;
  answers.reserve(roots.size());
  for (const auto& root : roots)
    answers.push_back(ask_to_close(root));
  run_ready();
  if (how.run_ready)
    for (const auto& root : roots)
      anonymous_tell(root.handle, close{close_mode::abort, milliseconds{0}});
  run_ready();
  close_report sum{{}, true};
  for (auto& answer : answers)
    std::move(answer).receive([&sum](const close_report& part) { sum += part; },
                              [&sum](caf::error& reason) {
                                if (to_transport_error(reason).code != error_code::closed)
                                  sum.complete = false;
                              });
  return sum;
}

} // namespace actorwire
