#pragma once

#include "connection.hpp"
#include "gnutls_support.hpp"
#include "posix.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace actorwire::bench {

/// What a server gave to resume its session by.
using tls_ticket = std::vector<std::byte>;

/// A client's end of a TLS connection, on GnuTLS. It reads ahead and gathers records, so that it costs little itself.
class tls_connection final : public connection {
public:
  explicit tls_connection(unique_fd socket, gnutls_handle<gnutls_session_t> session);
  tls_connection(const tls_connection&) = delete;
  tls_connection& operator=(const tls_connection&) = delete;

  /// Goes on with the handshake as far as it can; returns whether it is complete.
  /// *Errors:* throws when it fails, and when it did not agree on TLS 1.3 with AES-128-GCM.
  bool handshake() override;
  [[nodiscard]] bool is_resumed() const;
  /// The newest ticket; it comes some time after the handshake, before the server's first bytes.
  [[nodiscard]] tls_ticket ticket() const;

  [[nodiscard]] int fd() const noexcept override { return socket_.get(); }
  std::size_t read_some(std::span<std::byte> into) override;
  [[nodiscard]] bool may_hold_more() const noexcept override;
  std::size_t write_some(std::span<const std::byte> from) override;
  [[nodiscard]] bool holds_unsent() const noexcept override { return sent_ < outgoing_.size(); }

private:
  static constexpr std::size_t read_ahead = 65'536;

  static ssize_t pull(gnutls_transport_ptr_t self, void* into, std::size_t size);
  static ssize_t push(gnutls_transport_ptr_t self, const void* from, std::size_t size);
  static int pull_timeout(gnutls_transport_ptr_t self, unsigned milliseconds);
  void flush();

  unique_fd socket_;
  /// Records as they came; not initialised, so that idle connections take no memory for what never came.
  std::unique_ptr<std::byte[]> incoming_;
  std::size_t incoming_begin_ = 0;
  std::size_t incoming_end_ = 0;
  /// Records that the socket did not take yet, from `sent_` on.
  std::vector<std::byte> outgoing_;
  std::size_t sent_ = 0;
  gnutls_handle<gnutls_session_t> session_;
};

/// Makes TLS connections; verifies nobody. *Lifetime:* outlives its connections.
class tls_client {
public:
  /// Begins a handshake on a connected socket; resumes if there is a ticket.
  [[nodiscard]] std::unique_ptr<tls_connection> begin(unique_fd socket, std::span<const std::byte> ticket = {}) const;

  /// The same, and waits until the handshake is complete.
  [[nodiscard]] std::unique_ptr<tls_connection> open(unique_fd socket) const;

private:
  gnutls_handle<gnutls_certificate_credentials_t> credentials_ = make_gnutls_credentials();
  gnutls_handle<gnutls_priority_t> priorities_ = make_gnutls_priorities();
};

} // namespace actorwire::bench
