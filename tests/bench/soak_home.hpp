#pragma once

#include "identity_file.hpp"
#include "soak_worker.hpp"

#include <actorwire/actors/network.hpp>

#include <cstddef>
#include <optional>

namespace actorwire::bench {

/// What the process that is measured serves itself, from its beginning to its end, so that accepted connections, sessions and
/// streams are among what it has in use: a session over TCP, and QUIC, if it is there, with a stream for each request.
class soak_home {
public:
  /// Listens. *Errors:* throws if it cannot.
  soak_home(network& net, const identity_file& identity);

  /// How many kinds of jobs there are.
  [[nodiscard]] std::size_t kinds() const noexcept { return streams_ ? 2 : 1; }

  /// Makes a job of one kind of what another would be by default.
  [[nodiscard]] soak_job job(std::size_t kind, soak_job like) const;

private:
  listening sessions_;
  std::optional<listening> streams_;
};

} // namespace actorwire::bench
