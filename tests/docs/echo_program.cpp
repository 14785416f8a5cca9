#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <iostream>

// [echo]
caf::behavior echo(caf::event_based_actor* self, const actorwire::connection_actor& client) {
  return {
      [=](actorwire::received& data) {
        tell(self, client, actorwire::cast{std::move(data.body), {}});
      },
      [](const actorwire::opened&) {},
      [](const actorwire::state_changed&) {},
      [](const actorwire::data_lost&) {},
      [](const actorwire::backpressure&) {},
      [](const actorwire::peer_closing&) {},
  };
}
// [/echo]

int main() {
  actorwire::system_config config;
  caf::actor_system system{config};
  actorwire::network net{system};
  // [listen]
  const auto server = net.listen("tcp://127.0.0.1:0", echo);
  if (!server) {
    std::cerr << to_string(server.error()) << '\n';
    return 1;
  }
  std::cout << "listening on port " << server->port << std::endl;
  // [/listen]
  std::cin.get(); // serves until its input ends
}
