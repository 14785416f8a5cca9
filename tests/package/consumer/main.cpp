#include <actorwire/actorwire.hpp>

#include <caf/actor_system.hpp>

#include <iostream>

int main(int, char** argv) {
  actorwire::system_config config;
  caf::actor_system system{config};
  actorwire::network net{system};
  const auto where = actorwire::parse_endpoint(argv[1]);
  if (!where || !net.supervisor())
    return 1;
  std::cout << where->host << ' ' << where->port << '\n';
}
