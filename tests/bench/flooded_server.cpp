#include "flooded_server.hpp"

#include "posix.hpp"
#include "tls_identity.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <stdexcept>

namespace actorwire::bench {

static caf::behavior echo(caf::event_based_actor* self, const connection_actor& connection) {
  return {
      [self, connection](received& data) {
        tell(self, connection, cast{std::move(data.body), {}});
      },
      [](const opened&) {},
      [](const state_changed&) {},
      [](const data_lost&) {},
      [](const backpressure&) {},
      [](const peer_closing&) {},
      [](const connection_status&) {},
  };
}

void run_flooded_server(const std::string& congestion_control) {
  raise_file_limit();
  system_config config;
  caf::actor_system system{config};
  network_options options;
  options.shards = 1;
  network net{system, options};
  const auto identity = make_tls_identity();
  listen_config settings;
  settings.transport.tls.certificate.text = identity.certificate;
  settings.transport.tls.key.text = secret{identity.key};
  const auto server = net.listen("tls://127.0.0.1:0", echo, settings);
  if (!server)
    throw std::runtime_error("actorwire cannot listen: " + to_string(server.error()));
  set_congestion_control_of_listeners(congestion_control);
  std::printf("%u\n", unsigned{server->port});
  std::fflush(stdout);
  for (char ignored = 0; ::read(STDIN_FILENO, &ignored, 1) > 0;) {
  }
  caf::scoped_actor self{system};
  ask(self.operator->(), server->listener, std::chrono::seconds{10}, get_listener_stats{})
      .receive(
          [&net](const listener_stats& found) {
            std::printf("%llu %llu %llu %llu %zu\n", static_cast<unsigned long long>(found.accepted),
                        static_cast<unsigned long long>(found.handshakes_refused),
                        static_cast<unsigned long long>(found.handshakes_evicted),
                        static_cast<unsigned long long>(found.accept_errors), net.memory_used());
            std::fflush(stdout);
          },
          [](const caf::error&) { throw std::runtime_error("the listener does not answer"); });
}

} // namespace actorwire::bench
