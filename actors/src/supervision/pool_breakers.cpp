// How the peers of one endpoint stand in line while its breaker is open.

#include "supervision/pool.hpp"

#include <algorithm>
#include <utility>

namespace actorwire {

std::optional<held_back> pool::poll_held_back() {
  while (!held_back_.empty()) {
    const auto id = held_back_.extract(held_back_.begin()).value();
    const auto* peer = find(id);
    if (peer != nullptr && peer->is_waiting && peer->trouble != nullptr && peer->trouble->open)
      return held_back{id, endpoint_book::describe(*peer->trouble)};
  }
  return std::nullopt;
}

std::optional<connection_id> pool::poll_let_go() {
  if (let_go_.empty())
    return std::nullopt;
  return let_go_.extract(let_go_.begin()).value();
}

std::optional<transport_error> pool::breaker(const endpoint& remote) {
  const auto* known = book_.look_up(remote);
  return known != nullptr && known->open ? std::optional{endpoint_book::describe(*known)} : std::nullopt;
}

endpoint_book::record* pool::find_open(const entry& peer) noexcept {
  if (book_.open_count() == 0)
    return nullptr;
  auto* known = peer.trouble != nullptr ? peer.trouble : book_.look_up(peer.remote);
  return known != nullptr && known->open ? known : nullptr;
}

/// Those at the head of a queue that are due while the breaker of their endpoint is open go where they belong. A breaker
/// opens without a look at who waits already. Returns whether anybody went.
bool pool::send_to_line(dial_queue& queue, time_point now) {
  auto has_sent = false;
  while (!queue.empty() && (*queue.begin())->due <= now) {
    auto& head = **queue.begin();
    auto* where = find_open(head);
    if (where == nullptr || (where->open->candidate.id == head.id && where->open->not_before <= now))
      break;
    queue.erase(queue.begin());
    stand_in_line(head, *where);
    has_sent = true;
  }
  return has_sent;
}

/// Makes a waiting peer, which is in no queue, the candidate of its endpoint, or parks it.
void pool::stand_in_line(entry& peer, endpoint_book::record& where) {
  if (peer.trouble == nullptr)
    peer.trouble = &book_.hold(peer.remote);
  held_back_.insert(peer.id);
  auto& line = *where.open;
  if (line.candidate.id == peer.id)
    peer.due = std::exchange(line.candidate, {}).due;
  if (line.probe != 0)
    return park(peer);
  const endpoint_book::place here{peer.due, peer.queue_position, peer.id};
  if (line.candidate.id != 0) {
    const auto turn = [&line](const endpoint_book::place& whose) { return std::max(whose.due, line.not_before); };
    if (std::pair{turn(line.candidate), line.candidate} < std::pair{turn(here), here})
      return park(peer);
    auto& present = entries_.at(line.candidate.id);
    queue_of(present.cause).erase(&present);
    present.due = line.candidate.due;
    park(present);
  }
  make_candidate(peer, line);
}

void pool::park(entry& peer) {
  peer.is_parked = true;
  ++parked_;
  peer.trouble->open->parked.insert({peer.due, peer.queue_position, peer.id});
}

void pool::make_candidate(entry& peer, endpoint_book::breaker& line) {
  line.candidate = {peer.due, peer.queue_position, peer.id};
  peer.due = std::max(peer.due, line.not_before);
  queue_of(peer.cause).insert(&peer);
}

/// Makes the one that was due first the candidate, if there is neither a probe nor another.
void pool::call_next(endpoint_book::record& where) {
  auto& line = *where.open;
  if (line.probe != 0 || line.candidate.id != 0 || line.parked.empty())
    return;
  auto& first = entries_.at(line.parked.begin()->id);
  line.parked.erase(line.parked.begin());
  first.is_parked = false;
  --parked_;
  make_candidate(first, line);
}

/// An attempt has ended without a connection. `counts` says whether that speaks against the endpoint, `due` when the peer
/// may dial again, which is when the next one may if it was the probe.
void pool::settle(entry& peer, const transport_error& reason, bool counts, time_point due) {
  if (counts && limits_.breaker_failures > 0) {
    if (peer.trouble == nullptr)
      peer.trouble = &book_.hold(peer.remote);
    book_.note_failure(*peer.trouble, reason, due);
  } else if (auto* where = find_open(peer); where != nullptr && where->open->probe == peer.id) {
    where->open->not_before = std::max(where->open->not_before, due);
  }
  end_probe(peer);
}

void pool::end_probe(entry& peer) {
  if (peer.trouble == nullptr || !peer.trouble->open || peer.trouble->open->probe != peer.id)
    return;
  peer.trouble->open->probe = 0;
  call_next(*peer.trouble);
}

/// The success is that of the endpoint which carries the peer. What is held against the first one stays if it was another.
void pool::note_success(entry& peer, std::uint8_t carried_by) {
  if (carried_by != 0) {
    if (auto* where = book_.look_up(carrier_of(peer, carried_by)))
      close_breaker(*where);
    end_probe(peer);
    return;
  }
  if (auto* where = peer.trouble != nullptr ? peer.trouble : book_.look_up(peer.remote))
    close_breaker(*where);
  leave_trouble(peer);
}

void pool::close_breaker(endpoint_book::record& where) {
  const auto line = book_.close(where);
  if (!line)
    return;
  if (line->candidate.id != 0) {
    auto& peer = entries_.at(line->candidate.id);
    let_go_.insert(peer.id);
    queue_of(peer.cause).erase(&peer);
    peer.due = line->candidate.due;
    queue_of(peer.cause).insert(&peer);
  }
  for (const auto& place : line->parked) {
    auto& peer = entries_.at(place.id);
    let_go_.insert(peer.id);
    peer.is_parked = false;
    --parked_;
    queue_of(peer.cause).insert(&peer);
  }
}

void pool::leave_trouble(entry& peer) {
  if (auto* held = std::exchange(peer.trouble, nullptr))
    book_.release(*held);
}

} // namespace actorwire
