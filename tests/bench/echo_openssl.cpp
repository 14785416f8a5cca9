#include "tls_echo_loop.hpp"
#include "tls_rivals.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <stdexcept>
#include <string>

namespace actorwire::bench {

namespace {

struct openssl_deleter {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  void operator()(SSL* session) const noexcept { SSL_free(session); }
  void operator()(BIO* stream) const noexcept { BIO_free(stream); }
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};

template <class Object>
using openssl_handle = std::unique_ptr<Object, openssl_deleter>;

void check_openssl(bool succeeded, const char* what) {
  if (!succeeded)
    throw std::runtime_error(std::string{what} + ": " + ERR_error_string(ERR_get_error(), nullptr));
}

openssl_handle<BIO> stream_of(const std::string& text) {
  return openssl_handle<BIO>{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

class openssl_library {
public:
  explicit openssl_library(const tls_identity& identity) : context_(SSL_CTX_new(TLS_server_method())) {
    check_openssl(context_ != nullptr, "context");
    auto* const context = context_.get();
    const openssl_handle<X509> certificate{
        PEM_read_bio_X509(stream_of(identity.certificate).get(), nullptr, nullptr, nullptr)};
    const openssl_handle<EVP_PKEY> key{
        PEM_read_bio_PrivateKey(stream_of(identity.key).get(), nullptr, nullptr, nullptr)};
    check_openssl(SSL_CTX_use_certificate(context, certificate.get()) == 1, "certificate");
    check_openssl(SSL_CTX_use_PrivateKey(context, key.get()) == 1, "key");
    check_openssl(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1, "version");
    check_openssl(SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1, "cipher");
    check_openssl(SSL_CTX_set1_groups_list(context, "X25519") == 1, "group");
    // As servers with many connections set it: buffers of idle connections are given back.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Tickets hold the sessions; a cache in the server besides would only take memory.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  }

  class session {
  public:
    session(openssl_library& library, int socket) : handle_(SSL_new(library.context_.get())) {
      check_openssl(handle_ != nullptr && SSL_set_fd(handle_.get(), socket) == 1, "session");
      SSL_set_accept_state(handle_.get());
    }

    tls_step handshake() {
      ERR_clear_error();
      const auto outcome = SSL_do_handshake(handle_.get());
      return outcome == 1 ? tls_step::done : step_of(outcome);
    }

    tls_transfer read(std::span<std::byte> into) {
      ERR_clear_error();
      const auto count = SSL_read(handle_.get(), into.data(), static_cast<int>(into.size()));
      return count > 0 ? tls_transfer{tls_step::done, static_cast<std::size_t>(count)} : tls_transfer{step_of(count)};
    }

    tls_transfer write(std::span<const std::byte> from) {
      ERR_clear_error();
      const auto count = SSL_write(handle_.get(), from.data(), static_cast<int>(from.size()));
      return count > 0 ? tls_transfer{tls_step::done, from.size()} : tls_transfer{step_of(count)};
    }

    [[nodiscard]] bool holds_more() const { return SSL_has_pending(handle_.get()) == 1; }

  private:
    [[nodiscard]] tls_step step_of(int outcome) const {
      switch (SSL_get_error(handle_.get(), outcome)) {
        case SSL_ERROR_WANT_READ:
          return tls_step::wants_read;
        case SSL_ERROR_WANT_WRITE:
          return tls_step::wants_write;
        default:
          return tls_step::ended;
      }
    }

    openssl_handle<SSL> handle_;
  };

private:
  openssl_handle<SSL_CTX> context_;
};

} // namespace

std::unique_ptr<echo_server> make_openssl_server(const tls_identity& identity) {
  return std::make_unique<tls_echo_server<openssl_library>>(identity);
}

} // namespace actorwire::bench
