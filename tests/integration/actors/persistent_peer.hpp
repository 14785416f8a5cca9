#pragma once

#include "certificates.hpp"
#include "program.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

namespace actorwire::test {

/// Quick to come back, willing to wait for that, and of the opinion that what fails for good may not.
inline acquire_options persistent() {
  acquire_options options;
  options.transport.tls.trust.file = certificate_path("root.pem");
  options.transport.tls.server_name = "localhost";
  options.transport.flow.queue_messages = 10'000;
  options.transport.flow.queue_bytes = std::size_t{8} << 20U;
  options.transport.flow.queue_age = 60s;
  options.reconnection.base_delay = 5ms;
  options.reconnection.max_delay = 50ms;
  // A byte that is wrong in a handshake may look like anything.
  options.reconnection.on_permanent = permanent_error_policy::keep_trying;
  // Little, so that a server that reads nothing is soon noticed.
  tcp_config tcp;
  tcp.send_buffer_size = 65'536;
  options.transport.protocol_settings = tcp;
  return options;
}

inline std::string uri_of(protocol carried, std::uint16_t port, const std::string& host = "127.0.0.1") {
  return std::string{carried == protocol::tls ? "tls" : "tcp"} + "://" + host + ":" + std::to_string(port);
}

/// The test case is run with each.
inline protocol either_protocol() {
  return GENERATE(protocol::tcp, protocol::tls);
}

/// Whether a connection that somebody else cut may end like that. Over TLS, an end of TCP is not one of TLS.
inline bool is_loss(const transport_error& reason, protocol carried) {
  return reason.code == error_code::reset
      || reason.code == (carried == protocol::tls ? error_code::truncated_stream : error_code::peer_closed);
}

/// Whether a loss says that there was a connection, that the other side ended it, and what the system said, if it said
/// anything.
inline bool is_explained(const transport_error& reason) {
  const auto phase_of = reason.code == error_code::peer_closed ? phase::close : phase::established;
  const auto is_known = reason.code == error_code::reset
                          ? reason.system_code == ECONNRESET || reason.system_code == EPIPE
                          : reason.system_code == 0;
  return reason.where == phase_of && reason.who == origin::remote && is_known;
}

} // namespace actorwire::test
