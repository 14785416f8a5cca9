#include "storm_log.hpp"

#include <caf/event_based_actor.hpp>

#include <algorithm>
#include <utility>

namespace actorwire::bench {

void storm_log::begin() {
  const std::lock_guard guard{mutex_};
  must_be_lost_ = true;
  losses_ = 0;
  failures_ = 0;
  most_failures_ = 0;
  attempts_.clear();
  drawn_delays_.clear();
  first_delays_.clear();
  lateness_.clear();
  for (auto& [id, mine] : records_)
    mine = {};
  // So that none of them grows while others are measured.
  attempts_.reserve(4 * peers_);
  drawn_delays_.reserve(peers_);
  first_delays_.reserve(peers_);
  lateness_.reserve(4 * peers_);
}

void storm_log::note(const connection_status& found) {
  const std::lock_guard guard{mutex_};
  records_.try_emplace(found.info.id);
  if (found.state == connection_state::ready)
    note_ready();
}

void storm_log::note_ready() {
  last_ready_ = steady_clock::now();
  if (++ready_ == peers_)
    all_ready_.notify_all();
}

void storm_log::note(const state_changed& change) {
  const auto now = steady_clock::now();
  const std::lock_guard guard{mutex_};
  if (is_stopped_)
    return;
  const auto was_ready = change.from == connection_state::ready || change.from == connection_state::degraded;
  auto& mine = records_[change.source];
  switch (change.to) {
    case connection_state::backoff:
      if (was_ready) {
        --ready_;
        ++losses_;
        // One that came back so early that it found the old server in its last moments is lost again. By then it has not
        // proved healthy, and other delays hold.
        if (!std::exchange(mine.was_lost, true)) {
          mine.lost_at = now;
          drawn_delays_.push_back(change.next_retry);
        }
      } else {
        ++failures_;
        most_failures_ = std::max(most_failures_, change.attempt);
      }
      mine.due = now + change.next_retry;
      break;
    case connection_state::resolving:
      attempts_.push_back(now);
      if (mine.lost_at)
        first_delays_.push_back(now - *std::exchange(mine.lost_at, std::nullopt));
      if (mine.due)
        lateness_.push_back(now - *mine.due);
      break;
    case connection_state::ready:
      note_ready();
      break;
    case connection_state::failed:
      ++failed_;
      break;
    default:
      break;
  }
}

bool storm_log::await_all_ready(std::chrono::milliseconds limit) {
  std::unique_lock guard{mutex_};
  return all_ready_.wait_for(guard, limit,
                             [this] { return ready_ == peers_ && (!must_be_lost_ || losses_ >= peers_); });
}

std::size_t storm_log::ready() const {
  const std::lock_guard guard{mutex_};
  return ready_;
}

std::size_t storm_log::failed() const {
  const std::lock_guard guard{mutex_};
  return failed_;
}

std::size_t storm_log::losses() const {
  const std::lock_guard guard{mutex_};
  return losses_;
}

std::size_t storm_log::failures() const {
  const std::lock_guard guard{mutex_};
  return failures_;
}

steady_clock::time_point storm_log::last_ready() const {
  const std::lock_guard guard{mutex_};
  return last_ready_;
}

std::vector<steady_clock::time_point> storm_log::attempts() const {
  const std::lock_guard guard{mutex_};
  return attempts_;
}

std::vector<std::chrono::milliseconds> storm_log::drawn_delays() const {
  const std::lock_guard guard{mutex_};
  return drawn_delays_;
}

std::vector<steady_clock::duration> storm_log::first_delays() const {
  const std::lock_guard guard{mutex_};
  return first_delays_;
}

std::vector<steady_clock::duration> storm_log::lateness() const {
  const std::lock_guard guard{mutex_};
  return lateness_;
}

std::vector<steady_clock::time_point> storm_log::dues() const {
  const std::lock_guard guard{mutex_};
  std::vector<steady_clock::time_point> result;
  for (const auto& [id, mine] : records_)
    if (mine.due)
      result.push_back(*mine.due);
  return result;
}

double storm_log::most_failures() const {
  const std::lock_guard guard{mutex_};
  return most_failures_;
}

void storm_log::stop() {
  const std::lock_guard guard{mutex_};
  is_stopped_ = true;
}

void spawn_recorder(network& net, std::size_t shard, std::vector<connection_actor> peers,
                    const std::shared_ptr<storm_log>& log) {
  net.spawn_on_shard(shard, [peers = std::move(peers), log](caf::event_based_actor* self) -> caf::behavior {
    for (const auto& peer : peers)
      ask(self, peer, caf::infinite, subscribe{event_mask::state, credit_mode::automatic})
          .then([log](const connection_status& found) { log->note(found); });
    return {
        [log](const state_changed& change) { log->note(change); },
        [](const opened&) {},
        [](const address_changed&) {},
    };
  });
}

} // namespace actorwire::bench
