#pragma once

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/error.hpp>

#include <string>
#include <string_view>

namespace actorwire {

/// The option of the build that has left `proto` out; empty for a protocol that is there.
[[nodiscard]] constexpr std::string_view left_out_by(protocol proto) noexcept {
  constexpr std::string_view without_tls = ACTORWIRE_TLS ? "" : "ACTORWIRE_TLS=OFF";
  constexpr std::string_view without_quic = ACTORWIRE_QUIC ? "" : "ACTORWIRE_QUIC=OFF";
  switch (proto) {
    case protocol::tcp:
      break;
    case protocol::tls:
      return without_tls;
    case protocol::quic:
      return without_tls.empty() ? without_quic : without_tls;
  }
  return {};
}

/// `unsupported`, for what was asked of a protocol that is not there.
[[nodiscard]] inline transport_error make_left_out(protocol proto) {
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    to_string(proto) + " is not in this build of actorwire (" + std::string{left_out_by(proto)} + ")");
}

} // namespace actorwire
