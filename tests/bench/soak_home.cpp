#include "soak_home.hpp"

#include "soak_server.hpp"

#include <actorwire/messages/quic_config.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace actorwire::bench {

namespace {

using namespace std::chrono_literals;

void keep_sessions(transport_config& transport) {
  transport.framing.mode = framing_mode::numbered;
  transport.session.mode = session_mode::on;
}

listening listen_at_home(network& net, protocol proto, listen_config settings) {
  settings.max_handshakes_per_address = settings.max_handshakes;
  // So that nothing of a client that has ended, or has come, is left at a rest.
  settings.session_keep = 1s;
  settings.transport.attempt_timeout = 5s;
  auto got = net.listen(to_string(proto) + "://127.0.0.1:0", serve_soak, settings);
  if (!got)
    throw std::runtime_error("cannot listen: " + to_string(got.error()));
  return std::move(*got);
}

listening listen_for_sessions(network& net) {
  listen_config settings;
  keep_sessions(settings.transport);
  return listen_at_home(net, protocol::tcp, std::move(settings));
}

listening listen_for_streams(network& net, const identity_file& identity) {
  const auto mine = identity_file::read(identity.path());
  listen_config settings;
  settings.transport.framing.mode = framing_mode::length_prefixed;
  settings.transport.tls.certificate.text = mine.certificate;
  settings.transport.tls.key.text = secret{mine.key};
  settings.transport.keepalive_interval = 1s;
  settings.transport.keepalive_timeout = 2s;
  settings.transport.protocol_settings = quic_config{.idle_timeout = 3s};
  return listen_at_home(net, protocol::quic, std::move(settings));
}

} // namespace

soak_home::soak_home(network& net, const identity_file& identity) : sessions_(listen_for_sessions(net)) {
  if (is_supported(protocol::quic))
    streams_ = listen_for_streams(net, identity);
}

soak_job soak_home::job(std::size_t kind, soak_job like) const {
  if (kind == 0) {
    like.remote = {protocol::tcp, "127.0.0.1", sessions_.port};
    keep_sessions(like.options.transport);
  } else {
    like.remote = {protocol::quic, "127.0.0.1", streams_->port};
    like.options.transport.protocol_settings = quic_config{.idle_timeout = 3s};
    like.uses_streams = true;
  }
  return like;
}

} // namespace actorwire::bench
