#pragma once

#include "tls_credentials.hpp"

#include <actorwire/messages/events.hpp>

#include <gnutls/gnutls.h>

#include <string>
#include <vector>

namespace actorwire {

/// What sessions of TLS have in common, whether it runs over a byte stream or inside of QUIC.

/// How every client begins. One that has a certificate shows it whatever authorities the server names: the server's refusal
/// says more than silence would. It makes a key for the first group only, as there is hardly a server without X25519, and
/// one that wants another group asks (RFC 8446, 4.1.4); GnuTLS would make two, each time.
inline constexpr auto tls_client_flags = unsigned{GNUTLS_CLIENT} | GNUTLS_FORCE_CLIENT_CERT | GNUTLS_KEY_SHARE_TOP;

/// For what can fail only for want of memory, once the settings were checked. *Errors:* throws `std::runtime_error`.
void require_tls(int code);

/// Offers these protocols, or chooses one of them, in their order.
void offer_protocols(gnutls_session_t session, const std::vector<std::string>& names, bool is_required, bool is_server);

/// What was agreed on with the other side.
[[nodiscard]] tls_info agreement_of(gnutls_session_t session);

/// Writes a line of the key log, if there is one.
void log_secret(gnutls_session_t session, const tls_services& services, const char* label, const gnutls_datum_t& value);

} // namespace actorwire
