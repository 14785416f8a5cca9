#pragma once

#include "certificates.hpp"
#include "program.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace actorwire::test {

/// With these, a listener shows the certificate of localhost, and a peer trusts it. There is none in a build without TLS.
inline transport_config settings() {
  transport_config config;
  if (!ACTORWIRE_TLS)
    return config;
  const auto own = identity_in_memory("server-ec");
  config.tls.trust.text = certificate_text("root.pem");
  config.tls.certificate = own.certificate;
  config.tls.key = own.key;
  config.tls.server_name = "localhost";
  return config;
}

inline listen_config to_listen(transport_config transport = settings()) {
  listen_config config;
  config.transport = std::move(transport);
  return config;
}

inline acquire_options to_acquire(transport_config transport = settings()) {
  acquire_options options;
  options.transport = std::move(transport);
  options.reconnection.base_delay = 50ms;
  return options;
}

inline std::string quic_uri(std::uint16_t port) {
  return "quic://127.0.0.1:" + std::to_string(port);
}

} // namespace actorwire::test
