#include "tls_identity.hpp"

#include "gnutls_support.hpp"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include <ctime>
#include <memory>
#include <string_view>

namespace actorwire::bench {

namespace {

struct x509_deleter {
  void operator()(gnutls_x509_crt_t certificate) const noexcept { gnutls_x509_crt_deinit(certificate); }
  void operator()(gnutls_x509_privkey_t key) const noexcept { gnutls_x509_privkey_deinit(key); }
};

template <class Handle>
using x509_handle = std::unique_ptr<std::remove_pointer_t<Handle>, x509_deleter>;

std::string taken(gnutls_datum_t& text) {
  std::string copy{reinterpret_cast<const char*>(text.data), text.size};
  gnutls_free(text.data);
  return copy;
}

x509_handle<gnutls_x509_privkey_t> make_key() {
  gnutls_x509_privkey_t made = nullptr;
  checked_gnutls(gnutls_x509_privkey_init(&made), "key");
  x509_handle<gnutls_x509_privkey_t> key{made};
  checked_gnutls(gnutls_x509_privkey_generate(made, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
                                              0),
                 "key");
  return key;
}

x509_handle<gnutls_x509_crt_t> make_certificate(gnutls_x509_privkey_t key) {
  constexpr std::string_view name = "localhost";
  constexpr unsigned char serial = 1;
  constexpr std::time_t day = 24 * 60 * 60;
  const auto now = std::time(nullptr);
  gnutls_x509_crt_t made = nullptr;
  checked_gnutls(gnutls_x509_crt_init(&made), "certificate");
  x509_handle<gnutls_x509_crt_t> certificate{made};
  checked_gnutls(gnutls_x509_crt_set_version(made, 3), "version");
  checked_gnutls(gnutls_x509_crt_set_serial(made, &serial, sizeof serial), "serial");
  checked_gnutls(gnutls_x509_crt_set_dn(made, "CN=localhost", nullptr), "name");
  checked_gnutls(gnutls_x509_crt_set_subject_alt_name(made, GNUTLS_SAN_DNSNAME, name.data(),
                                                      static_cast<unsigned>(name.size()), GNUTLS_FSAN_SET),
                 "name");
  checked_gnutls(gnutls_x509_crt_set_activation_time(made, now - day), "time");
  checked_gnutls(gnutls_x509_crt_set_expiration_time(made, now + 30 * day), "time");
  checked_gnutls(gnutls_x509_crt_set_key_usage(made, GNUTLS_KEY_DIGITAL_SIGNATURE), "usage");
  checked_gnutls(gnutls_x509_crt_set_key(made, key), "key");
  checked_gnutls(gnutls_x509_crt_sign2(made, made, key, GNUTLS_DIG_SHA256, 0), "signature");
  return certificate;
}

} // namespace

tls_identity make_tls_identity() {
  const auto key = make_key();
  const auto certificate = make_certificate(key.get());
  gnutls_datum_t text{};
  tls_identity made;
  checked_gnutls(gnutls_x509_crt_export2(certificate.get(), GNUTLS_X509_FMT_PEM, &text), "certificate");
  made.certificate = taken(text);
  checked_gnutls(gnutls_x509_privkey_export2(key.get(), GNUTLS_X509_FMT_PEM, &text), "key");
  made.key = taken(text);
  return made;
}

} // namespace actorwire::bench
