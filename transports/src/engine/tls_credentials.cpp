#include "tls_credentials.hpp"

#include "tls_error.hpp"
#include "wall_time.hpp"

#include <fcntl.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace actorwire {

namespace {

// Larger than any store of trust anchors, and small enough for a mistaken name to do no harm.
constexpr std::size_t longest_file = std::size_t{16} << 20U;

/// Ephemeral keys and authenticated ciphers only, the fastest first where hardware helps. What is not listed is off:
/// compression, renegotiation by the peer, RC4, CBC, SHA-1, static RSA.
constexpr const char* tls1_3_only =
    "NONE:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA:"
    "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
    "+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SECP521R1-SHA512:+SIGN-EDDSA-ED25519:"
    "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512:"
    "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:"
    "+CTYPE-X509:+COMP-NULL";
constexpr const char* tls1_2_too =
    "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA:"
    "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
    "+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SECP521R1-SHA512:+SIGN-EDDSA-ED25519:"
    "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512:"
    "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:"
    "+CTYPE-X509:+COMP-NULL";

gnutls_datum_t datum_of(const std::string& text) noexcept {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

/// The bytes of a file; wiped when it goes, because it may be a key.
result<secret> read_file(const std::string& name) {
  const auto descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return make_system_error(errno, phase::setup, "open it");
  std::string bytes;
  auto failure = 0;
  struct stat about {};
  if (::fstat(descriptor, &about) != 0)
    failure = errno;
  else if (!S_ISREG(about.st_mode))
    failure = EINVAL;
  else if (static_cast<std::size_t>(about.st_size) > longest_file)
    failure = EFBIG;
  // One byte more than it has, so that the end shows without growing.
  if (failure == 0)
    bytes.resize(static_cast<std::size_t>(about.st_size) + 1);
  std::size_t length = 0;
  while (failure == 0) {
    const auto got = ::read(descriptor, bytes.data() + length, bytes.size() - length);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      failure = errno;
    if (got <= 0)
      break;
    length += static_cast<std::size_t>(got);
    if (length == bytes.size())
      failure = EFBIG; // It grows while it is read.
  }
  ::close(descriptor);
  bytes.resize(length);
  secret content{std::move(bytes)};
  if (failure != 0)
    return make_system_error(failure, phase::setup, "read it");
  return content;
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

} // namespace

result<std::shared_ptr<const tls_credentials>> tls_credentials::load(tls_role role, const tls_config& config,
                                                                     const key_password_function& ask_password,
                                                                     std::time_t now) {
  if (auto checked = validate(config); !checked)
    return checked.error();
  auto made = std::make_shared<tls_credentials>(role, config);
  if (auto loaded = made->load(ask_password, now); !loaded)
    return loaded.error();
  return std::shared_ptr<const tls_credentials>{std::move(made)};
}

tls_credentials::tls_credentials(tls_role role, const tls_config& config)
  : role_(role), config_(config), sessions_(config.session_cache_size, config.session_lifetime) {}

tls_credentials::~tls_credentials() {
  if (ticket_key_.data != nullptr) {
    ::gnutls_memset(ticket_key_.data, 0, ticket_key_.size);
    ::gnutls_free(ticket_key_.data);
  }
  if (key_log_ >= 0)
    ::close(key_log_);
}

result<void> tls_credentials::load(const key_password_function& ask_password, std::time_t now) {
  const wall_time judged_by{now};
  gnutls_certificate_credentials_t certificates = nullptr;
  if (const auto failed = ::gnutls_certificate_allocate_credentials(&certificates); failed != 0)
    return complaint("tls", "there is no memory for credentials", ::gnutls_strerror(failed));
  certificates_.reset(certificates);
  gnutls_priority_t priorities = nullptr;
  const auto* wanted = config_.minimum_version == tls_version::tls1_2 ? tls1_2_too : tls1_3_only;
  if (const auto failed = ::gnutls_priority_init2(&priorities, wanted, nullptr, 0); failed != 0)
    return complaint("tls.minimum_version", "this machine's GnuTLS does not offer what is needed",
                     ::gnutls_strerror(failed));
  priorities_.reset(priorities);
  if (role_ == tls_role::server && config_.session_resumption
      && ::gnutls_session_ticket_key_generate(&ticket_key_) != 0)
    return complaint("tls.session_resumption", "no key can be made for it");
  if (auto loaded = load_identity(ask_password, now); !loaded)
    return loaded;
  if (auto loaded = load_trust(); !loaded)
    return loaded;
  if (auto loaded = load_revocations(); !loaded)
    return loaded;
  return open_key_log();
}

result<void> tls_credentials::load_identity(const key_password_function& ask_password, std::time_t now) {
  if (config_.certificate.empty()) {
    if (role_ == tls_role::server)
      return complaint("tls.certificate", "a listener needs one, and tls.key with it");
    return {};
  }
  secret chain{config_.certificate.text};
  if (!config_.certificate.file.empty()) {
    auto read = read_file(config_.certificate.file);
    if (!read)
      return complaint("tls.certificate", "the file cannot be read",
                       config_.certificate.file + ": " + read.error().text);
    chain = std::move(*read);
  }
  auto key = config_.key.text;
  if (!config_.key.file.empty()) {
    auto read = read_file(config_.key.file);
    if (!read)
      return complaint("tls.key", "the file cannot be read", config_.key.file + ": " + read.error().text);
    key = std::move(*read);
  }
  const auto chain_datum = datum_of(chain.reveal());
  const auto key_datum = datum_of(key.reveal());
  const auto set = [&](const secret& password) {
    return ::gnutls_certificate_set_x509_key_mem2(certificates_.get(), &chain_datum, &key_datum, GNUTLS_X509_FMT_PEM,
                                                  password.empty() ? nullptr : password.reveal().c_str(), 0);
  };
  auto failed = set(config_.key.password);
  if (failed == GNUTLS_E_DECRYPTION_FAILED && config_.key.password.empty() && ask_password)
    failed = set(secret{ask_password(config_.key.file)});
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

result<void> tls_credentials::load_trust() {
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
  secret anchors{config_.trust.text};
  if (!config_.trust.file.empty()) {
    auto read = read_file(config_.trust.file);
    if (!read)
      return complaint("tls.trust", "the file cannot be read", config_.trust.file + ": " + read.error().text);
    anchors = std::move(*read);
  }
  const auto datum = datum_of(anchors.reveal());
  if (const auto count = ::gnutls_certificate_set_x509_trust_mem(certificates_.get(), &datum, GNUTLS_X509_FMT_PEM);
      count <= 0)
    return complaint("tls.trust", "it holds no certificate in PEM form", count < 0 ? ::gnutls_strerror(count) : "");
  return {};
}

result<void> tls_credentials::load_revocations() {
  if (config_.revocation_file.empty())
    return {};
  auto read = read_file(config_.revocation_file);
  if (!read)
    return complaint("tls.revocation_file", "the file cannot be read",
                     config_.revocation_file + ": " + read.error().text);
  const auto datum = datum_of(read->reveal());
  if (const auto count = ::gnutls_certificate_set_x509_crl_mem(certificates_.get(), &datum, GNUTLS_X509_FMT_PEM);
      count <= 0)
    return complaint("tls.revocation_file", "it holds no revocation list in PEM form of an authority of tls.trust",
                     count < 0 ? ::gnutls_strerror(count) : "");
  return {};
}

result<void> tls_credentials::open_key_log() {
  if (config_.key_log_file.empty())
    return {};
  key_log_ = ::open(config_.key_log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
  if (key_log_ < 0)
    return complaint("tls.key_log_file", "the file cannot be written",
                     config_.key_log_file + ": " + std::generic_category().message(errno));
  return {};
}

void tls_credentials::log_key(std::string_view line) const {
  // One call, so that lines of several shards do not mix. A full disk costs the log, not the connection.
  if (key_log_ >= 0) [[maybe_unused]]
    const auto ignored = ::write(key_log_, line.data(), line.size());
}

transport_error tls_credentials::complaint(std::string_view field, std::string_view text,
                                           const std::string& detail) const {
  return make_credentials_error(field, text, detail, config_.detailed_errors);
}

} // namespace actorwire
