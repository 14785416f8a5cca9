#pragma once

#include "../tls_credentials.hpp"
#include "../tls_engine.hpp"

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/quic_config.hpp>

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace actorwire {

/// The handshake of one QUIC connection (RFC 9001): a session of GnuTLS that ngtcp2 feeds and asks for keys. Verifies the
/// peer by the same credentials and in the same way as TLS over TCP.
/// *Thread:* one at a time. *Lifetime:* stays where it is, and as long as its connection; a client's tickets come later.
class quic_tls {
public:
  /// What is offered where `tls_config::alpn` is empty: QUIC does not go without (RFC 9001, 8.1).
  static constexpr std::string_view default_protocol = "actorwire";

  struct settings {
    std::shared_ptr<const tls_credentials> identity;
    /// For a client: the name or address that the peer's certificate must have, and whom a session is remembered with.
    std::string server{};
    std::string session_key{};
    /// Whether early data is offered, or taken.
    bool early_data = false;
    /// For a server that takes early data: what keeps it from being taken twice.
    std::shared_ptr<std::remove_pointer_t<gnutls_anti_replay_t>> guard{};
    /// Bytes that the peer may send in all before keys are agreed on: more than any honest flight of certificates.
    std::size_t handshake_bytes_max = tls_engine::handshake_bytes_max;
  };

  /// *Errors:* throws `std::runtime_error` for want of memory.
  explicit quic_tls(settings chosen);
  ~quic_tls();

  quic_tls(const quic_tls&) = delete;
  quic_tls& operator=(const quic_tls&) = delete;

  /// Tells whose keys are agreed on, before anything else is called.
  void attach(ngtcp2_conn* connection) noexcept { connection_ = connection; }

  /// Gives back what the session of a server takes, a fifth of an idle connection: once its handshake is done and its ticket
  /// is sent, a client has nothing to say that TLS would have to hear (RFC 8446, 4.6; RFC 9001, 4.4 and 6), and QUIC makes
  /// new keys by itself. Nothing is asked of the session afterwards.
  void release_session() noexcept { session_.reset(); }
  [[nodiscard]] bool has_session() const noexcept { return session_ != nullptr; }

  [[nodiscard]] gnutls_session_t session() const noexcept { return session_.get(); }
  [[nodiscard]] const tls_credentials& identity() const noexcept { return *settings_.identity; }
  [[nodiscard]] const tls_config& config() const noexcept { return settings_.identity->config(); }

  /// Tells the time that everything until the next call happens at.
  void set_now(const tls_now& now) noexcept { now_ = now; }

  /// A client's session of earlier, if there is one of these versions of QUIC: is offered from then on. Before the
  /// handshake begins.
  [[nodiscard]] std::optional<tls_session> offer_session(std::span<const std::uint32_t> versions);

  /// Counts what the peer sends before the handshake is done. False: it is too much, and `failure` says so.
  [[nodiscard]] bool admits_handshake_bytes(std::size_t size);

  /// A server takes the tickets of this version of QUIC, by which the client begins, and none of another (RFC 9369, 5).
  /// Before the handshake.
  void take_tickets(quic_version version);

  /// A server's way to let the client come back, by the version that was agreed on. After the handshake.
  void send_ticket(quic_version version);

  /// Keeps the ticket that has come, if one has, with what QUIC adds to it.
  void remember_session(std::uint32_t version, std::string parameters, std::string token);
  /// The same for a proof of the address that came later than the ticket.
  void remember_token(std::uint32_t version, std::string token);
  [[nodiscard]] bool has_ticket() const noexcept { return !ticket_.empty(); }

  /// What speaks against the peer although TLS itself agreed: called when the handshake is complete.
  [[nodiscard]] std::optional<transport_error> judge_agreement();

  [[nodiscard]] tls_info info() const;
  [[nodiscard]] bool early_data_was_accepted() const noexcept;

  /// Why the handshake failed, if a callback found that out. Else `alert` is all there is to say.
  [[nodiscard]] transport_error failure(int alert) const;

private:
  struct session_closer {
    void operator()(gnutls_session_t session) const noexcept { ::gnutls_deinit(session); }
  };

  static quic_tls& self_of(gnutls_session_t session) noexcept;
  static int verify(gnutls_session_t session);
  static int log_key(gnutls_session_t session, const char* label, const gnutls_datum_t* value);
  static int take_ticket(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                         const gnutls_datum_t* message);
  template <class Body>
  int guarded(Body&& body) noexcept;

  [[nodiscard]] bool is_server() const noexcept { return identity().role() == tls_role::server; }
  [[nodiscard]] bool remembers_sessions() const noexcept;
  void set_up_server();
  [[nodiscard]] int use_ticket_key(quic_version version) noexcept;
  void set_up_client();

  const settings settings_;
  ngtcp2_conn* connection_ = nullptr;
  /// Leads ngtcp2 from the session to the connection, and us to this.
  ngtcp2_crypto_conn_ref reference_;
  std::unique_ptr<std::remove_pointer_t<gnutls_session_t>, session_closer> session_;
  tls_now now_;
  /// When the server of the session that is offered was verified.
  time_point verified_at_{};
  /// A server: the version whose key GnuTLS has for tickets.
  quic_version tickets_of_ = quic_version::v1;
  std::size_t handshake_bytes_ = 0;
  std::string ticket_;
  time_point ticket_since_{};
  std::optional<transport_error> failure_;
};

} // namespace actorwire
