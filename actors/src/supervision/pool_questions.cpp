// What a pool says of itself and of its peers.

#include "supervision/pool.hpp"

#include <algorithm>
#include <chrono>

namespace actorwire {

pool_stats pool::stats() const noexcept {
  const auto count = [&](connection_state state) { return count_by_state_[static_cast<std::size_t>(state)]; };
  pool_stats figures;
  figures.peers = static_cast<std::uint32_t>(entries_.size());
  figures.ready = count(connection_state::ready) + count(connection_state::degraded);
  figures.connecting = gate_.in_flight();
  figures.waiting = static_cast<std::uint32_t>(first_dials_.size() + redials_.size()) + parked_;
  figures.failed = count(connection_state::failed);
  figures.attempts = last_attempt_;
  figures.connects = connects_;
  figures.losses = losses_;
  figures.crashes = crashes_;
  figures.renewals = renewed_;
  figures.open_breakers = book_.open_count();
  figures.breaker_openings = book_.openings();
  return figures;
}

std::optional<connection_status> pool::status(connection_id id, time_point now) const {
  const auto position = entries_.find(id);
  if (position == entries_.end())
    return std::nullopt;
  return status_of(position->second, now);
}

std::shared_ptr<const acquire_options> pool::options(connection_id id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.options;
}

std::shared_ptr<const std::vector<endpoint>> pool::alternatives(connection_id id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.alternatives;
}

std::vector<connection_status> pool::list(time_point now) const {
  // What is sorted is moved several times, so it is their ids and not all that is told of them.
  std::vector<connection_id> ids;
  ids.reserve(entries_.size());
  for (const auto& [id, peer] : entries_)
    ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  std::vector<connection_status> all;
  all.reserve(ids.size());
  for (const auto id : ids)
    all.push_back(status_of(entries_.at(id), now));
  return all;
}

connection_status pool::status_of(const entry& peer, time_point now) {
  connection_status status;
  status.info.id = peer.id;
  status.info.generation = peer.generation;
  status.info.remote = peer.remote;
  status.state = peer.state;
  // A connection that is ready is a success, even if it does not count as one before it has proved healthy.
  status.attempt = peer.attempt != 0 && !peer.is_in_flight ? 0 : peer.delays.attempts();
  // Rounded up, so that who asks again after that time does not find it still waiting.
  if (peer.is_waiting && peer.due > now)
    status.next_retry = std::chrono::ceil<std::chrono::milliseconds>(peer.due - now);
  status.last_error = peer.last_error;
  status.is_held_back = peer.is_waiting && peer.trouble != nullptr && peer.trouble->open;
  return status;
}

} // namespace actorwire
