#pragma once

#include <string>

namespace actorwire::bench {

/// A certificate and its key, as PEM.
struct tls_identity {
  std::string certificate;
  std::string key;
};

/// Makes a self-signed certificate for localhost with an ECDSA key on P-256. Nobody verifies it: that would be the
/// client's work, and servers are measured.
[[nodiscard]] tls_identity make_tls_identity();

} // namespace actorwire::bench
