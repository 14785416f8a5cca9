#pragma once

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/requests.hpp>

#include <caf/event_based_actor.hpp>

#include <iostream>
#include <utility>

namespace actorwire::bench {

/// Clients keep so little on its way that nothing may be lost; they will notice, this says why.
inline void report_loss(const data_lost& loss) {
  const auto messages = loss.not_sent.messages + loss.maybe_sent.messages;
  std::cerr << "bench: the echo server lost " << messages << " messages: " << to_string(loss.why) << '\n';
}

/// What an actor does that serves one connection, wherever it lives: it sends back what it gets.
[[nodiscard]] inline caf::behavior echo(caf::event_based_actor* self, const connection_actor& connection) {
  return {
      [self, connection](received& data) {
        tell(self, connection, cast{std::move(data.body), {}});
      },
      [self](const state_changed& change) {
        if (change.to == connection_state::closed)
          self->quit();
      },
      report_loss,
      [](const connection_status&) {},
      [](const opened&) {},
      [](const peer_closing&) {},
      [](const backpressure&) {},
      [](const stats&) {},
  };
}

} // namespace actorwire::bench
