#pragma once

#include "tls_credentials.hpp"

#include <actorwire/messages/error.hpp>

#include <gnutls/gnutls.h>

#include <ctime>
#include <optional>
#include <string>
#include <vector>

namespace actorwire {

/// Who the other side of a session showed to be; empty if it showed no certificate.
struct peer_identity {
  /// DNS names and addresses of its certificate, at most 16.
  std::vector<std::string> names;
  /// The SHA-256 of its public key, in base64.
  std::string key;
};

[[nodiscard]] peer_identity identity_of_peer(gnutls_session_t session);

/// Judges the certificate of the other side by what the credentials ask for, for TLS and QUIC alike: why it is refused, or
/// nothing. `server` is the name or address that a client wants to reach, and empty for a listener; `now` decides which
/// lists of revocations are out of date. The caller holds a `wall_time` for the validity of certificates.
[[nodiscard]] std::optional<transport_error> verify_peer_of(gnutls_session_t session, const tls_credentials& identity,
                                                            const std::string& server, std::time_t now);

} // namespace actorwire
