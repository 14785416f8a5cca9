#include "scale_server.hpp"

#include "echo_actor.hpp"
#include "identity_file.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>
#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/statistics.hpp>

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>

namespace actorwire::bench {

scale_server::scale_server(const std::string& scheme, std::size_t shards, const std::string& identity, int cpu)
  : process_(
      {"--serve", scheme, "--shards", std::to_string(shards), "--identity", identity, "--cpu", std::to_string(cpu)}),
    port_(static_cast<std::uint16_t>(std::stoul(process_.read_line(std::chrono::seconds{10})))) {}

std::size_t scale_server::open() {
  process_.write("\n");
  return std::stoul(process_.read_line(std::chrono::seconds{30}));
}

void run_scale_server(const scale_server_plan& wanted) {
  if (wanted.cpu >= 0)
    pin_to_cpu(wanted.cpu);
  raise_file_limit();
  system_config config;
  caf::actor_system system{config};
  network_options options;
  options.shards = wanted.shards;
  network net{system, options};
  listen_config settings;
  const auto identity = identity_file::read(wanted.identity);
  settings.transport.tls.certificate.text = identity.certificate;
  settings.transport.tls.key.text = secret{identity.key};
  // All clients come from one address here, and as fast as they can.
  settings.max_handshakes_per_address = settings.max_handshakes;
  const auto server = net.listen(wanted.scheme + "://127.0.0.1:0", echo, settings);
  if (!server)
    throw std::runtime_error("actorwire cannot listen: " + to_string(server.error()));
  std::printf("%u\n", unsigned{server->port});
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    caf::scoped_actor self{system};
    ask(self.operator->(), server->listener, std::chrono::seconds{20}, get_listener_stats{})
        .receive([](const listener_stats& found) { std::printf("%u\n", found.open); },
                 [](const caf::error&) { throw std::runtime_error("the listener does not answer"); });
    std::fflush(stdout);
  }
}

} // namespace actorwire::bench
