#include "pool_opinion.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <utility>

using namespace std::chrono_literals;

namespace actorwire::test {

// -- one peer ----------------------------------------------------------------------------------------------------------

std::chrono::duration<double> peer_opinion::curve(std::uint32_t back) const {
  const auto place = static_cast<double>(inherited + failures - back);
  const auto grown = std::chrono::duration<double>(policy.base_delay) * std::pow(policy.backoff_factor, place);
  return std::min<std::chrono::duration<double>>(grown, policy.max_delay);
}

duration peer_opinion::shortest(std::chrono::duration<double> delay) const {
  return std::chrono::duration_cast<duration>(delay * (1.0 - policy.jitter));
}

void peer_opinion::forgive() {
  failures = 0;
  inherited = 0;
  is_exact = true;
}

// -- all of them -------------------------------------------------------------------------------------------------------

std::uint16_t pool_opinion::endpoint_of(std::uint16_t key) const {
  return static_cast<std::uint16_t>(1 + (key - 1) % endpoints_);
}

std::optional<connection_id> pool_opinion::id_of(std::uint16_t key) const {
  const auto known = by_key_.find(key);
  return known == by_key_.end() ? std::nullopt : std::optional{known->second};
}

const peer_opinion* pool_opinion::at_attempt(connection_id id, attempt_id attempt) const {
  const auto known = peers_.find(id);
  return known != peers_.end() && known->second.attempt == attempt ? &known->second : nullptr;
}

// -- users -------------------------------------------------------------------------------------------------------------

void pool_opinion::acquired(std::uint16_t key, const reconnection_policy& policy,
                            const result<actorwire::acquired>& got) {
  if (!got) {
    REQUIRE(got.error().code == error_code::pool_exhausted);
    REQUIRE(peers_.size() == limits_.max_connections);
    return;
  }
  REQUIRE(got->is_new == !by_key_.contains(key));
  if (got->is_new) {
    by_key_[key] = got->id;
    auto& peer = peers_[got->id];
    peer.key = key;
    peer.policy = policy;
    if (const auto known = memories_.find(endpoint_of(key)); known != memories_.end()) {
      const auto& past = known->second;
      peer.is_exact = past.is_exact && with_.now < past.until;
      if (with_.now < past.until) {
        peer.started = past.started;
        peer.least_distance = past.least_distance;
        peer.inherited = past.failures;
      }
    }
  }
  REQUIRE(by_key_.at(key) == got->id);
}

void pool_opinion::was_reset(connection_id id) {
  auto& peer = peers_.at(id);
  peer.forgive();
  memories_.erase(endpoint_of(peer.key));
  pardon(peer);
  peer.crashes.clear();
  if (!peer.is_in_flight)
    peer.least_distance = duration{0};
  if (peer.state == connection_state::failed)
    moved(id, peer, connection_state::idle);
}

void pool_opinion::will_close(connection_id id) {
  auto& peer = peers_.at(id);
  remember(peer);
  peer.ready_since.reset();
}

void pool_opinion::closed(connection_id id, connection_state to) {
  auto& peer = peers_.at(id);
  by_key_.erase(peer.key);
  moved(id, peer, to);
  if (to == connection_state::closed)
    leave_attempt(peer);
}

void pool_opinion::removed(connection_id id) {
  leave_attempt(peers_.at(id));
  peers_.erase(id);
}

void pool_opinion::remember(peer_opinion& peer) {
  const auto is_ready = peer.attempt != 0 && !peer.is_in_flight;
  // An earlier peer may still drain, and add to what is known.
  const auto where = endpoint_of(peer.key);
  const auto was_exact = !memories_.contains(where) || (memories_.at(where).is_exact && has_own_endpoints_);
  if (!peer.started)
    return;
  memories_.erase(where);
  if (is_ready && with_.now - peer.ready_since.value() >= peer.policy.reset_after) {
    peer.forgive();
    return;
  }
  auto& past = memories_[where];
  past.started = *peer.started;
  past.failures = peer.inherited + peer.failures;
  past.is_exact = peer.is_exact && was_exact;
  if (is_ready)
    past.least_distance = past.failures == 0 ? duration{0} : peer.shortest(peer.curve(0));
  else
    past.least_distance = peer.is_in_flight ? peer.shortest(peer.curve(0)) : peer.least_distance;
  past.until = std::max(with_.now, past.started + past.least_distance) + peer.policy.max_delay;
}

// -- dials and what comes of them --------------------------------------------------------------------------------------

void pool_opinion::dialled(const dial& order) {
  auto& peer = peers_.at(order.id);
  REQUIRE(order.attempt > last_attempt_);
  last_attempt_ = order.attempt;
  // B3: one at a time.
  REQUIRE(peer.attempt == 0);
  REQUIRE((peer.state == connection_state::idle || peer.state == connection_state::backoff));
  if (peer.started) {
    // B2. One tick for the rounding of the jitter.
    REQUIRE(with_.now - *peer.started + 1us >= peer.least_distance);
    redials_.push_back(with_.now);
  }
  // P4: one probe, and not before the last one would come again.
  if (auto& breaker = line_of(peer); breaker.is_open) {
    REQUIRE_FALSE(std::exchange(breaker.has_probe, true));
    REQUIRE(with_.now + 1us >= breaker.not_before);
    peer.is_probe = true;
  }
  peer.attempt = order.attempt;
  peer.is_in_flight = true;
  peer.started = with_.now;
  peer.ready_since.reset();
  ++in_flight_;
  REQUIRE(in_flight_ <= limits_.max_connecting);
  moved(order.id, peer, connection_state::resolving);
}

void pool_opinion::connected(connection_id id, std::uint64_t generation) {
  auto& peer = peers_.at(id);
  // S2: without gaps.
  REQUIRE(generation == peer.generation + 1);
  peer.generation = generation;
  peer.is_in_flight = false;
  peer.ready_since = with_.now;
  --in_flight_;
  pardon(peer);
  if (peer.state != connection_state::draining)
    moved(id, peer, connection_state::ready);
}

void pool_opinion::judged(connection_id id, const verdict& what, const transport_error& reason, bool is_crash) {
  auto& peer = peers_.at(id);
  const auto was_in_flight = peer.is_in_flight;
  const auto was_ready = peer.ready_since.has_value();
  const auto is_healthy = was_ready && with_.now - *peer.ready_since >= peer.policy.reset_after;
  const auto counts = was_in_flight && !is_crash && reason.retryable;
  const auto was_probe = peer.is_probe;
  leave_attempt(peer);
  if (counts) {
    ++line_of(peer).failures;
    ++peer.counted;
  }
  follow_breakers();
  auto& breaker = line_of(peer);
  if (counts && limits_.breaker_failures != 0 && peer.counted >= limits_.breaker_failures)
    REQUIRE(breaker.is_open);
  if ((counts || was_probe) && breaker.is_open)
    breaker.not_before = std::max(breaker.not_before, with_.now + what.delay);
  if (is_healthy)
    memories_.erase(endpoint_of(peer.key));
  REQUIRE(what.reason.code != error_code::none);
  REQUIRE_FALSE(what.reason.text.empty());
  if (peer.state == connection_state::draining) {
    REQUIRE(what.state == connection_state::closed);
    if (was_in_flight && !is_crash) {
      ++peer.failures;
      // What its attempt came to is held against the endpoint, too.
      memories_[endpoint_of(peer.key)].is_exact = false;
    }
    moved(id, peer, connection_state::closed);
    return;
  }
  // B4
  if (is_healthy)
    peer.forgive();
  else if (!is_crash)
    ++peer.failures;
  REQUIRE(what.attempt == peer.failures);

  const auto is_permanent = !reason.retryable && !is_crash;
  auto expected = connection_state::backoff;
  if (is_crash) {
    // B8, counted the slow way.
    std::erase_if(peer.crashes, [&](auto crash) { return with_.now - crash >= limits_.crash_window; });
    peer.crashes.push_back(with_.now);
    if (peer.crashes.size() > limits_.crash_limit)
      expected = connection_state::failed;
  } else {
    const auto is_last = peer.policy.max_attempts != 0 && peer.failures >= peer.policy.max_attempts;
    if (is_last || (is_permanent && peer.policy.on_permanent == permanent_error_policy::fail))
      expected = connection_state::failed;
  }
  REQUIRE(what.state == expected);
  moved(id, peer, expected);

  if (expected == connection_state::failed) {
    // Nobody dials it; but whoever acquires its endpoint anew waits.
    peer.least_distance = is_crash && is_healthy ? duration{0} : peer.shortest(peer.curve(0));
    return;
  }
  // B1 and B2
  const auto longest = std::chrono::duration<double>(peer.policy.max_delay);
  const auto present = is_permanent ? longest : peer.curve(is_crash || is_healthy ? 0 : 1);
  const auto since_start = with_.now - *peer.started;
  const auto jitter = peer.policy.jitter;
  auto earliest = duration{0};
  auto latest = present;
  if (is_permanent && was_ready) {
    earliest = peer.shortest(present);
    latest = present * (1.0 + jitter);
  } else if (!is_healthy) {
    earliest = std::max(duration{0}, peer.shortest(present) - since_start);
    latest = std::max<std::chrono::duration<double>>(present * (1.0 + jitter) - since_start,
                                                     was_ready ? present : std::chrono::duration<double>{0});
  }
  if (!peer.is_exact)
    latest = longest * (1.0 + jitter);
  REQUIRE(what.delay + 1us >= earliest);
  REQUIRE(what.delay <= latest + 1us);
  peer.least_distance = since_start + earliest;
  // B6: the delay from the start of the attempt is over, so the loss alone decides.
  if (was_ready && !is_healthy && !is_permanent && peer.is_exact && since_start >= present * (1.0 + jitter))
    spread_.push_back(std::chrono::duration<double>(what.delay) / present);
}

void pool_opinion::leave_attempt(peer_opinion& peer) {
  if (peer.is_in_flight)
    --in_flight_;
  if (std::exchange(peer.is_probe, false))
    line_of(peer).has_probe = false;
  peer.is_in_flight = false;
  peer.attempt = 0;
}

// -- breakers ----------------------------------------------------------------------------------------------------------

void pool_opinion::follow_breakers() {
  while (const auto change = with_.peers.poll_breaker_change()) {
    auto& breaker = lines_[change->remote.port];
    REQUIRE(breaker.is_open != change->is_open);
    if (change->is_open) {
      REQUIRE(limits_.breaker_failures != 0);
      REQUIRE(breaker.failures >= limits_.breaker_failures);
      breaker.is_open = true;
      continue;
    }
    // It was forgotten, or a peer has connected or was reset.
    if (breaker.failures != 0)
      for (const auto& [id, peer] : peers_)
        REQUIRE((endpoint_of(peer.key) != change->remote.port || peer.counted == 0));
    breaker = {};
  }
}

void pool_opinion::pardon(peer_opinion& peer) {
  auto& breaker = line_of(peer);
  breaker.failures = 0;
  for (auto& [id, sibling] : peers_)
    if (endpoint_of(sibling.key) == endpoint_of(peer.key)) {
      sibling.counted = 0;
      sibling.is_probe = false;
    }
  follow_breakers();
  REQUIRE_FALSE(breaker.is_open);
  REQUIRE_FALSE(with_.peers.breaker(pool_fixture::server(endpoint_of(peer.key))));
  breaker = {};
}

// -- books -------------------------------------------------------------------------------------------------------------

void pool_opinion::moved(connection_id id, peer_opinion& peer, connection_state to) {
  // S1
  if (!is_edge(peer.state, to))
    FAIL("no edge from " << name_of(peer.state) << " to " << name_of(to));
  peer.state = to;
  const auto status = with_.peers.status(id, with_.now);
  REQUIRE(status);
  REQUIRE(status->state == to);
}

void pool_opinion::check_books() {
  const auto figures = with_.peers.stats();
  const auto all = with_.peers.list(with_.now);
  REQUIRE(all.size() == peers_.size());
  REQUIRE(figures.peers == peers_.size());
  REQUIRE(peers_.size() <= limits_.max_connections);
  std::uint32_t ready = 0;
  std::uint32_t failed = 0;
  for (const auto& status : all) {
    const auto& peer = peers_.at(status.info.id);
    if (status.state != peer.state || status.info.generation != peer.generation
        || status.attempt != (peer.attempt != 0 && !peer.is_in_flight ? 0 : peer.failures))
      FAIL("peer " << status.info.id << " differs: " << name_of(status.state) << " for " << name_of(peer.state) << ", "
                   << status.attempt << " failed attempts for " << peer.failures);
    ready += status.state == connection_state::ready ? 1 : 0;
    failed += status.state == connection_state::failed ? 1 : 0;
  }
  REQUIRE(figures.ready == ready);
  REQUIRE(figures.failed == failed);
  follow_breakers();
  REQUIRE(figures.open_breakers
          == std::count_if(lines_.begin(), lines_.end(), [](const auto& each) { return each.second.is_open; }));
  REQUIRE(figures.waiting == std::count_if(all.begin(), all.end(), [&](const auto& status) {
            const auto& peer = peers_.at(status.info.id);
            return peer.attempt == 0
                && (peer.state == connection_state::idle || peer.state == connection_state::backoff);
          }));
  REQUIRE(figures.connecting == in_flight_);
  REQUIRE(figures.attempts == last_attempt_);
}

void pool_opinion::check_rate() const {
  for (std::size_t first = 0; first < redials_.size(); ++first) {
    for (auto last = first; last < redials_.size() && last < first + 2'000; ++last) {
      const auto window = std::chrono::duration<double>(redials_[last] - redials_[first]).count();
      const auto bound = limits_.reconnect_burst + limits_.reconnects_per_second * window;
      if (static_cast<double>(last - first + 1) > bound + 1e-6)
        FAIL(last - first + 1 << " redials within " << window << " s");
    }
  }
}

} // namespace actorwire::test
