#include "gnutls_support.hpp"

#include <stdexcept>
#include <string>

namespace actorwire::bench {

int checked_gnutls(int value, const char* what) {
  if (value < 0)
    throw std::runtime_error(std::string{what} + ": " + gnutls_strerror(value));
  return value;
}

gnutls_handle<gnutls_certificate_credentials_t> make_gnutls_credentials() {
  gnutls_certificate_credentials_t made = nullptr;
  checked_gnutls(gnutls_certificate_allocate_credentials(&made), "credentials");
  return gnutls_handle<gnutls_certificate_credentials_t>{made};
}

gnutls_handle<gnutls_priority_t> make_gnutls_priorities() {
  gnutls_priority_t made = nullptr;
  checked_gnutls(gnutls_priority_init(&made, gnutls_priorities, nullptr), "priorities");
  return gnutls_handle<gnutls_priority_t>{made};
}

gnutls_handle<gnutls_session_t> make_gnutls_session(unsigned flags, gnutls_certificate_credentials_t credentials,
                                                    gnutls_priority_t priorities) {
  gnutls_session_t made = nullptr;
  checked_gnutls(gnutls_init(&made, flags | GNUTLS_NONBLOCK), "session");
  gnutls_handle<gnutls_session_t> session{made};
  checked_gnutls(gnutls_priority_set(made, priorities), "priorities");
  checked_gnutls(gnutls_credentials_set(made, GNUTLS_CRD_CERTIFICATE, credentials), "credentials");
  return session;
}

} // namespace actorwire::bench
