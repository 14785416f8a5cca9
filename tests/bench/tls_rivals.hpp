#pragma once

#include "echo_server.hpp"
#include "tls_identity.hpp"

#include <array>
#include <memory>
#include <string_view>

namespace actorwire::bench {

/// An echo server that speaks TLS 1.3 and hands out tickets, on one thread.
struct tls_rival {
  std::string_view option;
  std::string_view title;
  std::unique_ptr<echo_server> (*make)(const tls_identity&);
};

// One for each rival, in a file of its own.
/// GnuTLS above epoll and bare sockets.
[[nodiscard]] std::unique_ptr<echo_server> make_gnutls_server(const tls_identity& identity);
/// OpenSSL's libssl in the same loop.
[[nodiscard]] std::unique_ptr<echo_server> make_openssl_server(const tls_identity& identity);

/// actorwire, with an actor for each connection beside it on the only shard.
[[nodiscard]] std::unique_ptr<echo_server> make_actorwire_tls_server(const tls_identity& identity);

/// The first is the floor, the second what most programs have.
inline constexpr std::array tls_rivals{
    tls_rival{"gnutls", "raw GnuTLS", make_gnutls_server},
    tls_rival{"openssl", "raw OpenSSL", make_openssl_server},
    tls_rival{"actorwire", "actorwire, actor on its shard", make_actorwire_tls_server},
};

} // namespace actorwire::bench
