#include "tls_verification.hpp"

#include "tls_error.hpp"

#include <actorwire/transports/ip_address.hpp>

#include <gnutls/x509.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string_view>

namespace actorwire {

namespace {

constexpr std::size_t names_max = 16;

/// A certificate that lives as long as this.
class certificate {
public:
  explicit certificate(const gnutls_datum_t& der) {
    if (::gnutls_x509_crt_init(&parsed_) == 0)
      is_good_ = ::gnutls_x509_crt_import(parsed_, &der, GNUTLS_X509_FMT_DER) == 0;
  }
  ~certificate() {
    if (parsed_ != nullptr)
      ::gnutls_x509_crt_deinit(parsed_);
  }
  certificate(const certificate&) = delete;
  certificate& operator=(const certificate&) = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return is_good_; }

  /// The SHA-256 of its public key, in base64.
  [[nodiscard]] std::string key_hash() const {
    std::array<unsigned char, 32> hash{};
    auto size = hash.size();
    if (::gnutls_x509_crt_get_key_id(parsed_, GNUTLS_KEYID_USE_SHA256, hash.data(), &size) != 0)
      return {};
    const gnutls_datum_t raw{hash.data(), static_cast<unsigned>(size)};
    gnutls_datum_t text{};
    if (::gnutls_base64_encode2(&raw, &text) != 0)
      return {};
    std::string encoded{reinterpret_cast<const char*>(text.data), text.size};
    ::gnutls_free(text.data);
    return encoded;
  }

  /// Whether one of its alternative names is one of these, as a name of DNS. What it is called otherwise says nothing: an
  /// authority need not have looked at that (RFC 9525, 6.4).
  [[nodiscard]] bool has_one_of(const std::vector<std::string>& accepted) const {
    auto is_found = false;
    for_each_name([&](unsigned kind, std::string_view name) {
      is_found = kind == GNUTLS_SAN_DNSNAME
              && std::ranges::any_of(accepted, [name](const auto& each) { return is_same_name(name, each); });
      return !is_found;
    });
    return is_found;
  }

  /// The name of who signed it, in DER.
  [[nodiscard]] std::string issuer() const {
    gnutls_datum_t name{};
    if (::gnutls_x509_crt_get_raw_issuer_dn(parsed_, &name) != 0)
      return {};
    std::string copy{reinterpret_cast<const char*>(name.data), name.size};
    ::gnutls_free(name.data);
    return copy;
  }

  [[nodiscard]] bool is_self_signed() const { return ::gnutls_x509_crt_check_issuer(parsed_, parsed_) != 0; }

  /// Whether it may sign, which is what each certificate is used for here. One that does not say may do everything.
  [[nodiscard]] bool may_sign() const {
    unsigned usage = 0;
    const auto found = ::gnutls_x509_crt_get_key_usage(parsed_, &usage, nullptr);
    return found == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE
        || (found >= 0 && (usage & GNUTLS_KEY_DIGITAL_SIGNATURE) != 0);
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for_each_name([&](unsigned kind, std::string_view name) {
      if (kind == GNUTLS_SAN_DNSNAME)
        found.emplace_back(name);
      else if (kind == GNUTLS_SAN_IPADDRESS && (name.size() == 4 || name.size() == 16))
        found.push_back(address_text(name));
      return found.size() < names_max;
    });
    return found;
  }

private:
  /// Shows the alternative names until `take` wants no more. Those longer than any name of DNS are left out.
  template <class Taker>
  void for_each_name(Taker&& take) const {
    for (unsigned index = 0;; ++index) {
      std::array<char, 256> text{};
      auto size = text.size();
      const auto kind = ::gnutls_x509_crt_get_subject_alt_name(parsed_, index, text.data(), &size, nullptr);
      if (kind == GNUTLS_E_SHORT_MEMORY_BUFFER)
        continue;
      if (kind < 0 || !take(static_cast<unsigned>(kind), std::string_view{text.data(), size}))
        return;
    }
  }

  static bool is_same_name(std::string_view left, std::string_view right) noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::equal(left, right, {}, lower, lower);
  }

  static std::string address_text(std::string_view bytes) {
    ip_address address;
    address.is_v6 = bytes.size() == 16;
    std::memcpy(address.bytes.data(), bytes.data(), bytes.size());
    return to_string(address);
  }

  gnutls_x509_crt_t parsed_ = nullptr;
  bool is_good_ = false;
};

/// What the other side showed, the first its own; nothing if it showed none.
std::span<const gnutls_datum_t> chain_of_peer(gnutls_session_t session) noexcept {
  unsigned count = 0;
  const auto* chain = ::gnutls_certificate_get_peers(session, &count);
  return {chain, chain != nullptr ? count : 0};
}

transport_error refusal(std::string_view why) {
  return make_error(error_code::certificate_rejected, phase::handshake, origin::remote,
                    "the certificate of the other side is refused: " + std::string{why});
}

/// What is wrong with the lists that concern these certificates, as a status of GnuTLS. It looks for certificates in the
/// lists, but not at the age of these.
unsigned status_of_lists(std::span<const gnutls_datum_t> chain, const std::vector<revocation_list>& lists,
                         std::time_t now) {
  unsigned status = 0;
  for (const auto& shown : chain) {
    const certificate each{shown};
    const auto issuer = each ? each.issuer() : std::string{};
    for (const auto& list : lists) {
      if (list.issuer != issuer)
        continue;
      if (now < list.since)
        status |= GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE;
      if (list.until && now > *list.until)
        status |= GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED;
    }
  }
  return status;
}

/// Whether the authority of a certificate has a list. A list of a stranger would else protect nobody, and nobody would know.
bool is_covered(const certificate& leaf, const std::vector<revocation_list>& lists) {
  return lists.empty() || std::ranges::find(lists, leaf.issuer(), &revocation_list::issuer) != lists.end();
}

/// What a certificate is verified against by GnuTLS: chain, time, use, and the name or address of a server.
int verify(gnutls_session_t session, bool is_server, std::string server, unsigned& status) {
  std::array<gnutls_typed_vdata_st, 2> wanted{};
  unsigned count = 0;
  const auto* purpose = is_server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
  wanted[count++] = {GNUTLS_DT_KEY_PURPOSE_OID, reinterpret_cast<unsigned char*>(const_cast<char*>(purpose)), 0};
  auto address = parse_ip_address(server);
  if (address)
    wanted[count++] = {GNUTLS_DT_IP_ADDRESS, reinterpret_cast<unsigned char*>(address->bytes.data()),
                       address->is_v6 ? 16U : 4U};
  else if (!is_server)
    wanted[count++] = {GNUTLS_DT_DNS_HOSTNAME, reinterpret_cast<unsigned char*>(server.data()), 0};
  return ::gnutls_certificate_verify_peers(session, wanted.data(), count, &status);
}

} // namespace

peer_identity identity_of_peer(gnutls_session_t session) {
  const auto chain = chain_of_peer(session);
  if (chain.empty())
    return {};
  const certificate leaf{chain.front()};
  return leaf ? peer_identity{leaf.names(), leaf.key_hash()} : peer_identity{};
}

std::optional<transport_error> verify_peer_of(gnutls_session_t session, const tls_credentials& identity,
                                              const std::string& server, std::time_t now) {
  const auto& config = identity.config();
  const auto is_server = identity.role() == tls_role::server;
  const auto chain = chain_of_peer(session);
  if (chain.empty() && is_server && config.client_certificates == client_certificates::request)
    return std::nullopt;
  if (chain.empty())
    return make_error(error_code::certificate_rejected, phase::handshake, origin::remote,
                      "the other side showed no certificate");
  const certificate leaf{chain.front()};
  if (!leaf)
    return refusal("it is none");
  unsigned status = 0;
  if (verify(session, is_server, server, status) != 0)
    return refusal("it cannot be verified");
  status |= status_of_lists(chain, identity.revocations(), now);
  if (status != 0)
    return make_verification_error(status, leaf.is_self_signed(), config.detailed_errors);
  if (!leaf.may_sign())
    return make_verification_error(GNUTLS_CERT_PURPOSE_MISMATCH, false, config.detailed_errors);
  if (!is_covered(leaf, identity.revocations()))
    return refusal("tls.revocation_file has no list of its authority");
  if (!config.pinned_keys.empty() && std::ranges::find(config.pinned_keys, leaf.key_hash()) == config.pinned_keys.end())
    return refusal("its key is not one of tls.pinned_keys");
  if (is_server && !config.accepted_clients.empty() && !leaf.has_one_of(config.accepted_clients))
    return refusal("it has no name of tls.accepted_clients");
  return std::nullopt;
}

} // namespace actorwire
