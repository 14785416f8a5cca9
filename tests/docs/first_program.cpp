#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/scoped_actor.hpp>

#include <iostream>

int main(int, char** argv) {
  actorwire::system_config config;
  caf::actor_system system{config};
  actorwire::network net{system};
  const auto peer = net.acquire(argv[1]).value();
  caf::scoped_actor self{system};
  tell(&*self, peer, actorwire::cast{actorwire::payload::copy_of("PING\r\n"), {}});
  ask(&*self, peer, std::chrono::seconds{5}, actorwire::receive{})
      .receive([](const actorwire::received& answer) { std::cout << answer.body.text(); },
               [](const caf::error& reason) { std::cerr << caf::to_string(reason) << '\n'; });
}
