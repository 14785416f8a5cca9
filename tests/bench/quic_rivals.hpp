#pragma once

#include "echo_server.hpp"
#include "tls_identity.hpp"

#include <array>
#include <memory>
#include <string_view>

namespace actorwire::bench {

/// Servers of the benchmark of QUIC, in this order.
enum quic_contestant : std::size_t { over_quic, over_tls, over_tcp, raw_tcp, raw_udp };

struct quic_rival {
  /// Also the scheme of its URI, where it has one.
  std::string_view option;
  std::string_view title;
};

inline constexpr std::array<quic_rival, 5> quic_rivals{{
    {"quic", "actorwire, quic://"},
    {"tls", "actorwire, tls://"},
    {"tcp", "actorwire, tcp://"},
    {"raw", "raw Boost.Asio and bare client"},
    {"udp", "the kernel's UDP alone"},
}};

/// actorwire with an actor for each connection beside it on the only shard: sends back what it gets, or throws it away.
[[nodiscard]] std::unique_ptr<echo_server> make_actorwire_server(std::string_view scheme, const tls_identity& identity,
                                                                 bool is_sink);
/// Boost.Asio without actors, over TCP.
[[nodiscard]] std::unique_ptr<echo_server> make_raw_server(std::size_t buffer_size);

} // namespace actorwire::bench
