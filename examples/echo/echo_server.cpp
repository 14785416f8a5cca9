// Sends every line back to where it came from.
//
//     echo_server tcp://127.0.0.1:7000      port 0 takes any free one
//
// Ctrl-C or SIGTERM drains it: nobody new is taken in, clients get the answers that they are owed, and have 5 s to end
// as well. A second signal ends it at once.

#include "drain.hpp"
#include "end_signals.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>

#include <chrono>
#include <iostream>
#include <utility>

/// Serves one client: the library makes one such actor for each connection, on the thread that reads its socket, and
/// ends it with the connection.
caf::behavior echo(caf::event_based_actor* self, const actorwire::connection_actor& client) {
  return {
      [=](actorwire::received& line) {
        tell(self, client, actorwire::cast{std::move(line.body), {}});
      },
      [](const actorwire::opened& event) { std::cout << event.info.remote_address << " came" << std::endl; },
      [](const actorwire::state_changed& event) {
        if (event.to == actorwire::connection_state::closed)
          std::cout << "connection " << event.source << " ended: " << to_string(event.reason) << std::endl;
      },
      [](const actorwire::data_lost& event) {
        std::cout << event.not_sent.messages + event.maybe_sent.messages << " answers lost" << std::endl;
      },
      // A client that sends faster than it reads is held back by the library. A server with more to do
      // would slow down here.
      [](const actorwire::backpressure&) {},
      // The client has sent all it wanted. What we still owe it is sent, then the connection closes.
      [](const actorwire::peer_closing&) {},
  };
}

int main(int argc, char** argv) {
  end_signals signals;
  actorwire::system_config config;
  caf::actor_system system{config};
  actorwire::network net{system};

  actorwire::listen_config settings;
  settings.transport.framing.mode = actorwire::framing_mode::line;
  const auto server = net.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:7000", echo, settings);
  if (!server) {
    std::cerr << "echo_server: " << to_string(server.error()) << '\n';
    return 1;
  }
  std::cout << "listening on port " << server->port << std::endl;

  signals.wait();
  drain(net, std::chrono::seconds{5});
}
