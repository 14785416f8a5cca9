#pragma once

#include "quic_sides.hpp"

#include <chrono>
#include <cstddef>

namespace actorwire::test {

inline constexpr std::size_t megabyte = std::size_t{1} << 20U;

/// Has a megabyte sent each way, and something done in the middle.
template <class Change>
void transfer_with(quic_world& world, quic_user& client, quic_user& server, Change&& change) {
  const auto text = pattern(megabyte);
  client.say(0, text);
  client.finish(0);
  server.say(0, text);
  server.finish(0);
  world.until([&] { return server.streams[0].text.size() > megabyte / 4; });
  change();
  world.until([&] { return client.streams[0].ended && server.streams[0].ended; });
  CHECK((client.streams[0].text == text));
  CHECK((server.streams[0].text == text));
}

inline transport_config keeping_alive(std::chrono::milliseconds interval, std::chrono::milliseconds idle) {
  auto made = quic_with([&](quic_config& quic) { quic.idle_timeout = idle; });
  made.keepalive_interval = interval;
  return made;
}

} // namespace actorwire::test
