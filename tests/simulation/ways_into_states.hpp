#pragma once

#include "simulated_system.hpp"

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/requests.hpp>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <tuple>

namespace actorwire::test {

/// The limits of a world in which a peer can be kept from its first attempt.
inline pool_limits one_attempt_at_a_time() {
  pool_limits limits;
  limits.max_connecting = 1;
  return limits;
}

/// How a peer gets into a state and stays there. Its world has the limits above.
struct way_into {
  connection_state state;
  std::string_view uri;
  /// Before there is the peer.
  void (*prepare)(simulated_system& world, acquire_options& options);
  /// How long it takes from then on.
  duration after;
  /// What is to be done with the peer after a second; null if nothing.
  void (*lead)(probe& user, const connection_actor& peer) = nullptr;

  /// Makes the peer and has it go all the way, behind `prepare`.
  connection_actor go(simulated_system& world, probe& user, const acquire_options& options) const {
    auto peer = world.acquire(uri, options);
    if (lead != nullptr) {
      world.run_for(std::chrono::seconds{1});
      lead(user, peer);
    }
    world.run_for(after);
    return peer;
  }
};

namespace ways {

inline constexpr std::string_view server = "tcp://server:1";

/// Somebody else has the only place at the gate, and keeps it.
inline void leave_no_place(simulated_system& world, acquire_options&) {
  acquire_options options;
  options.transport.attempt_timeout = options.transport.connect_timeout = std::chrono::hours{24};
  world.hosts().plan_next("tcp://silent:1", {.answer = attempt_answer::ignore});
  world.acquire("tcp://silent:1", options);
  world.run_for(std::chrono::seconds{1});
}

inline void answer_late(simulated_system& world, acquire_options&) {
  world.hosts().plan_next(server, {.lateness = std::chrono::milliseconds{500}});
  world.hosts().listen(server, sink_service());
}

inline void stay_silent(simulated_system& world, acquire_options&) {
  world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
}

inline void shake_hands_for_long(simulated_system& world, acquire_options& options) {
  options.transport.protocol_settings = quic_config{};
  world.hosts().set_link({.delay = std::chrono::seconds{1}});
  world.hosts().listen("quic://server:1", sink_service(options.transport));
}

inline void accept_and_read_nothing(simulated_system& world, acquire_options& options) {
  options.transport.operation_timeout = std::chrono::hours{1};
  options.transport.flow.queue_age = std::chrono::hours{1};
  world.hosts().listen(server, deaf_service());
}

inline void mind_what_waits(simulated_system& world, acquire_options& options) {
  accept_and_read_nothing(world, options);
  options.transport.flow.degraded_age = std::chrono::milliseconds{100};
}

inline void wait_after_a_refusal(simulated_system&, acquire_options& options) {
  options.reconnection.base_delay = options.reconnection.max_delay = std::chrono::hours{1};
}

inline void refuse_the_only_attempt(simulated_system&, acquire_options& options) {
  options.reconnection.max_attempts = 1;
}

inline void send_too_much(probe& user, const connection_actor& peer) {
  user.cast(peer, std::string(200'000, 'x'));
}

inline void begin_to_close(probe& user, const connection_actor& peer) {
  send_too_much(user, peer);
  user.close(peer, close_mode::drain, std::chrono::hours{1});
}

} // namespace ways

/// One for each state but `closed`, in which there is no actor any more that could be asked.
inline const std::array ways_into_states{
    way_into{connection_state::idle, ways::server, ways::leave_no_place, std::chrono::seconds{1}},
    way_into{connection_state::resolving, ways::server, ways::answer_late, std::chrono::milliseconds{100}},
    way_into{connection_state::connecting, ways::server, ways::stay_silent, std::chrono::seconds{1}},
    way_into{connection_state::handshaking, "quic://server:1", ways::shake_hands_for_long,
             std::chrono::milliseconds{2500}},
    way_into{connection_state::ready, ways::server, ways::accept_and_read_nothing, std::chrono::seconds{1}},
    way_into{connection_state::degraded, ways::server, ways::mind_what_waits, std::chrono::seconds{1},
             ways::send_too_much},
    way_into{connection_state::backoff, ways::server, ways::wait_after_a_refusal, std::chrono::seconds{1}},
    way_into{connection_state::draining, ways::server, ways::accept_and_read_nothing, std::chrono::seconds{1},
             ways::begin_to_close},
    way_into{connection_state::failed, ways::server, ways::refuse_the_only_attempt, std::chrono::seconds{1}},
};
static_assert(std::tuple_size_v<decltype(ways_into_states)> + 1 == names_of(connection_state{}).size());

} // namespace actorwire::test
