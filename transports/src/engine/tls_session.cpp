#include "tls_session.hpp"

#include "tls_verification.hpp"

#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace actorwire {

void require_tls(int code) {
  if (code < 0)
    throw std::runtime_error{std::string{"TLS cannot be set up: "}.append(::gnutls_strerror(code))};
}

void offer_protocols(gnutls_session_t session, const std::vector<std::string>& names, bool is_required,
                     bool is_server) {
  std::vector<gnutls_datum_t> offered;
  offered.reserve(names.size());
  for (const auto& each : names)
    offered.push_back(
        {reinterpret_cast<unsigned char*>(const_cast<char*>(each.data())), static_cast<unsigned>(each.size())});
  auto flags = is_required ? unsigned{GNUTLS_ALPN_MANDATORY} : 0U;
  // Else it would be the client's order that counts.
  if (is_server)
    flags |= GNUTLS_ALPN_SERVER_PRECEDENCE;
  require_tls(::gnutls_alpn_set_protocols(session, offered.data(), static_cast<unsigned>(offered.size()), flags));
}

tls_info agreement_of(gnutls_session_t session) {
  tls_info agreed;
  agreed.version = ::gnutls_protocol_get_name(::gnutls_protocol_get_version(session));
  agreed.cipher = ::gnutls_cipher_get_name(::gnutls_cipher_get(session));
  agreed.resumed = ::gnutls_session_is_resumed(session) != 0;
  if (gnutls_datum_t chosen{}; ::gnutls_alpn_get_selected_protocol(session, &chosen) == 0)
    agreed.alpn.assign(reinterpret_cast<const char*>(chosen.data), chosen.size);
  auto peer = identity_of_peer(session);
  agreed.peer_names = std::move(peer.names);
  agreed.peer_key = std::move(peer.key);
  return agreed;
}

void log_secret(gnutls_session_t session, const tls_services& services, const char* label,
                const gnutls_datum_t& value) {
  if (!services.log_key)
    return;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string line{label};
  gnutls_datum_t client{};
  gnutls_datum_t server{};
  ::gnutls_session_get_random(session, &client, &server);
  for (const auto* each : {static_cast<const gnutls_datum_t*>(&client), &value}) {
    line.push_back(' ');
    for (const auto byte : std::span{each->data, each->size})
      line.append({digits[byte >> 4U], digits[byte & 15U]});
  }
  services.log_key(line.append("\n"));
}

} // namespace actorwire
