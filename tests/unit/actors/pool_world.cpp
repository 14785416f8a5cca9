#include "pool_world.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

using namespace std::chrono_literals;

namespace actorwire::test {

pool_world::pool_world(const pool_world_settings& settings, std::mt19937_64 engine)
  : settings_(settings),
    with_(settings.limits, engine()),
    engine_(std::move(engine)),
    opinion_(with_, settings.limits, settings.keys, settings.endpoints) {
  for (std::uint16_t key = 1; key <= settings_.keys; ++key)
    acquire(key);
}

void pool_world::run(int steps) {
  for (int step = 0; step < steps; ++step) {
    if (chance() < settings_.user_activity)
      user_does_something();
    turn();
    if (const auto next = next_instant())
      with_.now = std::max(with_.now, *next);
  }
}

void pool_world::heal(duration latency) {
  faults_until_ = with_.now;
  latency_ = latency;
}

void pool_world::run_until(time_point end) {
  turn();
  for (auto next = next_instant(); next && *next <= end; next = next_instant()) {
    with_.now = std::max(with_.now, *next);
    turn();
  }
  with_.now = end;
}

std::size_t pool_world::count_not_ready() const {
  const auto all = with_.peers.list(with_.now);
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& status) {
    return status.state != connection_state::ready;
  }));
}

std::optional<time_point> pool_world::next_instant() const {
  auto next = with_.peers.next_timeout();
  if (!agenda_.empty())
    next = std::min(next.value_or(agenda_.top().when), agenda_.top().when);
  return next;
}

void pool_world::turn() {
  while (!agenda_.empty() && agenda_.top().when <= with_.now) {
    const auto event = agenda_.top();
    agenda_.pop();
    happen(event);
    opinion_.check_books();
  }
  while (const auto order = with_.peers.poll_dial(with_.now)) {
    opinion_.follow_breakers();
    opinion_.dialled(*order);
    plan(*order);
    opinion_.check_books();
  }
  // Asked for everything, the pool must not claim that there was more.
  if (const auto next = with_.peers.next_timeout(); next && *next <= with_.now)
    FAIL("next_timeout is not later than the last poll");
}

// -- the network -------------------------------------------------------------------------------------------------------

void pool_world::plan(const dial& order) {
  const auto at = [&](happening what, duration after) {
    agenda_.push({with_.now + after, what, order.id, order.attempt});
  };
  if (!is_faulty()) {
    at(happening::connect, between(0s, latency_));
    return;
  }
  const auto until_outcome = between(0s, chance() < 0.5 ? duration{100ms} : settings_.attempt_timeout);
  const auto fate = chance();
  if (fate < 0.5) {
    at(happening::end, until_outcome);
    return;
  }
  if (fate < 0.6) {
    at(happening::crash, until_outcome);
    return;
  }
  at(happening::connect, until_outcome);
  const auto life = between(0s, chance() < 0.5 ? settings_.policy.reset_after * 2 : duration{10ms});
  at(chance() < 0.8 ? happening::end : happening::crash, until_outcome + life);
}

void pool_world::happen(const occurrence& event) {
  const auto* const current = opinion_.at_attempt(event.id, event.attempt);
  switch (event.what) {
    case happening::connect: {
      const auto generation = with_.peers.connected(event.id, event.attempt, with_.now);
      REQUIRE(generation.has_value() == (current != nullptr));
      if (generation)
        opinion_.connected(event.id, *generation);
      return;
    }
    case happening::end: {
      // A connection that a healed network carries is not lost any more.
      if (current != nullptr && !is_faulty() && !current->is_in_flight)
        return;
      const auto is_permanent = settings_.permanent_errors && chance() < 0.1;
      const auto reason = is_permanent ? pool_fixture::permanent() : pool_fixture::refused();
      const auto what = with_.peers.ended(event.id, event.attempt, reason, with_.now);
      REQUIRE(what.has_value() == (current != nullptr));
      if (what)
        opinion_.judged(event.id, *what, reason, false);
      return;
    }
    case happening::crash: {
      if (current != nullptr && !is_faulty() && !current->is_in_flight)
        return;
      const auto reason = pool_fixture::crash();
      const auto what = with_.peers.crashed(event.id, event.attempt, reason, with_.now);
      REQUIRE(what.has_value() == (current != nullptr));
      if (what)
        opinion_.judged(event.id, *what, reason, true);
      return;
    }
  }
}

// -- users -------------------------------------------------------------------------------------------------------------

void pool_world::acquire(std::uint16_t key) {
  acquire_options options;
  options.reconnection = settings_.policy;
  options.transport.mtu = std::size_t{1'000} + static_cast<std::size_t>((key - 1) / settings_.endpoints);
  const auto where = pool_fixture::server(opinion_.endpoint_of(key));
  opinion_.acquired(key, settings_.policy, with_.peers.acquire(where, options, with_.now));
}

void pool_world::user_does_something() {
  const auto key = static_cast<std::uint16_t>(1 + engine_() % settings_.keys);
  const auto known = opinion_.id_of(key);
  if (!known || chance() < 0.3) {
    acquire(key);
    opinion_.check_books();
    return;
  }
  const auto id = *known;
  const auto wish = chance();
  if (wish < 0.3) {
    acquire(key);
  } else if (wish < 0.4) {
    auto policy = settings_.policy;
    policy.base_delay = std::chrono::ceil<std::chrono::milliseconds>(policy.base_delay * (0.5 + chance()));
    policy.max_delay = std::max(policy.max_delay, policy.base_delay);
    REQUIRE(with_.peers.set_policy(id, policy));
    opinion_.has_policy(id, policy);
  } else if (wish < 0.6 && settings_.users_reset) {
    REQUIRE(with_.peers.reset(id, with_.now));
    opinion_.was_reset(id);
  } else if (wish < 0.65 && settings_.users_close) {
    close(id);
  } else if (wish < 0.7 && opinion_.of(id).attempt != 0) {
    // The past speaks: this attempt belongs to somebody, but not to this peer now.
    const auto stale = opinion_.of(id).attempt - 1;
    REQUIRE_FALSE(with_.peers.ended(id, stale, pool_fixture::refused(), with_.now));
    REQUIRE_FALSE(with_.peers.crashed(id, stale, pool_fixture::crash(), with_.now));
    REQUIRE_FALSE(with_.peers.connected(id, stale, with_.now));
  }
  opinion_.check_books();
}

void pool_world::close(connection_id id) {
  opinion_.will_close(id);
  const auto to = with_.peers.close(id, chance() < 0.5 ? close_mode::drain : close_mode::abort, with_.now);
  REQUIRE(to);
  opinion_.closed(id, *to);
  // Some are left to drain until their connection ends; nobody removes those.
  if (*to == connection_state::closed || chance() < 0.9) {
    REQUIRE(with_.peers.remove(id, with_.now));
    opinion_.removed(id);
  }
}

} // namespace actorwire::test
