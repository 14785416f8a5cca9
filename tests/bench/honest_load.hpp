#pragma once

#include "load_client.hpp"
#include "tls_client.hpp"

#include <cstddef>
#include <cstdint>

namespace actorwire::bench {

struct honest_plan {
  load wanted;
  /// Handshakes that begin each second, besides the connections that go on all the time.
  std::size_t connects_per_second = 50;
};

struct honest_figures {
  double p50_us = 0;
  double p99_us = 0;
  /// From the first packet until the first message is back.
  double connect_p50_us = 0;
  double connect_p99_us = 0;
  std::uint64_t round_trips = 0;
  std::uint64_t connects = 0;
  /// Connections that were not made, or ended, or had not come to an end of their own when everything else had.
  std::uint64_t failures = 0;
  verified echoed;
};

/// Clients that do what clients do: `wanted.connections` of them send a message, wait until it is back, and send the
/// next; others come at a steady pace, shake hands in full, make one round trip, and go. Each byte is checked.
class honest_load {
public:
  /// Opens the connections that go on. *Errors:* throws if one cannot be opened.
  honest_load(honest_plan wanted, const tls_client& client);

  /// Measures for `wanted.duration`, after `wanted.warm_up`. *Errors:* throws when bytes come back wrong, and when nothing
  /// comes for 5 s. What the server does to single connections is counted.
  [[nodiscard]] honest_figures run();

private:
  const honest_plan plan_;
  const tls_client& client_;
  std::vector<std::unique_ptr<tls_connection>> opened_;
};

} // namespace actorwire::bench
