#pragma once

#include "probe.hpp"
#include "simulated_system.hpp"
#include "story.hpp"
#include "stream_host.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace actorwire::test {

inline constexpr std::string_view server = "quic://server:1";

inline acquire_options over_quic() {
  auto options = framed();
  options.transport.protocol_settings = quic_config{};
  return options;
}

inline acquire_options without_framing() {
  auto options = over_quic();
  options.transport.framing = {};
  return options;
}

/// A peer of a host with streams, and an actor that deals with it.
struct host_and_peer {
  explicit host_and_peer(const acquire_options& options = over_quic(), stream_manners manners = stream_manners::echo)
    : host(manners), user(world.make_probe()) {
    world.hosts().listen(server, host.accept());
    peer = world.acquire(server, options);
    world.run_for(std::chrono::seconds{1});
  }

  stream_id open(stream_direction direction = stream_direction::bidirectional) {
    const auto opened = user.open_stream(peer, direction);
    world.run_now();
    return opened->value.value().stream;
  }

  stats figures() {
    const auto answer = user.get_stats(peer);
    world.run_now();
    return answer->value.value();
  }

  stream_host host;
  simulated_system world;
  probe user;
  connection_actor peer;
};

inline send_options on(stream_id stream, outcome wanted = outcome::written) {
  send_options options;
  options.stream = stream;
  options.wanted = wanted;
  return options;
}

/// What the probe was told about one stream, in order, by the first word of each event.
inline std::vector<std::string> events_of(const probe& user, stream_id stream) {
  std::vector<std::string> found;
  for (const auto& each : user.notes())
    std::visit(
        [&](const auto& event) {
          using kind = std::decay_t<decltype(event)>;
          if constexpr (requires { event.stream; })
            if (event.stream == stream)
              found.push_back(std::is_same_v<kind, stream_opened>  ? "opened"
                              : std::is_same_v<kind, received>     ? "received"
                              : std::is_same_v<kind, peer_closing> ? "end"
                              : std::is_same_v<kind, passivated>   ? "passivated"
                              : std::is_same_v<kind, stream_reset> ? "reset"
                                                                   : "closed");
        },
        each.what);
  return found;
}

} // namespace actorwire::test
