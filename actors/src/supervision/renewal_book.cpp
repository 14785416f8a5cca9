#include "supervision/renewal_book.hpp"

#include <algorithm>

namespace actorwire {

void renewal_book::plan(connection_id peer, time_point due, std::chrono::milliseconds limit) {
  auto& planned = renewals_[peer];
  planned.limit = limit;
  if (planned.attempt != 0) {
    planned.is_wanted_anew = true;
    return;
  }
  waiting_.erase({planned.due, peer});
  planned.due = std::min(planned.due, due);
  waiting_.emplace(planned.due, peer);
}

renewal_book::renewal* renewal_book::find(connection_id peer) noexcept {
  const auto position = renewals_.find(peer);
  return position == renewals_.end() ? nullptr : &position->second;
}

std::optional<std::pair<time_point, connection_id>> renewal_book::head() const noexcept {
  if (waiting_.empty() || waiting_.begin()->first == time_point::max())
    return std::nullopt;
  return *waiting_.begin();
}

void renewal_book::begin(connection_id peer, attempt_id attempt, time_point now) {
  auto& begun = renewals_.at(peer);
  waiting_.erase({begun.due, peer});
  begun.attempt = attempt;
  begun.started = now;
  begun.delays.attempt_started(now);
}

void renewal_book::postpone(connection_id peer, time_point due) {
  auto& waiting = renewals_.at(peer);
  waiting_.erase({waiting.due, peer});
  waiting.attempt = 0;
  waiting.stands_by = false;
  // Whatever was wanted while it was under way is what the next one brings.
  waiting.is_wanted_anew = false;
  waiting.due = due;
  waiting_.emplace(due, peer);
}

void renewal_book::forget(connection_id peer) {
  const auto position = renewals_.find(peer);
  if (position == renewals_.end())
    return;
  waiting_.erase({position->second.due, peer});
  renewals_.erase(position);
}

} // namespace actorwire
