#include "tls_identities.hpp"

#include "fixed_random.hpp"
#include "target.hpp"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <cstdint>
#include <memory>
#include <type_traits>

namespace actorwire::fuzz {

namespace {

void must(int code) {
  check(code >= 0, "GnuTLS makes certificates");
}

struct certificate_closer {
  void operator()(gnutls_x509_crt_t closed) const noexcept { ::gnutls_x509_crt_deinit(closed); }
};
struct key_closer {
  void operator()(gnutls_x509_privkey_t closed) const noexcept { ::gnutls_x509_privkey_deinit(closed); }
};

/// A certificate together with its key.
class holder {
public:
  enum class purpose : std::uint8_t { authority, server, client };

  /// Signed by `issuer`, or by itself without one.
  holder(purpose what, const std::string& name, const holder* issuer = nullptr) {
    gnutls_x509_privkey_t key = nullptr;
    must(::gnutls_x509_privkey_init(&key));
    key_.reset(key);
    must(::gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    gnutls_x509_crt_t made = nullptr;
    must(::gnutls_x509_crt_init(&made));
    certificate_.reset(made);
    must(::gnutls_x509_crt_set_version(made, 3));
    const std::uint8_t serial = ++serials;
    must(::gnutls_x509_crt_set_serial(made, &serial, sizeof serial));
    constexpr std::time_t years = 365L * 24 * 3'600;
    must(::gnutls_x509_crt_set_activation_time(made, good_day - 5 * years));
    must(::gnutls_x509_crt_set_expiration_time(made, good_day + 5 * years));
    const auto subject = "CN=" + std::string{unmentionable} + ' ' + std::to_string(serial);
    must(::gnutls_x509_crt_set_dn(made, subject.c_str(), nullptr));
    must(::gnutls_x509_crt_set_key(made, key));
    if (what == purpose::authority) {
      must(::gnutls_x509_crt_set_basic_constraints(made, 1, -1));
      must(::gnutls_x509_crt_set_key_usage(made, GNUTLS_KEY_KEY_CERT_SIGN));
    } else {
      must(::gnutls_x509_crt_set_subject_alt_name(made, GNUTLS_SAN_DNSNAME, name.data(),
                                                  static_cast<unsigned>(name.size()), GNUTLS_FSAN_SET));
      must(::gnutls_x509_crt_set_key_usage(made, GNUTLS_KEY_DIGITAL_SIGNATURE));
      must(::gnutls_x509_crt_set_key_purpose_oid(made,
                                                 what == purpose::server ? GNUTLS_KP_TLS_WWW_SERVER
                                                                         : GNUTLS_KP_TLS_WWW_CLIENT,
                                                 0));
    }
    const auto& signer = issuer != nullptr ? *issuer : *this;
    must(::gnutls_x509_crt_sign2(made, signer.certificate_.get(), signer.key_.get(), GNUTLS_DIG_SHA256, 0));
  }

  [[nodiscard]] std::string certificate() const {
    gnutls_datum_t text{};
    must(::gnutls_x509_crt_export2(certificate_.get(), GNUTLS_X509_FMT_PEM, &text));
    return taken(text);
  }

  [[nodiscard]] identity both() const {
    gnutls_datum_t text{};
    must(::gnutls_x509_privkey_export2(key_.get(), GNUTLS_X509_FMT_PEM, &text));
    return {certificate(), secret{taken(text)}};
  }

private:
  static std::string taken(const gnutls_datum_t& text) {
    std::string copy{reinterpret_cast<const char*>(text.data), text.size};
    ::gnutls_free(text.data);
    return copy;
  }

  inline static std::uint8_t serials = 0;

  std::unique_ptr<std::remove_pointer_t<gnutls_x509_privkey_t>, key_closer> key_;
  std::unique_ptr<std::remove_pointer_t<gnutls_x509_crt_t>, certificate_closer> certificate_;
};

identities make_world() {
  using enum holder::purpose;
  restart_random(1);
  const auto other_host = std::string{unmentionable}.append(".test");
  const holder root{authority, {}};
  const holder foreign_root{authority, {}};
  return {root.certificate(),
          holder{server, "localhost", &root}.both(),
          holder{server, other_host, &root}.both(),
          holder{server, "localhost", &foreign_root}.both(),
          holder{client, other_host, &root}.both(),
          holder{client, other_host, &foreign_root}.both()};
}

} // namespace

const identities& world() {
  static const auto made = make_world();
  return made;
}

} // namespace actorwire::fuzz
