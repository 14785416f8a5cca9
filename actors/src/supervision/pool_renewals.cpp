// How a connection is replaced by another that is ready before it ends.

#include "supervision/pool.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace actorwire {

namespace {

/// By how much a lifetime is shorter or longer: those that were connected at one moment do not end at one.
constexpr double lifetime_jitter = 0.1;

} // namespace

bool pool::renew(connection_id id, std::chrono::milliseconds limit, time_point now) {
  const auto* peer = find(id);
  if (peer == nullptr || peer->attempt == 0 || is_leaving(*peer) || peer->rest != resting::no)
    return false;
  // What comes of an attempt is replaced when it has come.
  renewals_.plan(id, peer->is_in_flight ? time_point::max() : now, limit);
  return true;
}

void pool::drop_replacement(connection_id id) {
  if (const auto* peer = find(id))
    cancel_renewal(*peer);
}

/// The peer has a new connection.
void pool::plan_renewal(const entry& peer, time_point now) {
  if (is_leaving(peer))
    return;
  const auto& options = *peer.options;
  if (const auto* wanted = renewals_.find(peer.id))
    renewals_.plan(peer.id, now, wanted->limit);
  else if (options.max_lifetime.count() > 0)
    renewals_.plan(peer.id, now + jittered(options.max_lifetime, lifetime_jitter, random_.uniform()),
                   options.transport.operation_timeout);
}

/// The next renewal, and when it is due, unless there are so many replacements that only the end of one lets another begin.
std::optional<std::pair<time_point, connection_id>> pool::next_renewal() const noexcept {
  // One that stands by has left the gate, and its socket is there beside the other's for as long as that takes to end.
  if (renewals_.under_way() >= limits_.max_connecting)
    return std::nullopt;
  return renewals_.head();
}

std::optional<dial> pool::poll_renewal(time_point now) {
  for (auto head = next_renewal(); head && head->first <= now; head = next_renewal()) {
    const auto& peer = entries_.at(head->second);
    const auto& waiting = *renewals_.find(peer.id);
    // What is held against an endpoint by which the peer is not connected says nothing of its next connection.
    const auto* carrying = book_.open_count() > 0 ? book_.look_up(carrier_of(peer, peer.carried_by)) : nullptr;
    if (carrying != nullptr && carrying->open) {
      // Those without a connection go first, and one of them at a time.
      renewals_.postpone(peer.id,
                         now
                             + std::max(duration{1}, jittered(delay_of(*peer.policy, waiting.delays.failures()),
                                                              peer.policy->jitter, random_.uniform())));
      continue;
    }
    if (!gate_.try_enter(dial_cause::again, now))
      return std::nullopt;
    renewals_.begin(peer.id, ++last_attempt_, now);
    return dial{peer.id, last_attempt_, peer.remote, peer.options, waiting.delays.attempts(), waiting.limit};
  }
  return std::nullopt;
}

/// The endpoint that a `carried_by` names: 0 is the first.
const endpoint& pool::carrier_of(const entry& peer, std::uint8_t index) noexcept {
  return index == 0 ? peer.remote : (*peer.alternatives)[index - 1U];
}

void pool::cancel_renewal(const entry& peer) {
  const auto* planned = renewals_.find(peer.id);
  if (planned == nullptr)
    return;
  if (planned->attempt != 0 && !planned->stands_by)
    gate_.leave();
  renewals_.forget(peer.id);
}

/// The replacement is ready, if `attempt` is one that was to bring it; returns whether it is.
bool pool::note_replacement(entry& peer, attempt_id attempt, std::uint8_t carried_by) {
  auto* planned = renewals_.find(peer.id);
  if (planned == nullptr || planned->attempt != attempt)
    return false;
  if (std::exchange(planned->stands_by, true))
    return true;
  gate_.leave();
  planned->carried_by = carried_by;
  note_success(peer, carried_by);
  return true;
}

/// An attempt or connection has ended. Returns whether that was the replacement, which changes nothing for the connection, or
/// a connection that has a replacement, which is the present one from now on.
bool pool::end_replaced(entry& peer, attempt_id attempt, time_point now) {
  auto* planned = attempt != 0 ? renewals_.find(peer.id) : nullptr;
  if (planned == nullptr)
    return false;
  if (planned->attempt == attempt) {
    // One that closes dials no more.
    if (is_leaving(peer)) {
      cancel_renewal(peer);
      return true;
    }
    if (!planned->stands_by)
      gate_.leave();
    auto due = planned->delays.failed(*peer.policy, true, now, random_);
    // There is a connection, and no reason ever to give up.
    if (!due)
      due = planned->delays.interrupted(*peer.policy, now, random_);
    renewals_.postpone(peer.id, *due);
    return true;
  }
  if (peer.attempt != attempt)
    return false;
  if (!planned->stands_by) {
    cancel_renewal(peer);
    return false;
  }
  const auto present = *planned;
  renewals_.forget(peer.id);
  peer.attempt = present.attempt;
  peer.carried_by = present.carried_by;
  peer.delays.replaced(present.started);
  ++peer.generation;
  ++connects_;
  ++renewed_;
  if (present.is_wanted_anew && !is_leaving(peer))
    renewals_.plan(peer.id, now, present.limit);
  else
    plan_renewal(peer, now);
  return true;
}

} // namespace actorwire
