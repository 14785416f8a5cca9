#include "gnutls_support.hpp"
#include "tls_echo_loop.hpp"
#include "tls_rivals.hpp"

#include <gnutls/gnutls.h>

namespace actorwire::bench {

namespace {

gnutls_datum_t datum_of(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

class gnutls_library {
public:
  explicit gnutls_library(const tls_identity& identity) {
    const auto certificate = datum_of(identity.certificate);
    const auto key = datum_of(identity.key);
    checked_gnutls(gnutls_certificate_set_x509_key_mem(credentials_.get(), &certificate, &key, GNUTLS_X509_FMT_PEM),
                   "certificate");
    checked_gnutls(gnutls_session_ticket_key_generate(&ticket_key_), "ticket key");
  }

  gnutls_library(const gnutls_library&) = delete;
  gnutls_library& operator=(const gnutls_library&) = delete;
  ~gnutls_library() { gnutls_free(ticket_key_.data); }

  class session {
  public:
    session(gnutls_library& library, int socket)
      : handle_(make_gnutls_session(GNUTLS_SERVER, library.credentials_.get(), library.priorities_.get())) {
      checked_gnutls(gnutls_session_ticket_enable_server(handle_.get(), &library.ticket_key_), "tickets");
      gnutls_transport_set_int(handle_.get(), socket);
    }

    tls_step handshake() {
      const auto outcome = gnutls_handshake(handle_.get());
      return outcome == GNUTLS_E_SUCCESS ? tls_step::done : step_of(outcome);
    }

    tls_transfer read(std::span<std::byte> into) {
      const auto count = gnutls_record_recv(handle_.get(), into.data(), into.size());
      return count > 0 ? tls_transfer{tls_step::done, static_cast<std::size_t>(count)} : tls_transfer{step_of(count)};
    }

    tls_transfer write(std::span<const std::byte> from) {
      // GnuTLS has kept what it could not send, and is asked to go on by sending nothing.
      const auto count = is_blocked_ ? gnutls_record_send(handle_.get(), nullptr, 0)
                                     : gnutls_record_send(handle_.get(), from.data(), from.size());
      is_blocked_ = count == GNUTLS_E_AGAIN || count == GNUTLS_E_INTERRUPTED;
      if (is_blocked_)
        return {tls_step::wants_write};
      return count < 0 ? tls_transfer{} : tls_transfer{tls_step::done, from.size()};
    }

    [[nodiscard]] bool holds_more() const { return gnutls_record_check_pending(handle_.get()) > 0; }

  private:
    [[nodiscard]] tls_step step_of(ssize_t outcome) const {
      if (outcome != GNUTLS_E_AGAIN && outcome != GNUTLS_E_INTERRUPTED)
        return tls_step::ended;
      return gnutls_record_get_direction(handle_.get()) == 0 ? tls_step::wants_read : tls_step::wants_write;
    }

    gnutls_handle<gnutls_session_t> handle_;
    bool is_blocked_ = false;
  };

private:
  gnutls_handle<gnutls_certificate_credentials_t> credentials_ = make_gnutls_credentials();
  gnutls_handle<gnutls_priority_t> priorities_ = make_gnutls_priorities();
  gnutls_datum_t ticket_key_{};
};

} // namespace

std::unique_ptr<echo_server> make_gnutls_server(const tls_identity& identity) {
  return std::make_unique<tls_echo_server<gnutls_library>>(identity);
}

} // namespace actorwire::bench
