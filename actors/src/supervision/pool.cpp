#include "supervision/pool.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <string>
#include <utility>

namespace actorwire {

pool::pool(const pool_limits& limits, random_source random, std::function<connection_id()> next_id)
  : limits_(limits), random_(random), next_id_(std::move(next_id)), gate_(limits), book_(limits.breaker_failures) {}

// -- what the user wants ----------------------------------------------------------------------------------------------

result<connection_id> pool::add(const endpoint& remote, const acquire_options& options, time_point now,
                                const std::vector<endpoint>& alternatives) {
  const auto made = make_peer(remote, options, now, alternatives);
  if (!made)
    return made.error();
  return (*made)->id;
}

bool pool::reset(connection_id id, time_point now) {
  auto* peer = find(id);
  if (peer == nullptr || is_leaving(*peer))
    return false;
  peer->delays.reset();
  peer->crashes.reset();
  if (auto* where = peer->trouble != nullptr ? peer->trouble : book_.look_up(peer->remote))
    close_breaker(*where);
  leave_trouble(*peer);
  book_.forget(peer->remote);
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

bool pool::retire(connection_id id, time_point now) {
  auto* peer = find(id);
  if (peer == nullptr || !peer->is_listed)
    return false;
  // A copy: the peer itself abandons nothing.
  auto delays = peer->delays;
  hand_down(*peer, delays, now);
  unlist(*peer);
  return true;
}

void pool::note_spoilt(connection_id id, time_point now) {
  auto* peer = find(id);
  if (peer == nullptr || peer->attempt == 0 || peer->is_in_flight || is_leaving(*peer))
    return;
  forget_if_healthy(*peer, now);
  // When this peer would dial does not matter: what is handed down counts from the same failures.
  static_cast<void>(peer->delays.failed(*peer->policy, true, now, random_));
}

std::optional<connection_state> pool::close(connection_id id, close_mode mode, time_point now) {
  auto* peer = find(id);
  if (peer == nullptr)
    return std::nullopt;
  const auto was_leaving = is_leaving(*peer);
  if (!change(*peer, mode == close_mode::abort ? state_event::abort : state_event::drain))
    return std::nullopt;
  if (!was_leaving)
    hand_down(*peer, peer->delays, now);
  unlist(*peer);
  dequeue(*peer);
  // One that is ready may still have to send what the old one could not.
  const auto* replacement = renewals_.find(id);
  if (replacement != nullptr && (!replacement->stands_by || peer->state == connection_state::closed))
    cancel_renewal(*peer);
  if (peer->state == connection_state::closed) {
    end_attempt(*peer);
    end_probe(*peer);
  }
  return peer->state;
}

bool pool::remove(connection_id id, time_point now) {
  auto* peer = find(id);
  if (peer == nullptr)
    return false;
  if (!is_leaving(*peer))
    hand_down(*peer, peer->delays, now);
  unlist(*peer);
  dequeue(*peer);
  cancel_renewal(*peer);
  end_attempt(*peer);
  end_probe(*peer);
  leave_trouble(*peer);
  held_back_.erase(id);
  let_go_.erase(id);
  options_.release(peer->options);
  --count_by_state_[static_cast<std::size_t>(peer->state)];
  entries_.erase(id);
  return true;
}

// -- dialling ---------------------------------------------------------------------------------------------------------

std::optional<dial> pool::poll_dial(time_point now) {
  book_.forget_until(now);
  // Whoever goes to the line from one queue may push one aside that was at the head of the other.
  auto is_settled = false;
  while (!is_settled) {
    is_settled = true;
    for (auto* queue : {&first_dials_, &redials_})
      if (send_to_line(*queue, now))
        is_settled = false;
  }
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
    return poll_renewal(now);
  auto& peer = *chosen;
  const auto is_admitted = gate_.try_enter(peer.cause, now);
  assert(is_admitted && peer.attempt == 0 && peer.rest == resting::no);
  static_cast<void>(is_admitted);
  if (auto* where = find_open(peer)) {
    assert(peer.trouble == where && where->open->candidate.id == peer.id && where->open->probe == 0);
    where->open->probe = peer.id;
    where->open->candidate = {};
  }
  dequeue(peer);
  change(peer, state_event::dial);
  peer.attempt = ++last_attempt_;
  peer.is_in_flight = true;
  peer.cause = dial_cause::again;
  peer.delays.attempt_started(now);
  return dial{peer.id, peer.attempt, peer.remote, peer.options, peer.delays.attempts()};
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
  if (const auto head = next_renewal())
    if (const auto opens_at = gate_.opens_at(dial_cause::again)) {
      const auto possible = std::max(head->first, *opens_at);
      earliest = std::min(earliest.value_or(possible), possible);
    }
  return earliest;
}

// -- what became of it ------------------------------------------------------------------------------------------------

std::optional<std::uint64_t> pool::connected(connection_id id, attempt_id attempt, time_point now,
                                             const endpoint* carried_by) {
  auto* peer = find(id);
  if (peer == nullptr || attempt == 0)
    return std::nullopt;
  std::uint8_t index = 0;
  if (carried_by != nullptr && peer->alternatives != nullptr)
    if (const auto found = std::ranges::find(*peer->alternatives, *carried_by); found != peer->alternatives->end())
      index = static_cast<std::uint8_t>(found - peer->alternatives->begin() + 1);
  if (note_replacement(*peer, attempt, index) || peer->attempt != attempt || !peer->is_in_flight)
    return std::nullopt;
  // A peer that drains stays so: it connects only to send what it had accepted.
  change(*peer, state_event::connected);
  gate_.leave();
  peer->is_in_flight = false;
  peer->carried_by = index;
  note_success(*peer, index);
  peer->delays.connected(now);
  ++connects_;
  plan_renewal(*peer, now);
  return ++peer->generation;
}

std::optional<verdict> pool::ended(connection_id id, attempt_id attempt, const transport_error& reason,
                                   time_point now) {
  auto* peer = find(id);
  if (peer == nullptr || end_replaced(*peer, attempt, now) || attempt == 0 || peer->attempt != attempt)
    return std::nullopt;
  if (peer->rest != resting::no && !is_leaving(*peer))
    return begin_rest(*peer, now);
  const auto event = peer->is_in_flight ? state_event::attempt_failed : state_event::lost;
  // One that closes has nothing left to lose a connection for.
  if (event == state_event::lost && peer->state != connection_state::draining)
    ++losses_;
  // What this side did, and what trying again does not cure, says nothing of the endpoint.
  const auto counts = peer->is_in_flight && reason.retryable && reason.who != origin::local;
  forget_if_healthy(*peer, now);
  end_attempt(*peer);
  if (peer->state == connection_state::draining) {
    auto due = now;
    // What a closing peer learns of its endpoint is for whoever acquires that next; what this side did is nothing to learn.
    if (event == state_event::attempt_failed && reason.who != origin::local) {
      static_cast<void>(peer->delays.failed(*peer->policy, reason.retryable, now, random_));
      due = peer->delays.interrupted(*peer->policy, now, random_);
      remember(*peer, {due, peer->delays.failures()}, now);
    }
    settle(*peer, reason, counts, due);
    return end_draining(*peer, event, reason);
  }
  const auto next = peer->delays.failed(*peer->policy, reason.retryable, now, random_);
  const auto due = next ? *next : peer->delays.interrupted(*peer->policy, now, random_);
  settle(*peer, reason, counts, due);
  if (next)
    return redial_at(*peer, event, due, reason, now);
  if (!reason.retryable && peer->policy->on_permanent == permanent_error_policy::fail)
    return give_up(*peer, due, reason);
  return give_up(*peer, due,
                 make_error(error_code::attempts_exhausted, reason.where, reason.who,
                            "gave up after max_attempts = " + std::to_string(peer->policy->max_attempts)
                                + " failed attempts in a row, the last one: " + reason.text,
                            reason.system_code));
}

std::optional<verdict> pool::crashed(connection_id id, attempt_id attempt, const transport_error& reason,
                                     time_point now) {
  auto* peer = find(id);
  if (peer == nullptr || end_replaced(*peer, attempt, now) || attempt == 0 || peer->attempt != attempt)
    return std::nullopt;
  ++crashes_;
  peer->rest = resting::no;
  forget_if_healthy(*peer, now);
  end_attempt(*peer);
  if (peer->state == connection_state::draining) {
    settle(*peer, reason, false, now);
    return end_draining(*peer, state_event::crashed, reason);
  }
  const auto is_healed = peer->crashes.spend(limits_.crash_limit, limits_.crash_window, now);
  const auto due = peer->delays.interrupted(*peer->policy, now, random_);
  settle(*peer, reason, false, due);
  if (is_healed)
    return redial_at(*peer, state_event::crashed, due, reason, now);
  return give_up(*peer, due,
                 make_error(error_code::crash_limit, reason.where, origin::local,
                            "more than crash_limit = " + std::to_string(limits_.crash_limit) + " crashes within "
                                + std::to_string(limits_.crash_window.count()) + " ms, the last one: " + reason.text,
                            reason.system_code));
}

// -- parts ------------------------------------------------------------------------------------------------------------

/// Returns a new peer, which is to be dialled and is not found by its key yet.
result<pool::entry*> pool::make_peer(const endpoint& remote, const acquire_options& options, time_point now,
                                     const std::vector<endpoint>& alternatives) {
  if (entries_.size() >= limits_.max_connections)
    return make_error(error_code::pool_exhausted, phase::setup, origin::local,
                      "the pool holds max_connections = " + std::to_string(limits_.max_connections) + " peers");
  const auto id = next_id_();
  const auto [position, is_new] = entries_.try_emplace(id);
  assert(is_new);
  auto& peer = position->second;
  peer.id = id;
  peer.remote = remote;
  if (!alternatives.empty())
    peer.alternatives = std::make_shared<const std::vector<endpoint>>(alternatives);
  peer.options = options_.use(options);
  peer.policy = policy_pointer{peer.options, &peer.options->reconnection};
  ++count_by_state_[static_cast<std::size_t>(peer.state)];
  auto due = now;
  if (const auto known = book_.find(remote, now)) {
    due = std::max(due, known->not_before);
    peer.delays.inherit(known->failures);
    peer.cause = dial_cause::again;
  }
  enqueue(peer, due);
  return &peer;
}

pool::entry* pool::find(connection_id id) noexcept {
  const auto position = entries_.find(id);
  return position == entries_.end() ? nullptr : &position->second;
}

/// Whether the peer closes: it dials no more, and what it knew was handed down.
bool pool::is_leaving(const entry& peer) noexcept {
  return peer.state == connection_state::draining || peer.state == connection_state::closed;
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

void pool::enqueue(entry& peer, time_point due) {
  assert(!peer.is_waiting && peer.attempt == 0);
  peer.due = due;
  peer.queue_position = ++last_queue_position_;
  peer.is_waiting = true;
  if (auto* where = find_open(peer))
    stand_in_line(peer, *where);
  else
    queue_of(peer.cause).insert(&peer);
}

void pool::dequeue(entry& peer) {
  if (!std::exchange(peer.is_waiting, false))
    return;
  if (std::exchange(peer.is_parked, false)) {
    peer.trouble->open->parked.erase({peer.due, peer.queue_position, peer.id});
    --parked_;
    return;
  }
  queue_of(peer.cause).erase(&peer);
  if (peer.trouble != nullptr && peer.trouble->open && peer.trouble->open->candidate.id == peer.id) {
    peer.trouble->open->candidate = {};
    call_next(*peer.trouble);
  }
}

/// Whoever acquires the endpoint next is to know what the peer knows. `delays` are the peer's, or a copy.
void pool::hand_down(const entry& peer, backoff& delays, time_point now) {
  forget_if_healthy(peer, now);
  if (peer.attempt == 0 && peer.cause == dial_cause::again)
    remember(peer, {peer.due, delays.failures()}, now);
  else if (peer.attempt != 0)
    if (const auto history = delays.abandoned(*peer.policy, now, random_))
      remember(peer, *history, now);
}

/// From now on the peer's key names others.
void pool::unlist(entry& peer) noexcept {
  if (!peer.is_listed)
    return;
  const auto [first, last] = listed_.equal_range(&peer);
  listed_.erase(std::find(first, last, &peer));
  peer.is_listed = false;
}

/// A connection that proves healthy speaks for its endpoint. To be asked before its end is told to `delays`.
void pool::forget_if_healthy(const entry& peer, time_point now) {
  if (peer.delays.is_healthy(*peer.policy, now))
    book_.forget(carrier_of(peer, peer.carried_by));
}

void pool::end_attempt(entry& peer) noexcept {
  if (peer.is_in_flight)
    gate_.leave();
  peer.is_in_flight = false;
  peer.attempt = 0;
}

void pool::remember(const entry& peer, const dial_history& history, time_point now) {
  // An endpoint that has rested for so long is treated no worse than one that was waited for.
  // Not the longest of its delays: with a factor of 1 they do not grow.
  const duration rest =
      std::min(peer.policy->max_delay, std::chrono::duration_cast<std::chrono::milliseconds>(longest_delay));
  book_.keep(peer.remote, history, std::max(now, history.not_before) + rest, now);
}

verdict pool::end_draining(entry& peer, state_event event, const transport_error& reason) {
  change(peer, event);
  peer.last_error = reason;
  return {peer.state, duration{0}, peer.delays.attempts(), reason};
}

verdict pool::redial_at(entry& peer, state_event event, time_point due, const transport_error& reason, time_point now) {
  change(peer, event);
  enqueue(peer, due);
  peer.last_error = reason;
  return {peer.state, due - now, peer.delays.attempts(), reason};
}

verdict pool::give_up(entry& peer, time_point due, transport_error reason) {
  change(peer, state_event::give_up);
  peer.due = due;
  peer.last_error = reason;
  return {peer.state, duration{0}, peer.delays.attempts(), std::move(reason)};
}

pool::dial_queue& pool::queue_of(dial_cause cause) noexcept {
  return cause == dial_cause::first ? first_dials_ : redials_;
}

} // namespace actorwire
