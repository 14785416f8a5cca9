#include "supervision/pool.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <string>
#include <utility>

namespace actorwire {

pool::pool(const pool_limits& limits, random_source random, std::function<connection_id()> next_id)
  : limits_(limits), random_(random), next_id_(std::move(next_id)), gate_(limits) {}

// -- what the user wants ----------------------------------------------------------------------------------------------

result<acquired> pool::acquire(const endpoint& remote, const acquire_options& options, time_point now) {
  if (const auto known = options_.find(options)) {
    const auto position = listed_.find(key{remote, known.get()});
    if (position != listed_.end()) {
      auto& peer = **position;
      want_dial(peer, now);
      return acquired{peer.id, false};
    }
  }
  if (entries_.size() >= limits_.max_connections)
    return make_error(error_code::pool_exhausted, phase::setup, origin::local,
                      "the pool holds max_connections = " + std::to_string(limits_.max_connections) + " peers");
  const auto id = next_id_();
  const auto [position, is_new] = entries_.try_emplace(id);
  assert(is_new);
  auto& peer = position->second;
  peer.id = id;
  peer.remote = remote;
  peer.options = options_.use(options);
  peer.policy = policy_pointer{peer.options, &peer.options->reconnection};
  ++count_by_state_[static_cast<std::size_t>(peer.state)];
  listed_.insert(&peer);
  want_dial(peer, now);
  return acquired{id, true};
}

bool pool::dial_wanted(connection_id id, time_point now) {
  auto* peer = find(id);
  return peer != nullptr && want_dial(*peer, now);
}

bool pool::reset(connection_id id, time_point now) {
  auto* peer = find(id);
  if (peer == nullptr || !peer->is_listed)
    return false;
  peer->delays.reset();
  peer->crashes.reset();
  if (change(*peer, state_event::reset)) {
    enqueue(*peer, now);
  } else if (!peer->is_waiting) {
    peer->due = std::min(peer->due, now);
  } else if (peer->due > now) {
    // One that is due already keeps its place in the queue.
    dequeue(*peer);
    enqueue(*peer, now);
  }
  return true;
}

bool pool::set_policy(connection_id id, const reconnection_policy& policy) {
  auto* peer = find(id);
  if (peer == nullptr)
    return false;
  if (policy == peer->options->reconnection)
    peer->policy = policy_pointer{peer->options, &peer->options->reconnection};
  else
    peer->policy = std::make_shared<const reconnection_policy>(policy);
  return true;
}

std::optional<connection_state> pool::close(connection_id id, close_mode mode) {
  auto* peer = find(id);
  if (peer == nullptr || !change(*peer, mode == close_mode::abort ? state_event::abort : state_event::drain))
    return std::nullopt;
  dequeue(*peer);
  unlist(*peer);
  if (peer->state == connection_state::closed)
    end_attempt(*peer);
  return peer->state;
}

bool pool::remove(connection_id id) {
  auto* peer = find(id);
  if (peer == nullptr)
    return false;
  dequeue(*peer);
  unlist(*peer);
  end_attempt(*peer);
  options_.release(peer->options);
  --count_by_state_[static_cast<std::size_t>(peer->state)];
  entries_.erase(id);
  return true;
}

// -- dialling ---------------------------------------------------------------------------------------------------------

std::optional<dial> pool::poll_dial(time_point now) {
  entry* chosen = nullptr;
  for (const auto* queue : {&first_dials_, &redials_}) {
    if (queue->empty() || (*queue->begin())->due > now)
      continue;
    auto* head = *queue->begin();
    const auto opens_at = gate_.opens_at(head->cause);
    if (opens_at && *opens_at <= now && (chosen == nullptr || due_earlier{}(head, chosen)))
      chosen = head;
  }
  if (chosen == nullptr)
    return std::nullopt;
  auto& peer = *chosen;
  const auto is_admitted = gate_.try_enter(peer.cause, now);
  assert(is_admitted && peer.attempt == 0);
  static_cast<void>(is_admitted);
  dequeue(peer);
  change(peer, state_event::dial);
  peer.attempt = ++last_attempt_;
  peer.is_in_flight = true;
  peer.cause = dial_cause::again;
  peer.delays.attempt_started(now);
  return dial{peer.id, peer.attempt, peer.remote, peer.options};
}

std::optional<time_point> pool::next_timeout() const noexcept {
  std::optional<time_point> earliest;
  for (const auto* queue : {&first_dials_, &redials_}) {
    if (queue->empty())
      continue;
    const auto* head = *queue->begin();
    if (const auto opens_at = gate_.opens_at(head->cause)) {
      const auto possible = std::max(head->due, *opens_at);
      earliest = std::min(earliest.value_or(possible), possible);
    }
  }
  return earliest;
}

// -- what became of it ------------------------------------------------------------------------------------------------

bool pool::progressed(connection_id id, attempt_id attempt, connection_state where) {
  auto* peer = find(id, attempt);
  if (peer == nullptr)
    return false;
  switch (where) {
    case connection_state::connecting:
      return change(*peer, state_event::progress_connecting);
    case connection_state::handshaking:
      return change(*peer, state_event::progress_handshaking);
    case connection_state::idle:
    case connection_state::resolving:
    case connection_state::ready:
    case connection_state::degraded:
    case connection_state::backoff:
    case connection_state::draining:
    case connection_state::failed:
    case connection_state::closed:
      return false;
  }
  return false;
}

std::optional<std::uint64_t> pool::connected(connection_id id, attempt_id attempt, time_point now) {
  auto* peer = find(id, attempt);
  if (peer == nullptr || !peer->is_in_flight)
    return std::nullopt;
  // A peer that drains stays so: it connects only to send what it had accepted.
  change(*peer, state_event::connected);
  gate_.leave();
  peer->is_in_flight = false;
  peer->delays.connected(now);
  ++connects_;
  return ++peer->generation;
}

std::optional<verdict> pool::ended(connection_id id, attempt_id attempt, const transport_error& reason,
                                   time_point now) {
  auto* peer = find(id, attempt);
  if (peer == nullptr)
    return std::nullopt;
  const auto event = peer->is_in_flight ? state_event::attempt_failed : state_event::lost;
  if (event == state_event::lost)
    ++losses_;
  end_attempt(*peer);
  if (peer->state == connection_state::draining)
    return end_draining(*peer, event, reason);
  if (const auto due = peer->delays.failed(*peer->policy, reason.retryable, now, random_))
    return redial_at(*peer, event, *due, reason, now);
  if (!reason.retryable && peer->policy->on_permanent == permanent_error_policy::fail)
    return give_up(*peer, reason);
  return give_up(*peer, make_error(error_code::attempts_exhausted, reason.where, reason.who,
                                   "gave up after max_attempts = " + std::to_string(peer->policy->max_attempts)
                                       + " failed attempts in a row, the last one: " + reason.text,
                                   reason.system_code));
}

std::optional<verdict> pool::crashed(connection_id id, attempt_id attempt, const transport_error& reason,
                                     time_point now) {
  auto* peer = find(id, attempt);
  if (peer == nullptr)
    return std::nullopt;
  ++crashes_;
  end_attempt(*peer);
  if (peer->state == connection_state::draining)
    return end_draining(*peer, state_event::crashed, reason);
  const auto is_healed = peer->crashes.spend(limits_.crash_limit, limits_.crash_window, now);
  const auto due = peer->delays.interrupted(*peer->policy, now, random_);
  if (is_healed)
    return redial_at(*peer, state_event::crashed, due, reason, now);
  return give_up(*peer,
                 make_error(error_code::crash_limit, reason.where, origin::local,
                            "more than crash_limit = " + std::to_string(limits_.crash_limit) + " crashes within "
                                + std::to_string(limits_.crash_window.count()) + " ms, the last one: " + reason.text,
                            reason.system_code));
}

bool pool::degraded(connection_id id, attempt_id attempt) {
  auto* peer = find(id, attempt);
  return peer != nullptr && change(*peer, state_event::degrade);
}

bool pool::recovered(connection_id id, attempt_id attempt) {
  auto* peer = find(id, attempt);
  return peer != nullptr && change(*peer, state_event::recover);
}

bool pool::retired(connection_id id, attempt_id attempt, time_point now) {
  auto* peer = find(id, attempt);
  if (peer == nullptr || !change(*peer, state_event::retire))
    return false;
  end_attempt(*peer);
  peer->due = peer->delays.interrupted(*peer->policy, now, random_);
  return true;
}

// -- questions --------------------------------------------------------------------------------------------------------

pool_stats pool::stats() const noexcept {
  const auto count = [&](connection_state state) { return count_by_state_[static_cast<std::size_t>(state)]; };
  pool_stats figures;
  figures.peers = static_cast<std::uint32_t>(entries_.size());
  figures.ready = count(connection_state::ready) + count(connection_state::degraded);
  figures.connecting = gate_.in_flight();
  figures.waiting = static_cast<std::uint32_t>(first_dials_.size() + redials_.size());
  figures.failed = count(connection_state::failed);
  figures.attempts = last_attempt_;
  figures.connects = connects_;
  figures.losses = losses_;
  figures.crashes = crashes_;
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

std::vector<connection_status> pool::list(time_point now) const {
  std::vector<connection_status> all;
  all.reserve(entries_.size());
  for (const auto& [id, peer] : entries_)
    all.push_back(status_of(peer, now));
  std::sort(all.begin(), all.end(), [](const auto& left, const auto& right) { return left.info.id < right.info.id; });
  return all;
}

// -- parts ------------------------------------------------------------------------------------------------------------

pool::entry* pool::find(connection_id id) noexcept {
  const auto position = entries_.find(id);
  return position == entries_.end() ? nullptr : &position->second;
}

/// Returns the peer only if that is its present attempt or connection.
pool::entry* pool::find(connection_id id, attempt_id attempt) noexcept {
  auto* peer = find(id);
  return peer != nullptr && attempt != 0 && peer->attempt == attempt ? peer : nullptr;
}

connection_status pool::status_of(const entry& peer, time_point now) {
  connection_status status;
  status.info.id = peer.id;
  status.info.generation = peer.generation;
  status.info.remote = peer.remote;
  status.state = peer.state;
  status.attempt = peer.delays.attempts();
  // Rounded up, so that who asks again after that time does not find it still waiting.
  if (peer.is_waiting && peer.due > now)
    status.next_retry = std::chrono::ceil<std::chrono::milliseconds>(peer.due - now);
  status.last_error = peer.last_error;
  return status;
}

/// The only place where a state changes. Returns false where `event` means nothing.
bool pool::change(entry& peer, state_event event) noexcept {
  const auto to = next(peer.state, event);
  if (!to)
    return false;
  --count_by_state_[static_cast<std::size_t>(peer.state)];
  ++count_by_state_[static_cast<std::size_t>(*to)];
  peer.state = *to;
  return true;
}

bool pool::want_dial(entry& peer, time_point now) {
  if (peer.state == connection_state::idle && !peer.is_waiting)
    enqueue(peer, std::max(peer.due, now));
  return peer.is_waiting;
}

void pool::enqueue(entry& peer, time_point due) {
  assert(!peer.is_waiting && peer.attempt == 0);
  peer.due = due;
  peer.queue_position = ++last_queue_position_;
  peer.is_waiting = true;
  queue_of(peer.cause).insert(&peer);
}

void pool::dequeue(entry& peer) noexcept {
  if (!peer.is_waiting)
    return;
  queue_of(peer.cause).erase(&peer);
  peer.is_waiting = false;
}

void pool::unlist(entry& peer) noexcept {
  if (!peer.is_listed)
    return;
  listed_.erase(&peer);
  peer.is_listed = false;
}

void pool::end_attempt(entry& peer) noexcept {
  if (peer.is_in_flight)
    gate_.leave();
  peer.is_in_flight = false;
  peer.attempt = 0;
}

verdict pool::redial_at(entry& peer, state_event event, time_point due, const transport_error& reason, time_point now) {
  change(peer, event);
  enqueue(peer, due);
  peer.last_error = reason;
  return {peer.state, due - now, peer.delays.attempts(), reason};
}

verdict pool::give_up(entry& peer, transport_error reason) {
  change(peer, state_event::give_up);
  peer.last_error = reason;
  return {peer.state, duration{0}, peer.delays.attempts(), std::move(reason)};
}

verdict pool::end_draining(entry& peer, state_event event, const transport_error& reason) {
  change(peer, event);
  peer.last_error = reason;
  return {peer.state, duration{0}, peer.delays.attempts(), reason};
}

pool::dial_queue& pool::queue_of(dial_cause cause) noexcept {
  return cause == dial_cause::first ? first_dials_ : redials_;
}

} // namespace actorwire
