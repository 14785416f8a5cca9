#pragma once

#include <actorwire/messages/quic_config.hpp>
#include <actorwire/messages/result.hpp>

namespace actorwire {

/// Refuses what the engine could do and nothing on sockets does yet, so that nobody waits for files that never come.
/// *Errors:* `unsupported`.
[[nodiscard]] inline result<void> refuse_unbuilt(const quic_config& quic) {
  if (quic.qlog_directory.empty())
    return {};
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    "quic.qlog_directory: this version writes no qlog; leave it empty");
}

} // namespace actorwire
