#pragma once

#include <gnutls/gnutls.h>

#include <memory>
#include <type_traits>

namespace actorwire::bench {

/// TLS 1.3 with AES-128-GCM and X25519, whoever speaks: rivals differ in what they are made of and not in what they say.
inline constexpr const char* gnutls_priorities =
    "NONE:+VERS-TLS1.3:+AES-128-GCM:+AEAD:+SHA256:+GROUP-X25519:+SIGN-ECDSA-SECP256R1-SHA256:+CTYPE-X509";

struct gnutls_deleter {
  void operator()(gnutls_session_t session) const noexcept { gnutls_deinit(session); }
  void operator()(gnutls_certificate_credentials_t credentials) const noexcept {
    gnutls_certificate_free_credentials(credentials);
  }
  void operator()(gnutls_priority_t priorities) const noexcept { gnutls_priority_deinit(priorities); }
};

template <class Handle>
using gnutls_handle = std::unique_ptr<std::remove_pointer_t<Handle>, gnutls_deleter>;

/// Returns `value`, or throws what GnuTLS says about it if it is negative.
int checked_gnutls(int value, const char* what);

[[nodiscard]] gnutls_handle<gnutls_certificate_credentials_t> make_gnutls_credentials();
[[nodiscard]] gnutls_handle<gnutls_priority_t> make_gnutls_priorities();
/// A session that does not block. *Lifetime:* credentials and priorities outlive it.
[[nodiscard]] gnutls_handle<gnutls_session_t>
make_gnutls_session(unsigned flags, gnutls_certificate_credentials_t credentials, gnutls_priority_t priorities);

} // namespace actorwire::bench
