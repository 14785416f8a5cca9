#pragma once

#include "session/session.hpp"
#include "session/session_frame.hpp"
#include "session/session_handshake.hpp"
#include "session/session_id.hpp"
#include "session/session_limits.hpp"

#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/clock.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

/// The id that is made of this byte.
inline session_id id_of(std::uint8_t number) {
  std::array<std::byte, session_id::size> bytes{};
  bytes.fill(std::byte{number});
  return session_id{bytes};
}

inline session_frame data(std::uint64_t number, std::string_view text) {
  return {frame_kind::data, number, payload::copy_of(text)};
}

inline session_frame acknowledgement(std::uint64_t number) {
  return {frame_kind::acknowledge, number, {}};
}

inline session_frame frame_of(const session_welcome& welcome) {
  return {frame_kind::welcome, 0, payload::copy_of(encode(welcome))};
}

/// One side of a session with its program, which has had each message as soon as it is passed on, unless `handles` is off.
class party {
public:
  explicit party(const session_limits& limits = {}) : machine{id_of(1), limits} {}

  std::uint64_t send(std::string_view text) {
    const auto number = machine.send(payload::copy_of(text));
    REQUIRE(number);
    return *number;
  }

  /// A frame comes on the present connection.
  session_progress take(const session_frame& frame, time_point now) {
    const auto progress = machine.handle_frame(machine.epoch(), frame);
    REQUIRE(progress);
    note(*progress, frame, now);
    return *progress;
  }

  void note(const session_progress& progress, const session_frame& frame, time_point now) {
    if (progress.delivers) {
      got.emplace_back(frame.body.text());
      if (handles)
        machine.handle_delivered(frame.number, now);
    }
    if (!progress.confirmed.empty())
      confirmed.push_back(progress.confirmed);
  }

  session machine;
  bool handles = true;
  /// What was passed on.
  std::vector<std::string> got{};
  /// What is known to be delivered, as it was told.
  std::vector<number_range> confirmed{};
};

/// A client and a listener of one session.
class pair_of_parties {
public:
  explicit pair_of_parties(const session_limits& limits = {}) : client(limits), host(limits) {}

  /// A new connection comes up as far as the listener's welcome, which is returned and still on its way.
  session_frame greet() {
    client.machine.handle_connected();
    const auto hello = parse_session_hello(0, client.machine.poll_transmit(now)->body.bytes());
    REQUIRE(hello);
    host.machine.handle_disconnected(host.machine.epoch());
    const auto confirmed = host.machine.handle_hello(*hello);
    REQUIRE(confirmed);
    if (!confirmed->empty())
      host.confirmed.push_back(*confirmed);
    const auto welcome = host.machine.poll_transmit(now);
    REQUIRE(welcome);
    REQUIRE(welcome->kind == frame_kind::welcome);
    return *welcome;
  }

  void connect() { client.take(greet(), now); }

  void cut() {
    client.machine.handle_disconnected(client.machine.epoch());
    host.machine.handle_disconnected(host.machine.epoch());
  }

  /// All that `from` has to send now arrives.
  void flow(party& from, party& to) {
    while (const auto frame = from.machine.poll_transmit(now))
      to.take(*frame, now);
  }

  /// The next `count` frames of `from` leave, and are lost.
  void lose(party& from, int count) {
    for (; count > 0; --count)
      REQUIRE(from.machine.poll_transmit(now));
  }

  /// Everything arrives, acknowledgements too.
  void settle() {
    for (auto round = 0; round < 3; ++round) {
      flow(client, host);
      flow(host, client);
      now += session_limits{}.ack_delay;
    }
  }

  party client;
  party host;
  time_point now{std::chrono::hours{1}};
};

} // namespace actorwire::test
