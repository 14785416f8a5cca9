#include "seam/outside_work.hpp"

namespace actorwire {

namespace {

/// While one turn at a time has work for outside, one of so many finds out whether that is still so: it costs a system
/// call, since the loop asks for more events before it sleeps.
constexpr std::size_t turns_for_each_look = 8;

} // namespace

void outside_work::hand_over_or_wait() {
  if (std::exchange(is_new_, false)) {
    ++turns_seen_;
    if (!looks_ahead_ && (is_busy_ || ++turns_not_seen_ >= turns_for_each_look))
      look_ahead();
  }
  if (!is_busy_ || ++turns_waited_ >= turns_max)
    hand_over();
}

void outside_work::look_ahead() {
  looks_ahead_ = true;
  turns_seen_ = 1;
  turns_not_seen_ = 0;
  // Comes behind all events that the loop has at hand.
  where_.post([this] {
    looks_ahead_ = false;
    is_busy_ = turns_seen_ > 1;
    hand_over();
  });
}

void outside_work::hand_over() {
  turns_waited_ = 0;
  if (!waiting_.empty())
    take_(std::exchange(waiting_, {}));
}

} // namespace actorwire
