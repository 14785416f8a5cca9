#include "quic_error.hpp"

#include "../tls_error.hpp"

#include <limits>
#include <string>
#include <utility>

namespace actorwire {

namespace {

/// What programs of other makes say when nothing is wrong.
constexpr std::uint64_t application_no_error = 0;

std::int32_t shown(std::uint64_t code) noexcept {
  constexpr auto most = std::numeric_limits<std::int32_t>::max();
  return code > static_cast<std::uint64_t>(most) ? most : static_cast<std::int32_t>(code);
}

/// Codes of RFC 9000, 20.1. The alerts of TLS are 256 of them, from 0x100 on.
transport_error make_transport_close_error(std::uint64_t code, phase where, bool is_detailed) {
  if ((code & ~std::uint64_t{0xff}) == NGTCP2_CRYPTO_ERROR)
    return make_alert_error(static_cast<int>(code & 0xffU), where, is_detailed);
  const auto make = [&](error_code kind, std::string text) {
    return make_error(kind, where, origin::remote, std::move(text), shown(code));
  };
  switch (code) {
    case NGTCP2_NO_ERROR:
      return make(error_code::peer_closed, "the other side ended the connection");
    case NGTCP2_CONNECTION_REFUSED:
      return make(error_code::refused, "the other side takes no connections at present");
    case NGTCP2_NO_VIABLE_PATH:
      return make(error_code::unreachable, "the other side found no way to this one any more");
    case NGTCP2_VERSION_NEGOTIATION_ERROR:
      return make(error_code::no_common_version, "the two sides speak no version of QUIC in common");
    default:
      return make(error_code::peer_error,
                  "the other side ended the connection for an error of QUIC, code " + std::to_string(code));
  }
}

} // namespace

quic_farewell farewell_for(int failure) noexcept {
  switch (failure) {
    case NGTCP2_ERR_DRAINING:
    case NGTCP2_ERR_CLOSING:
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
    case NGTCP2_ERR_IDLE_CLOSE:
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      return quic_farewell::none;
    default:
      return quic_farewell::close;
  }
}

transport_error make_quic_error(int failure, phase where) {
  const auto make = [where](error_code kind, origin who, std::string text) {
    return make_error(kind, where, who, std::move(text));
  };
  switch (failure) {
    case NGTCP2_ERR_IDLE_CLOSE:
      return make(error_code::idle_timeout, origin::remote, "nothing was heard of the other side for the idle timeout");
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      return make(error_code::connect_timeout, origin::remote, "the other side did not finish the handshake in time");
    case NGTCP2_ERR_NOMEM:
    case NGTCP2_ERR_CALLBACK_FAILURE:
      return make(error_code::memory_limit, origin::local, "there is no memory to go on with the connection");
    case NGTCP2_ERR_NO_VIABLE_PATH:
      return make(error_code::unreachable, origin::system, "there is no way to the other side any more");
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    case NGTCP2_ERR_VERSION_NEGOTIATION_FAILURE:
      return make(error_code::no_common_version, origin::remote, "the two sides speak no version of QUIC in common");
    case NGTCP2_ERR_FLOW_CONTROL:
      return make(error_code::malformed, origin::remote, "the other side sent more than it was allowed to");
    case NGTCP2_ERR_STREAM_LIMIT:
      return make(error_code::malformed, origin::remote, "the other side opened more streams than it was allowed to");
    case NGTCP2_ERR_AEAD_LIMIT_REACHED:
    case NGTCP2_ERR_PKT_NUM_EXHAUSTED:
      return make(error_code::connection_failed, origin::local, "the connection has used up its keys");
    default:
      return make(error_code::malformed, origin::remote, "what the other side sent breaks the rules of QUIC");
  }
}

transport_error make_peer_close_error(const ngtcp2_ccerr& told, phase where, bool is_detailed, bool has_all) {
  switch (told.type) {
    case NGTCP2_CCERR_TYPE_IDLE_CLOSE:
      return make_quic_error(NGTCP2_ERR_IDLE_CLOSE, where);
    case NGTCP2_CCERR_TYPE_VERSION_NEGOTIATION:
      return make_quic_error(NGTCP2_ERR_RECV_VERSION_NEGOTIATION, where);
    case NGTCP2_CCERR_TYPE_TRANSPORT:
      return make_transport_close_error(told.error_code, where, is_detailed);
    default:
      break;
  }
  const auto is_in_order = told.error_code == application_no_error || told.error_code == quic_ended_on_both_sides;
  if (told.error_code == quic_ended_in_order || (is_in_order && has_all))
    return make_error(error_code::closed, phase::close, origin::remote, "ended by the peer");
  if (is_in_order)
    return make_error(
        error_code::truncated_stream, where, origin::remote,
        "the other side ended the connection without the end of the byte stream: what came may not be all");
  if (told.error_code == quic_ended_abruptly)
    return make_error(error_code::reset, where, origin::remote, "the other side gave the connection up");
  if (told.error_code == quic_ended_for_slowness)
    return make_error(error_code::reset, where, origin::remote,
                      "the other side gave the connection up, because this one did not read what it had to send",
                      shown(told.error_code));
  return make_error(error_code::peer_error, where, origin::remote,
                    "the other side ended the connection with its code " + std::to_string(told.error_code),
                    shown(told.error_code));
}

} // namespace actorwire
