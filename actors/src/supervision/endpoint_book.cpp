#include "supervision/endpoint_book.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>
#include <utility>

namespace actorwire {

// -- what closed peers leave behind ------------------------------------------------------------------------------------

void endpoint_book::keep(const endpoint& remote, const dial_history& history, time_point until, time_point now) {
  forget_until(now);
  auto& known = hold(remote);
  auto end = until;
  if (known.end) {
    end = std::max(end, (*known.end)->first);
    known.history = {std::max(history.not_before, known.history.not_before),
                     std::max(history.failures, known.history.failures)};
    by_end_.erase(*known.end);
  } else {
    known.history = history;
    if (by_end_.size() == endpoints_max)
      forget(*by_end_.begin()->second);
  }
  known.end = by_end_.emplace(end, known.remote);
  // Nobody who waits here is served before a newcomer would be.
  if (known.open)
    known.open->not_before = std::max(known.open->not_before, known.history.not_before);
  release(known);
}

std::optional<dial_history> endpoint_book::find(const endpoint& remote, time_point now) {
  forget_until(now);
  const auto* known = look_up(remote);
  return known != nullptr && known->end ? std::optional{known->history} : std::nullopt;
}

void endpoint_book::forget(const endpoint& remote) {
  if (auto* known = look_up(remote); known != nullptr && known->end)
    forget_history(*known);
}

void endpoint_book::forget_until(time_point now) {
  while (!by_end_.empty() && by_end_.begin()->first <= now)
    forget(*by_end_.begin()->second);
}

void endpoint_book::forget_history(record& known) {
  by_end_.erase(*known.end);
  known.end.reset();
  erase_if_unused(known);
}

void endpoint_book::erase_if_unused(record& known) {
  if (known.holders > 0 || known.end)
    return;
  static_cast<void>(close(known));
  records_.erase(records_.find(*known.remote));
}

// -- breakers -----------------------------------------------------------------------------------------------------------

endpoint_book::record& endpoint_book::hold(const endpoint& remote) {
  const auto [position, is_new] = records_.try_emplace(remote);
  auto& known = position->second;
  known.remote = &position->first;
  ++known.holders;
  return known;
}

void endpoint_book::release(record& held) {
  assert(held.holders > 0);
  --held.holders;
  erase_if_unused(held);
}

endpoint_book::record* endpoint_book::look_up(const endpoint& remote) noexcept {
  const auto known = records_.find(remote);
  return known == records_.end() ? nullptr : &known->second;
}

bool endpoint_book::note_failure(record& where, const transport_error& reason, time_point not_before) {
  if (where.failures < std::numeric_limits<std::uint32_t>::max())
    ++where.failures;
  if (where.open) {
    where.open->cause = reason;
    where.open->not_before = std::max(where.open->not_before, not_before);
    return false;
  }
  if (breaker_failures_ == 0 || where.failures < breaker_failures_)
    return false;
  where.open = std::make_unique<breaker>();
  where.open->cause = reason;
  where.open->not_before = not_before;
  ++open_count_;
  ++openings_;
  note_change(where, true);
  return true;
}

std::unique_ptr<endpoint_book::breaker> endpoint_book::close(record& where) {
  where.failures = 0;
  if (!where.open)
    return nullptr;
  note_change(where, false);
  --open_count_;
  return std::move(where.open);
}

transport_error endpoint_book::describe(const record& where) {
  const auto& cause = where.open->cause;
  return make_error(error_code::breaker_open, cause.where, cause.who,
                    "the breaker of " + to_string(*where.remote) + " is open after " + std::to_string(where.failures)
                        + " failed attempts in a row, the last one: " + cause.text,
                    cause.system_code);
}

std::optional<breaker_change> endpoint_book::poll_change() {
  if (changes_.empty())
    return std::nullopt;
  auto next = std::move(changes_.front());
  changes_.pop_front();
  return next;
}

void endpoint_book::note_change(const record& where, bool is_open) {
  if (changes_.size() == changes_max)
    changes_.pop_front();
  changes_.push_back({is_open, *where.remote, where.open->cause});
}

} // namespace actorwire
