#pragma once

#include "supervision/pool.hpp"

#include <malloc.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace actorwire::test {

inline reconnection_policy without_jitter() {
  reconnection_policy policy;
  policy.jitter = 0.0;
  return policy;
}

/// What the heap has handed out; 0 where it does not tell.
inline std::size_t allocated_bytes() {
  return mallinfo2().uordblks;
}

/// A pool with a clock that only the test moves, and ids that count from 1.
struct pool_fixture {
  explicit pool_fixture(const pool_limits& limits = {}, std::uint64_t seed = 1)
    : peers{limits, random_source{seed}, [this] { return ++last_id; }} {}

  static endpoint server(std::uint16_t port) { return {protocol::tcp, "server.example", port}; }

  static transport_error refused() {
    return make_error(error_code::refused, phase::connect, origin::remote, "connection refused", 111);
  }
  static transport_error reset_by_peer() {
    return make_error(error_code::reset, phase::established, origin::remote, "connection reset", 104);
  }
  static transport_error permanent() {
    return make_error(error_code::unsupported, phase::handshake, origin::remote, "no common protocol");
  }
  static transport_error crash() {
    return make_error(error_code::crashed, phase::established, origin::local, "runtime_error");
  }

  connection_id acquire(std::uint16_t port, const reconnection_policy& policy = {}) {
    acquire_options options;
    options.reconnection = policy;
    return peers.acquire(server(port), options, now).value().id;
  }

  /// Moves the clock to the next dial and takes it. Throws when there is none to come.
  dial next_dial() {
    if (const auto due = peers.next_timeout(); due && *due > now)
      now = *due;
    auto order = peers.poll_dial(now);
    if (!order)
      throw std::logic_error{"nobody is to be dialled"};
    return *std::move(order);
  }

  /// Dials the only waiting peer until it is ready.
  dial make_ready() {
    auto order = next_dial();
    if (!peers.connected(order.id, order.attempt, now))
      throw std::logic_error{"the attempt is not known"};
    return order;
  }

  [[nodiscard]] connection_state state(connection_id id) const {
    const auto status = peers.status(id, now);
    return status ? status->state : connection_state::closed;
  }

  time_point now{std::chrono::hours{1}};
  connection_id last_id = 0;
  pool peers;
};

/// Whether the table has a transition between the two.
inline bool is_edge(connection_state from, connection_state to) {
  for (std::size_t event = 0; event < names_of(state_event{}).size(); ++event)
    if (next(from, static_cast<state_event>(event)) == to)
      return true;
  return false;
}

} // namespace actorwire::test
