// Sends each argument as a line to an echo server and prints what comes back.
//
//     echo_client tcp://127.0.0.1:7000 hello world

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <iostream>

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  if (argc < 3) {
    std::cerr << "usage: echo_client tcp://HOST:PORT LINE...\n";
    return 2;
  }

  actorwire::system_config config;
  caf::actor_system system{config};
  actorwire::network net{system};

  actorwire::acquire_options options;
  options.transport.framing.mode = actorwire::framing_mode::line;
  // A service would dial for ever, which is the default; a tool that somebody waits for gives up.
  options.reconnection.max_attempts = 3;
  options.reconnection.base_delay = 200ms;
  const auto peer = net.acquire(argv[1], options);
  if (!peer) {
    std::cerr << "echo_client: " << to_string(peer.error()) << '\n';
    return 2;
  }

  caf::scoped_actor self{system};
  auto failed = false;
  const auto fail = [&failed](const caf::error& reason) {
    std::cerr << "echo_client: " << to_string(actorwire::to_transport_error(reason)) << '\n';
    failed = true;
  };
  // Messages to a peer that is not connected yet queue, within limits, so this is only for a better error.
  ask(&*self, *peer, 5s, actorwire::connect{}).receive([](const actorwire::connection_info&) {}, fail);
  for (int index = 2; index < argc && !failed; ++index) {
    tell(&*self, *peer, actorwire::cast{actorwire::payload::copy_of(std::string_view{argv[index]}), {}});
    ask(&*self, *peer, 5s, actorwire::receive{})
        .receive([](const actorwire::received& line) { std::cout << line.body.text() << '\n'; }, fail);
  }
  return failed ? 1 : 0;
}
