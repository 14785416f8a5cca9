#include "soak_server.hpp"

#include "identity_file.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <utility>
#include <vector>

namespace actorwire::bench {

caf::behavior serve_soak(caf::event_based_actor* self, const connection_actor& client) {
  return {
      [self, client](received& data) {
        if (data.body.text() == "die")
          caf::anon_send_exit(client, caf::exit_reason::kill);
        else
          tell(self, client, cast{std::move(data.body), {.stream = data.stream}});
      },
      [](const opened&) {},
      [](const state_changed&) {},
      [](const address_changed&) {},
      [](const data_lost&) {},
      [](const backpressure&) {},
      [self, client](const peer_closing& end) {
        // The end of stream 0 is that of the connection.
        if (end.stream != 0)
          tell(self, client, finish_stream{end.stream});
      },
      [](const stream_opened&) {},
      [](const stream_closed&) {},
      [](const stream_reset&) {},
      [](const streams_available&) {},
      [](const session_opened&) {},
      [](const session_lost&) {},
  };
}

void run_soak_server(const std::string& scheme, std::uint16_t port, const std::string& identity_path) {
  system_config config;
  caf::actor_system system{config};
  network_options options;
  options.shards = 1;
  network net{system, options};
  listen_config settings;
  settings.transport.framing.mode = framing_mode::length_prefixed;
  settings.max_handshakes_per_address = settings.max_handshakes;
  if (scheme != "tcp") {
    const auto identity = identity_file::read(identity_path);
    settings.transport.tls.certificate.text = identity.certificate;
    settings.transport.tls.key.text = secret{identity.key};
  }
  const auto server = net.listen(scheme + "://127.0.0.1:" + std::to_string(port), serve_soak, settings);
  if (!server)
    throw std::runtime_error("cannot listen: " + to_string(server.error()));
  std::printf("%u\n", unsigned{server->port});
  std::fflush(stdout);
  for (char ignored = 0; ::read(STDIN_FILENO, &ignored, 1) > 0;) {
  }
}

soak_server::soak_server(protocol proto, std::string identity_path)
  : proto_(proto), identity_path_(std::move(identity_path)) {
  start();
}

void soak_server::kill_until(steady_clock::time_point then) {
  process_.reset();
  is_stopped_ = false;
  away_until_ = then;
}

void soak_server::stop_until(steady_clock::time_point then) {
  if (!process_)
    return;
  ::kill(process_->id(), SIGSTOP);
  is_stopped_ = true;
  away_until_ = then;
}

void soak_server::follow_time(steady_clock::time_point now) {
  if (now < away_until_)
    return;
  if (!process_)
    start();
  else if (std::exchange(is_stopped_, false))
    ::kill(process_->id(), SIGCONT);
}

void soak_server::start() {
  process_ = std::make_unique<child_process>(
      std::vector<std::string>{"serve", to_string(proto_), std::to_string(port_), identity_path_});
  port_ = static_cast<std::uint16_t>(std::stoul(process_->read_line(std::chrono::seconds{20})));
}

} // namespace actorwire::bench
