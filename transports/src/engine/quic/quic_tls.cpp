#include "quic_tls.hpp"

#include "../tls_error.hpp"
#include "../tls_session.hpp"
#include "../tls_verification.hpp"

#include <actorwire/transports/ip_address.hpp>

#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace actorwire {

namespace {

/// Alerts that tell what the own side found (RFC 8446, 6.2).
constexpr int certificate_required = 116;
constexpr int no_application_protocol = 120;

} // namespace

quic_tls::quic_tls(settings chosen)
  : settings_(std::move(chosen)),
    reference_{[](ngtcp2_crypto_conn_ref* from) { return static_cast<quic_tls*>(from->user_data)->connection_; },
               this} {
  auto flags = unsigned{GNUTLS_NO_SIGNAL} | GNUTLS_NO_END_OF_EARLY_DATA;
  // Tickets are sent when QUIC says so, because they carry what its parameters allow.
  flags |= is_server() ? unsigned{GNUTLS_SERVER} | GNUTLS_NO_AUTO_SEND_TICKET : tls_client_flags;
  if (settings_.early_data && (!is_server() || settings_.guard))
    flags |= GNUTLS_ENABLE_EARLY_DATA;
  if (!config().session_resumption)
    flags |= GNUTLS_NO_TICKETS;
  gnutls_session_t session = nullptr;
  require_tls(::gnutls_init(&session, flags));
  session_.reset(session);
  require_tls(::gnutls_priority_set(session, identity().quic_priorities()));
  if ((is_server() ? ngtcp2_crypto_gnutls_configure_server_session(session)
                   : ngtcp2_crypto_gnutls_configure_client_session(session))
      != 0)
    require_tls(GNUTLS_E_MEMORY_ERROR);
  ::gnutls_session_set_ptr(session, &reference_);
  require_tls(::gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, identity().certificates()));
  ::gnutls_handshake_set_max_packet_length(session, tls_engine::handshake_bytes_max);
  // Set in any case: GnuTLS would else write the secrets wherever SSLKEYLOGFILE in the environment says.
  ::gnutls_session_set_keylog_function(session, log_key);
  ::gnutls_db_set_cache_expiration(
      session, static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(config().session_lifetime).count()));
  if (config().alpn.empty())
    offer_protocols(session, {std::string{default_protocol}}, true, is_server());
  else
    offer_protocols(session, config().alpn, true, is_server());
  if (is_server())
    set_up_server();
  else
    set_up_client();
}

quic_tls::~quic_tls() = default;

void quic_tls::set_up_server() {
  if (settings_.early_data && settings_.guard) {
    ::gnutls_anti_replay_enable(session(), settings_.guard.get());
    // QUIC bounds early data by its own windows (RFC 9001, 4.6.1).
    ::gnutls_record_set_max_early_data_size(session(), UINT32_MAX);
  }
  if (config().client_certificates == client_certificates::off)
    return;
  const auto is_required = config().client_certificates == client_certificates::require;
  ::gnutls_certificate_server_set_request(session(), is_required ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
  ::gnutls_session_set_verify_function(session(), verify);
}

void quic_tls::set_up_client() {
  // An address is not a name that could be asked for (RFC 6066, 3).
  if (!parse_ip_address(settings_.server))
    require_tls(::gnutls_server_name_set(session(), GNUTLS_NAME_DNS, settings_.server.data(), settings_.server.size()));
  if (identity().verifies())
    ::gnutls_session_set_verify_function(session(), verify);
  if (remembers_sessions())
    ::gnutls_handshake_set_hook_function(session(), GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST, take_ticket);
}

bool quic_tls::remembers_sessions() const noexcept {
  return !is_server() && config().session_resumption && identity().services().sessions;
}

quic_tls& quic_tls::self_of(gnutls_session_t session) noexcept {
  return *static_cast<quic_tls*>(static_cast<ngtcp2_crypto_conn_ref*>(::gnutls_session_get_ptr(session))->user_data);
}

template <class Body>
int quic_tls::guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& thrown) {
    failure_ = make_error(error_code::memory_limit, phase::handshake, origin::local, thrown.what());
    return GNUTLS_E_MEMORY_ERROR;
  }
}

// -- how much it sends ----------------------------------------------------------------------------------------------------

bool quic_tls::admits_handshake_bytes(std::size_t size) {
  handshake_bytes_ += size;
  if (handshake_bytes_ <= settings_.handshake_bytes_max)
    return true;
  guarded([&] {
    failure_ = make_error(error_code::handshake_failed, phase::handshake, origin::remote,
                          "the other side sent more than " + std::to_string(settings_.handshake_bytes_max)
                              + " bytes before keys were agreed on");
    return 0;
  });
  return false;
}

// -- who the peer is ------------------------------------------------------------------------------------------------------

int quic_tls::verify(gnutls_session_t session) {
  auto& self = self_of(session);
  return self.guarded([&self] {
    self.failure_ = verify_peer_of(self.session(), self.identity(), self.settings_.server, self.now_.wall);
    return self.failure_ ? GNUTLS_E_CERTIFICATE_ERROR : 0;
  });
}

std::optional<transport_error> quic_tls::judge_agreement() {
  // A session that is resumed brings the certificate that was shown when it began, and that may have ended since.
  if (is_server() && ::gnutls_session_is_resumed(session()) != 0
      && config().client_certificates != client_certificates::off)
    return verify_peer_of(session(), identity(), settings_.server, now_.wall);
  return std::nullopt;
}

tls_info quic_tls::info() const {
  return agreement_of(session());
}

transport_error quic_tls::failure(int alert) const {
  if (failure_)
    return *failure_;
  const auto make = [](error_code code, std::string text) {
    return make_error(code, phase::handshake, origin::remote, std::move(text));
  };
  switch (alert) {
    case no_application_protocol:
      return make(error_code::no_common_protocol, is_server()
                                                      ? "the other side offers no protocol of tls.alpn"
                                                      : "the other side did not agree on a protocol of tls.alpn");
    case certificate_required:
      return make(error_code::certificate_rejected, "the other side showed no certificate");
    case GNUTLS_A_HANDSHAKE_FAILURE:
    case GNUTLS_A_INSUFFICIENT_SECURITY:
      return make(error_code::handshake_failed, "there is no cipher or key exchange that both sides support");
    case GNUTLS_A_PROTOCOL_VERSION:
      return make(error_code::handshake_failed, "the other side does not speak TLS 1.3, which QUIC needs");
    default:
      return make(error_code::handshake_failed, "the handshake of TLS failed");
  }
}

// -- sessions -------------------------------------------------------------------------------------------------------------

std::optional<tls_session> quic_tls::offer_session(std::span<const std::uint32_t> versions) {
  if (!remembers_sessions())
    return std::nullopt;
  auto known = identity().services().sessions->take(settings_.session_key, now_.real());
  if (!known || std::ranges::find(versions, known->quic_version) == versions.end()
      || ::gnutls_session_set_data(session(), known->data.data(), known->data.size()) != 0)
    return std::nullopt;
  verified_at_ = known->since;
  return known;
}

void quic_tls::take_tickets(quic_version version) {
  if (config().session_resumption)
    require_tls(use_ticket_key(version));
}

int quic_tls::use_ticket_key(quic_version version) noexcept {
  tickets_of_ = version;
  return ::gnutls_session_ticket_enable_server(session(), &identity().ticket_key(version));
}

void quic_tls::send_ticket(quic_version version) {
  if (!config().session_resumption)
    return;
  // GnuTLS takes another key as long as it has used none: not where the client has moved to another version with a ticket of
  // the one before. Without a new one it comes back by a full handshake.
  if (version != tickets_of_ && use_ticket_key(version) != 0)
    return;
  static_cast<void>(::gnutls_session_ticket_send(session(), 1, 0));
}

int quic_tls::take_ticket(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  auto& self = self_of(session);
  gnutls_datum_t data{};
  if ((::gnutls_session_get_flags(session) & GNUTLS_SFLAGS_SESSION_TICKET) == 0
      || ::gnutls_session_get_data2(session, &data) != 0)
    return 0;
  const auto failed = self.guarded([&] {
    self.ticket_.assign(reinterpret_cast<const char*>(data.data), data.size);
    // A server that hands out new tickets for ever would else never have to prove itself again.
    self.ticket_since_ = ::gnutls_session_is_resumed(session) != 0 ? self.verified_at_ : self.now_.real();
    return 0;
  });
  ::gnutls_free(data.data);
  return failed;
}

void quic_tls::remember_session(std::uint32_t version, std::string parameters, std::string token) {
  if (!has_ticket() || !remembers_sessions())
    return;
  identity().services().sessions->put(settings_.session_key, {std::exchange(ticket_, {}), ticket_since_,
                                                              std::move(parameters), std::move(token), version});
}

void quic_tls::remember_token(std::uint32_t version, std::string token) {
  if (remembers_sessions())
    identity().services().sessions->put_token(settings_.session_key, version, std::move(token));
}

bool quic_tls::early_data_was_accepted() const noexcept {
  return (::gnutls_session_get_flags(session()) & GNUTLS_SFLAGS_EARLY_DATA) != 0;
}

int quic_tls::log_key(gnutls_session_t session, const char* label, const gnutls_datum_t* value) {
  auto& self = self_of(session);
  return self.guarded([&] {
    log_secret(session, self.identity().services(), label, *value);
    return 0;
  });
}

} // namespace actorwire
