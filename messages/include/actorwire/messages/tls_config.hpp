#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/secret.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace actorwire {

/// Versions of TLS. Older ones than these are refused in any case (RFC 8996).
enum class tls_version : std::uint8_t { tls1_2, tls1_3 };

constexpr std::array<std::string_view, 2> names_of(tls_version) {
  return {"tls1_2", "tls1_3"};
}

/// Whether a listener asks its clients for a certificate.
/// - `off`: it does not.
/// - `request`: it does, and takes clients without one; the certificate of one that has one must be good. Names, pins and
///   revocations hold only for those that show one.
/// - `require`: clients without a good certificate are refused.
enum class client_certificates : std::uint8_t { off, request, require };

constexpr std::array<std::string_view, 3> names_of(client_certificates) {
  return {"off", "request", "require"};
}

/// Where certificates come from: a file, or text, both in PEM form; nowhere if both are empty.
struct pem_source {
  /// A path, read again by `reload_tls`.
  std::string file;
  std::string text;

  [[nodiscard]] bool empty() const noexcept { return file.empty() && text.empty(); }

  friend bool operator==(const pem_source&, const pem_source&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("pem_source", field{"file", self.file}, field{"text", self.text});
  }
};

/// Where a private key comes from: a file, or text, both in PEM form; EC, RSA or Ed25519.
struct private_key {
  /// A path, read again by `reload_tls`.
  std::string file;
  secret text;
  /// For a key that is encrypted. If it is empty, `network_options::key_password` is asked.
  secret password;

  [[nodiscard]] bool empty() const noexcept { return file.empty() && text.empty(); }

  friend bool operator==(const private_key&, const private_key&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("private_key", field{"file", self.file}, field{"text", self.text}, field{"password", self.password});
  }
};

/// The other side proves who it is: its certificate leads to a trust anchor, is valid now, is made for its role, is not
/// revoked, and names the host that was to be reached. A client always proves so to a listener that asks for it.
struct verify_peer {
  friend bool operator==(const verify_peer&, const verify_peer&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("verify_peer");
  }
};

/// Anyone who can get between is believed to be the other side: encryption against nobody in particular. For tests on
/// one machine. A warning is written to standard error when such settings are first used.
struct insecure_no_verification {
  friend bool operator==(const insecure_no_verification&, const insecure_no_verification&) = default;

  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("insecure_no_verification");
  }
};

using peer_verification = std::variant<verify_peer, insecure_no_verification>;

/// Who one is, whom one believes, and what is agreed on, for `tls://` and `quic://`. The defaults suit a client of a
/// public service: everything is verified against the system's trust store. A listener needs `certificate` and `key`.
///
/// Connections with equal settings share credentials and remembered sessions. Files are read when the first of them is
/// made, and by `reload_tls`, never on a shard.
/// *Thread:* immutable value.
struct tls_config {
  /// Trust anchors; the system's store if empty.
  pem_source trust;
  /// The own certificate, followed by those that lead to a trust anchor, without the anchor.
  pem_source certificate;
  private_key key;
  /// Protocols above TLS that one speaks, the preferred first (RFC 7301): at most 8, of 1 .. 31 bytes each, as GnuTLS takes
  /// them.
  std::vector<std::string> alpn;
  /// With `alpn`: refuses a peer with which no protocol was agreed on, which may be one that never heard of ALPN.
  bool alpn_required = true;
  /// The name that the peer's certificate must have, and that it is told that one looks for (SNI); empty: the host of the
  /// endpoint. A DNS name or an IP address.
  std::string server_name;
  tls_version minimum_version = tls_version::tls1_3;
  actorwire::client_certificates client_certificates = actorwire::client_certificates::off;
  /// DNS names of which a client's certificate must have one among its alternative names (RFC 5280, 4.2.1.6), letter by
  /// letter but for case, without wildcards; empty: any certificate that leads to `trust`. For a listener whose
  /// `client_certificates` is not off. At most 1,024.
  std::vector<std::string> accepted_clients;
  /// How the peer proves who it is. A listener goes by `client_certificates`, and must leave this as it is.
  peer_verification verification;
  /// Remembers sessions, so that the next connection to the same host costs less (RFC 8446, 2.2).
  bool session_resumption = true;
  /// How long a session may be resumed; then the peer is verified anew. 1 min .. 7 days (RFC 8446, 4.6.1). The keys that
  /// protect a listener's sessions are changed at about this pace.
  std::chrono::milliseconds session_lifetime{std::chrono::hours{2}};
  /// Sessions that all connections with these settings remember together; the oldest are forgotten beyond it.
  /// 1 .. 1,000,000.
  std::uint32_t session_cache_size = 1'024;
  /// If not empty, the peer's public key must be one of these too: the SHA-256 of its SubjectPublicKeyInfo in base64, 44
  /// characters (RFC 7469, 2.4). At most 64. A listener may have them only if it asks its clients for certificates.
  std::vector<std::string> pinned_keys;
  /// Lists of revoked certificates in PEM form, read again by `reload_tls`. Nobody is let in whose certificate is of an
  /// authority that has no list there, or whose next list is due and not there. A listener may have it only if it asks its
  /// clients for certificates.
  std::string revocation_file;
  /// A file to which the secrets of each connection are appended, so that a recording of its traffic can be read (the
  /// format of SSLKEYLOGFILE). Never from the environment. One that is there must be a regular file, no link, of this
  /// process's user, that nobody else may read or write.
  std::string key_log_file;
  /// Has errors say more: file names, and TLS's own words. Off, because errors travel, and are shown to strangers.
  bool detailed_errors = false;

  friend bool operator==(const tls_config&, const tls_config&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("tls_config", field{"trust", self.trust}, field{"certificate", self.certificate},
                 field{"key", self.key}, field{"alpn", self.alpn}, field{"alpn_required", self.alpn_required},
                 field{"server_name", self.server_name}, field{"minimum_version", self.minimum_version},
                 field{"client_certificates", self.client_certificates},
                 field{"accepted_clients", self.accepted_clients}, field{"verification", self.verification},
                 field{"session_resumption", self.session_resumption}, field{"session_lifetime", self.session_lifetime},
                 field{"session_cache_size", self.session_cache_size}, field{"pinned_keys", self.pinned_keys},
                 field{"revocation_file", self.revocation_file}, field{"key_log_file", self.key_log_file},
                 field{"detailed_errors", self.detailed_errors});
  }
};

/// Checks every field; reads no file.
/// *Errors:* `invalid_value` or `conflicting_values` naming fields, values and the allowed range. File names, names of
/// clients and secrets are not shown.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const tls_config& config);

} // namespace actorwire
