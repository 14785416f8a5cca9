#include <actorwire/messages/lifetime_stats.hpp>

#include <algorithm>

namespace actorwire {

namespace {

/// Returns the entry of `why`, made if need be. There is one for each code at most, so the list stays short.
template <class Entry>
Entry& entry_of(std::vector<Entry>& entries, error_code why) {
  auto position = std::lower_bound(entries.begin(), entries.end(), why,
                                   [](const Entry& entry, error_code code) { return entry.why < code; });
  if (position == entries.end() || position->why != why) {
    position = entries.insert(position, Entry{});
    position->why = why;
  }
  return *position;
}

} // namespace

void lifetime_stats::add_drops(error_code why, const tally& not_sent, const tally& maybe_sent) {
  auto& entry = entry_of(drops, why);
  entry.not_sent += not_sent;
  entry.maybe_sent += maybe_sent;
}

void lifetime_stats::add_failed_attempts(error_code why, std::uint64_t attempts) {
  entry_of(failed_attempts, why).attempts += attempts;
}

std::uint64_t lifetime_stats::failed_attempts_of(error_kind kind) const noexcept {
  std::uint64_t sum = 0;
  for (const auto& entry : failed_attempts)
    if (kind_of(entry.why) == kind)
      sum += entry.attempts;
  return sum;
}

lifetime_stats& lifetime_stats::operator+=(const lifetime_stats& other) {
  send_latency += other.send_latency;
  queue_age += other.queue_age;
  round_trip += other.round_trip;
  for (const auto& entry : other.drops)
    add_drops(entry.why, entry.not_sent, entry.maybe_sent);
  for (const auto& entry : other.failed_attempts)
    add_failed_attempts(entry.why, entry.attempts);
  time_in += other.time_in;
  calls += other.calls;
  return *this;
}

} // namespace actorwire
