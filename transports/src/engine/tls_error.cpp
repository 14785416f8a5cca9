#include "tls_error.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

namespace {

struct verdict {
  unsigned bit;
  std::string_view text;
};

/// What is wrong with a certificate, the plainest reason first: a certificate of another host that has expired as well
/// will not get better by renewal.
constexpr std::array verdicts{
    verdict{GNUTLS_CERT_REVOKED, "it was revoked"},
    verdict{GNUTLS_CERT_SIGNER_NOT_FOUND, "no authority of tls.trust has signed it"},
    verdict{GNUTLS_CERT_SIGNER_NOT_CA, "whoever signed it is no authority"},
    verdict{GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, "whoever signed it may not sign such certificates"},
    verdict{GNUTLS_CERT_SIGNATURE_FAILURE, "its signature is wrong"},
    verdict{GNUTLS_CERT_INSECURE_ALGORITHM, "its key, or the way it is signed, is not safe any more"},
    verdict{GNUTLS_CERT_UNEXPECTED_OWNER, "it belongs to another host than the one that was asked for"},
    verdict{GNUTLS_CERT_PURPOSE_MISMATCH, "it is not made for this use"},
    verdict{GNUTLS_CERT_NOT_ACTIVATED, "it is not valid yet; check the clock of this machine too"},
    verdict{GNUTLS_CERT_EXPIRED, "it has expired; check the clock of this machine too"},
    verdict{GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED, "the list of tls.revocation_file is out of date"},
    verdict{GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE, "the list of tls.revocation_file is not valid yet"},
};

std::string with_detail(std::string text, const std::string& detail, bool is_detailed) {
  if (is_detailed && !detail.empty())
    text.append(" [").append(detail).append("]");
  return text;
}

std::string words_of(int code) {
  const auto* words = ::gnutls_strerror(code);
  return words != nullptr ? words : "";
}

} // namespace

transport_error make_alert_error(int alert, phase where, bool is_detailed) {
  const auto make = [&](error_code code, std::string text) {
    const auto* name =
        alert <= GNUTLS_A_MAX ? ::gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(alert)) : nullptr;
    return make_error(code, where, origin::remote,
                      with_detail(std::move(text), name != nullptr ? name : "", is_detailed), alert);
  };
  switch (alert) {
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_REVOKED:
    case GNUTLS_A_CERTIFICATE_EXPIRED:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
    case GNUTLS_A_UNKNOWN_CA:
    case GNUTLS_A_ACCESS_DENIED:
      return make(error_code::certificate_rejected, "the other side does not accept the certificate of this one");
    case GNUTLS_A_CERTIFICATE_REQUIRED:
      return make(error_code::certificate_rejected,
                  "the other side asks for a certificate; set tls.certificate and tls.key");
    case GNUTLS_A_NO_APPLICATION_PROTOCOL:
      return make(error_code::no_common_protocol, "the other side speaks no protocol of tls.alpn");
    case GNUTLS_A_PROTOCOL_VERSION:
      return make(error_code::handshake_failed,
                  "the other side speaks no version of TLS that tls.minimum_version allows");
    case GNUTLS_A_HANDSHAKE_FAILURE:
    case GNUTLS_A_INSUFFICIENT_SECURITY:
      return make(error_code::handshake_failed,
                  "the other side finds no version of TLS, cipher or key exchange that both sides support");
    case GNUTLS_A_UNRECOGNIZED_NAME:
      return make(error_code::handshake_failed, "the other side does not know the host that was asked for");
    default:
      return make(where == phase::handshake ? error_code::handshake_failed : error_code::peer_error,
                  "the other side ended the connection with an alert of TLS");
  }
}

transport_error make_verification_error(unsigned status, bool is_self_signed, bool is_detailed) {
  std::string_view why = "it is not valid";
  for (const auto& each : verdicts) {
    if ((status & each.bit) != 0) {
      why = each.text;
      break;
    }
  }
  if (is_self_signed && (status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0)
    why = "it has signed itself, and is not in tls.trust";
  std::string detail;
  if (gnutls_datum_t printed{};
      is_detailed && ::gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &printed, 0) == 0) {
    detail.assign(reinterpret_cast<const char*>(printed.data), printed.size);
    ::gnutls_free(printed.data);
  }
  return make_error(error_code::certificate_rejected, phase::handshake, origin::remote,
                    with_detail("the certificate of the other side is refused: " + std::string{why}, detail,
                                is_detailed));
}

transport_error make_handshake_error(gnutls_session_t session, int code, bool is_detailed) {
  if (code == GNUTLS_E_FATAL_ALERT_RECEIVED || code == GNUTLS_E_WARNING_ALERT_RECEIVED)
    return make_alert_error(static_cast<int>(::gnutls_alert_get(session)), phase::handshake, is_detailed);
  const auto make = [&](error_code kind, std::string text) {
    return make_error(kind, phase::handshake, origin::remote,
                      with_detail(std::move(text), words_of(code), is_detailed));
  };
  switch (code) {
    case GNUTLS_E_PREMATURE_TERMINATION:
    case GNUTLS_E_SESSION_EOF:
      return make(error_code::handshake_failed,
                  "the other side hung up before keys were agreed on; does it speak TLS on this port?");
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_UNEXPECTED_PACKET:
    case GNUTLS_E_RECORD_OVERFLOW:
      return make(error_code::handshake_failed, "what the other side sent is not TLS; does it speak TLS on this port?");
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
      return make(error_code::handshake_failed,
                  "the other side speaks no version of TLS that tls.minimum_version allows, or no TLS at all");
    case GNUTLS_E_NO_APPLICATION_PROTOCOL:
      return make(error_code::no_common_protocol, "the other side offers no protocol of tls.alpn");
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
      return make(error_code::certificate_rejected, "the other side showed no certificate");
    case GNUTLS_E_KEY_USAGE_VIOLATION:
      return make(error_code::certificate_rejected,
                  "the certificate of the other side is refused: it is not made for this use");
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_NO_COMMON_KEY_SHARE:
    case GNUTLS_E_INSUFFICIENT_SECURITY:
      return make(error_code::handshake_failed, "there is no cipher or key exchange that both sides support");
    default:
      return make(error_code::handshake_failed, "the handshake of TLS failed");
  }
}

transport_error make_record_error(gnutls_session_t session, int code, bool is_detailed) {
  switch (code) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
      return make_alert_error(static_cast<int>(::gnutls_alert_get(session)), phase::established, is_detailed);
    case GNUTLS_E_PREMATURE_TERMINATION:
      return make_truncation_error();
    case GNUTLS_E_REHANDSHAKE:
      return make_error(error_code::malformed, phase::established, origin::remote,
                        "the other side wants to agree on new keys in a way that is not safe");
    default:
      return make_error(error_code::malformed, phase::established, origin::remote,
                        with_detail("what the other side sent is no valid record of TLS", words_of(code), is_detailed));
  }
}

transport_error make_truncation_error() {
  return make_error(error_code::truncated_stream, phase::established, origin::remote,
                    "the connection ended without the close of TLS: what came may not be all");
}

transport_error make_credentials_error(std::string_view field, std::string_view complaint, const std::string& detail,
                                       bool is_detailed) {
  std::string text{field};
  text.append(": ").append(complaint);
  return make_error(error_code::invalid_credentials, phase::setup, origin::local,
                    with_detail(std::move(text), detail, is_detailed));
}

} // namespace actorwire
