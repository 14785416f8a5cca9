#include "tls_credentials.hpp"

#include "tls_error.hpp"
#include "wall_time.hpp"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace actorwire {

namespace {

/// Ephemeral keys and authenticated ciphers only, the fastest first where hardware helps. What is not listed is off:
/// compression, renegotiation by the peer, RC4, CBC, SHA-1, static RSA. The profile asks for certificates with keys as
/// strong as RSA of 2048 bits; without one GnuTLS takes any.
std::string priorities_for(tls_version minimum) {
  return std::string{"NONE:+VERS-TLS1.3:"}
      .append(minimum == tls_version::tls1_2 ? "+VERS-TLS1.2:" : "")
      .append("+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA:"
              "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
              "+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SECP521R1-SHA512:"
              "+SIGN-EDDSA-ED25519:"
              "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512:"
              "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:"
              "+CTYPE-X509:+COMP-NULL:%PROFILE_MEDIUM");
}

gnutls_datum_t datum_of(const std::string& text) noexcept {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

/// The first certificate of what was set, judged by `now`.
enum class validity : std::uint8_t { valid, not_yet, expired, unknown };

validity validity_of(gnutls_certificate_credentials_t credentials, std::time_t now) {
  gnutls_x509_crt_t* chain = nullptr;
  unsigned count = 0;
  if (::gnutls_certificate_get_x509_crt(credentials, 0, &chain, &count) != 0 || count == 0)
    return validity::unknown;
  const auto begins = ::gnutls_x509_crt_get_activation_time(chain[0]);
  const auto ends = ::gnutls_x509_crt_get_expiration_time(chain[0]);
  for (unsigned index = 0; index < count; ++index)
    ::gnutls_x509_crt_deinit(chain[index]);
  ::gnutls_free(chain);
  if (now < begins)
    return validity::not_yet;
  return now > ends ? validity::expired : validity::valid;
}

/// Returns 0 if all certificates of a PEM text can be read, or GnuTLS's error.
int check_chain(const gnutls_datum_t& text) {
  gnutls_x509_crt_t* chain = nullptr;
  unsigned count = 0;
  if (const auto failed = ::gnutls_x509_crt_list_import2(&chain, &count, &text, GNUTLS_X509_FMT_PEM, 0); failed < 0)
    return failed;
  for (unsigned index = 0; index < count; ++index)
    ::gnutls_x509_crt_deinit(chain[index]);
  ::gnutls_free(chain);
  return 0;
}

/// What the lists of a PEM text that was read before say of themselves.
std::vector<revocation_list> lists_in(const gnutls_datum_t& text) {
  gnutls_x509_crl_t* lists = nullptr;
  unsigned count = 0;
  std::vector<revocation_list> found;
  if (::gnutls_x509_crl_list_import2(&lists, &count, &text, GNUTLS_X509_FMT_PEM, 0) < 0)
    return found;
  for (unsigned index = 0; index < count; ++index) {
    auto* list = lists[index];
    gnutls_datum_t name{};
    if (::gnutls_x509_crl_get_raw_issuer_dn(list, &name) == 0) {
      revocation_list entry{{reinterpret_cast<const char*>(name.data), name.size},
                            ::gnutls_x509_crl_get_this_update(list),
                            {}};
      ::gnutls_free(name.data);
      if (const auto due = ::gnutls_x509_crl_get_next_update(list); due != std::time_t{-1})
        entry.until = due;
      found.push_back(std::move(entry));
    }
    ::gnutls_x509_crl_deinit(list);
  }
  ::gnutls_free(lists);
  return found;
}

/// Refuses what would protect a listener only in the eyes of who has set it.
result<void> check_role(tls_role role, const tls_config& config) {
  if (role == tls_role::client)
    return {};
  const auto conflict = [](std::string_view text) {
    return make_error(error_code::conflicting_values, phase::setup, origin::local, std::string{text});
  };
  if (!std::holds_alternative<verify_peer>(config.verification))
    return conflict("tls.verification: insecure_no_verification has no meaning for a listener, which goes by "
                    "tls.client_certificates");
  if (config.client_certificates != client_certificates::off)
    return {};
  if (!config.pinned_keys.empty())
    return conflict("tls.pinned_keys: has no meaning for a listener while tls.client_certificates = off");
  if (!config.revocation_file.empty())
    return conflict("tls.revocation_file: has no meaning for a listener while tls.client_certificates = off");
  return {};
}

void wipe(gnutls_datum_t& key) noexcept {
  if (key.data == nullptr)
    return;
  ::gnutls_memset(key.data, 0, key.size);
  ::gnutls_free(key.data);
}

} // namespace

result<std::shared_ptr<const tls_credentials>> tls_credentials::make(tls_role role, const tls_config& config,
                                                                     const tls_material& material,
                                                                     tls_services services, std::time_t now) {
  if (auto checked = validate(config); !checked)
    return checked.error();
  if (auto checked = check_role(role, config); !checked)
    return checked.error();
  auto made = std::make_shared<tls_credentials>(role, config, std::move(services));
  if (auto ready = made->set_up(material, now); !ready)
    return ready.error();
  return std::shared_ptr<const tls_credentials>{std::move(made)};
}

tls_credentials::tls_credentials(tls_role role, const tls_config& config, tls_services services)
  : role_(role), config_(config), services_(std::move(services)) {}

tls_credentials::~tls_credentials() {
  wipe(ticket_key_);
  std::ranges::for_each(quic_ticket_keys_, wipe);
}

result<void> tls_credentials::set_up(const tls_material& material, std::time_t now) {
  const wall_time judged_by{now};
  gnutls_certificate_credentials_t certificates = nullptr;
  if (const auto failed = ::gnutls_certificate_allocate_credentials(&certificates); failed != 0)
    return complaint("tls", "there is no memory for credentials", ::gnutls_strerror(failed));
  certificates_.reset(certificates);
  auto priorities = make_priorities(priorities_for(config_.minimum_version));
  if (!priorities)
    return priorities.error();
  priorities_ = std::move(*priorities);
  auto quic_priorities = make_priorities(priorities_for(tls_version::tls1_3) + ":%DISABLE_TLS13_COMPAT_MODE");
  if (!quic_priorities)
    return quic_priorities.error();
  quic_priorities_ = std::move(*quic_priorities);
  if (auto ready = make_ticket_keys(); !ready)
    return ready;
  if (auto ready = set_identity(material, now); !ready)
    return ready;
  if (auto ready = set_trust(material); !ready)
    return ready;
  return set_revocations(material);
}

result<void> tls_credentials::make_ticket_keys() {
  if (role_ != tls_role::server || !config_.session_resumption)
    return {};
  auto failed = ::gnutls_session_ticket_key_generate(&ticket_key_);
  for (auto& each : quic_ticket_keys_)
    failed = failed != 0 ? failed : ::gnutls_session_ticket_key_generate(&each);
  if (failed != 0)
    return complaint("tls.session_resumption", "no key can be made for it");
  return {};
}

result<tls_credentials::priorities_handle> tls_credentials::make_priorities(const std::string& wanted) const {
  gnutls_priority_t made = nullptr;
  if (const auto failed = ::gnutls_priority_init2(&made, wanted.c_str(), nullptr, 0); failed != 0)
    return complaint("tls.minimum_version", "this machine's GnuTLS does not offer what is needed",
                     ::gnutls_strerror(failed));
  return priorities_handle{made};
}

result<void> tls_credentials::set_identity(const tls_material& material, std::time_t now) {
  if (config_.certificate.empty()) {
    if (role_ == tls_role::server)
      return complaint("tls.certificate", "a listener needs one, and tls.key with it");
    return {};
  }
  const auto chain_datum = datum_of(material.certificate);
  const auto key_datum = datum_of(material.key.reveal());
  const auto set = [&](const secret& password) {
    return ::gnutls_certificate_set_x509_key_mem2(certificates_.get(), &chain_datum, &key_datum, GNUTLS_X509_FMT_PEM,
                                                  password.empty() ? nullptr : password.reveal().c_str(), 0);
  };
  // GnuTLS forgets what it has read of a chain that breaks off, and a reload may meet such a file often.
  auto failed = check_chain(chain_datum);
  if (failed == 0)
    failed = set(config_.key.password);
  if (failed == GNUTLS_E_DECRYPTION_FAILED && config_.key.password.empty() && services_.ask_password)
    failed = set(services_.ask_password(config_.key.file));
  if (failed == GNUTLS_E_DECRYPTION_FAILED)
    return complaint("tls.key",
                     "it is encrypted, and tls.key.password or network_options::key_password does not open it");
  if (failed == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
    return complaint("tls.key", "it is not the key of tls.certificate");
  if (failed < 0)
    return complaint("tls.certificate", "it and tls.key are no certificate and private key in PEM form",
                     ::gnutls_strerror(failed));
  switch (validity_of(certificates_.get(), now)) {
    case validity::expired:
      return complaint("tls.certificate", "it has expired");
    case validity::not_yet:
      return complaint("tls.certificate", "it is not valid yet");
    case validity::valid:
    case validity::unknown:
      break;
  }
  return {};
}

result<void> tls_credentials::set_trust(const tls_material& material) {
  const auto is_needed =
      role_ == tls_role::client ? verifies() : config_.client_certificates != client_certificates::off;
  if (!is_needed)
    return {};
  if (config_.trust.empty()) {
    // Every public authority could make a client for such a listener, which nobody wants.
    if (role_ == tls_role::server)
      return complaint("tls.trust", "tls.client_certificates needs it: the authorities that sign clients");
    if (const auto count = ::gnutls_certificate_set_x509_system_trust(certificates_.get()); count <= 0)
      return complaint("tls.trust",
                       "it is empty, and this machine has no store of trusted authorities; install "
                       "ca-certificates, or set it",
                       count < 0 ? ::gnutls_strerror(count) : "");
    return {};
  }
  const auto datum = datum_of(material.trust);
  if (const auto count = ::gnutls_certificate_set_x509_trust_mem(certificates_.get(), &datum, GNUTLS_X509_FMT_PEM);
      count <= 0)
    return complaint("tls.trust", "it holds no certificate in PEM form", count < 0 ? ::gnutls_strerror(count) : "");
  return {};
}

result<void> tls_credentials::set_revocations(const tls_material& material) {
  if (config_.revocation_file.empty())
    return {};
  const auto datum = datum_of(material.revocations);
  if (const auto count = ::gnutls_certificate_set_x509_crl_mem(certificates_.get(), &datum, GNUTLS_X509_FMT_PEM);
      count <= 0)
    return complaint("tls.revocation_file", "it holds no revocation list in PEM form",
                     count < 0 ? ::gnutls_strerror(count) : "");
  revocations_ = lists_in(datum);
  return {};
}

std::optional<std::array<std::byte, 32>> tls_credentials::secret_of_key() const {
  gnutls_x509_privkey_t key = nullptr;
  if (::gnutls_certificate_get_x509_key(certificates_.get(), 0, &key) != 0)
    return std::nullopt;
  gnutls_datum_t bytes{};
  auto failed = ::gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_DER, nullptr, GNUTLS_PKCS_PLAIN, &bytes);
  ::gnutls_x509_privkey_deinit(key);
  if (failed != 0)
    return std::nullopt;
  std::array<std::byte, 32> secret{};
  failed = ::gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data, bytes.size, secret.data());
  ::gnutls_memset(bytes.data, 0, bytes.size);
  ::gnutls_free(bytes.data);
  return failed == 0 ? std::optional{secret} : std::nullopt;
}

transport_error tls_credentials::complaint(std::string_view field, std::string_view text,
                                           const std::string& detail) const {
  return make_credentials_error(field, text, detail, config_.detailed_errors);
}

} // namespace actorwire
