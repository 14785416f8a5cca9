#pragma once

#include <actorwire/messages/error.hpp>

#include <gnutls/gnutls.h>

#include <string>

namespace actorwire {

/// How errors of TLS become errors of a transport. Their texts are public: they name no file and nothing out of a
/// certificate, unless `detailed_errors` asks for it.

/// A status of `gnutls_certificate_verify_peers` that is not 0.
[[nodiscard]] transport_error make_verification_error(unsigned status, bool is_self_signed, bool is_detailed);

/// A failure that GnuTLS reported as `code` while shaking hands.
[[nodiscard]] transport_error make_handshake_error(gnutls_session_t session, int code, bool is_detailed);

/// A failure that GnuTLS reported as `code` on an established connection.
[[nodiscard]] transport_error make_record_error(gnutls_session_t session, int code, bool is_detailed);

/// An alert that the other side has sent; a number, because it may be one that GnuTLS's enumeration has no room for.
[[nodiscard]] transport_error make_alert_error(int alert, phase where, bool is_detailed);

/// The byte stream below ended before the peer said that it has nothing more to send.
[[nodiscard]] transport_error make_truncation_error();

/// Credentials that cannot be used: `field` of the settings is `complaint`. `detail` is for detailed errors.
[[nodiscard]] transport_error make_credentials_error(std::string_view field, std::string_view complaint,
                                                     const std::string& detail, bool is_detailed);

} // namespace actorwire
