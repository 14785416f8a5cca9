#pragma once

#include "quic_sides.hpp"
#include "raw_quic_peer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire::test {

/// A server, an honest client of it, and one that obeys no rules: one of ours by its handshake, whose keys somebody else
/// takes over.
class lawless_world {
public:
  explicit lawless_world(transport_config server = {})
    : world({.server = std::move(server), .client_key_log = [this](std::string_view line) { raw.learn(line); }}) {
    const auto [client, at_server] = world.connect();
    honest = &client;
    honest_at_server = &at_server;
    world.client_address = lawless_address;
    auto [taken_over, its_server] = world.connect();
    lawless_at_server = &its_server;
    auto is_taken_over = false;
    world.passes = [&, this](const udp_path& path, const std::string& bytes) {
      is_taken_over = is_taken_over || (path.remote == lawless_address && raw.impersonate(bytes));
      return true;
    };
    // With the whole window acknowledged, and no packet of the true client on its way.
    world.run_for(1s);
    taken_over.say(0, "hello");
    world.until([&] { return is_taken_over && lawless_at_server->streams[0].text == "hello"; });
    world.run_for(1s);
    world.passes = [this](const udp_path& path, const std::string& bytes) {
      if (path.local == lawless_address) {
        bytes_answered += bytes.size();
        if (const auto code = raw.close_code_of(bytes))
          close_code = code;
      }
      return path.local != lawless_address && path.remote != lawless_address;
    };
  }

  /// Sends frames in one datagram.
  void say(std::string_view frames) {
    const auto datagram = raw.say(frames);
    bytes_said += datagram.size();
    world.inject({world.server_address, lawless_address}, datagram);
  }

  /// The honest client's connection carries data both ways.
  void check_honest() {
    const auto heard_before = honest_at_server->streams[0].text.size();
    const auto answered_before = honest->streams[0].text.size();
    honest->say(0, "still here");
    honest_at_server->say(0, "so am I");
    world.until([&] {
      return honest_at_server->streams[0].text.size() == heard_before + 10
          && honest->streams[0].text.size() == answered_before + 7;
    });
  }

  const udp_address lawless_address = address_of("198.51.100.66", 6'666);
  raw_quic_peer raw;
  quic_world world;
  quic_user* honest = nullptr;
  quic_user* honest_at_server = nullptr;
  quic_user* lawless_at_server = nullptr;
  /// What the server told the lawless one at the end (RFC 9000, 20.1).
  std::optional<std::uint64_t> close_code;
  std::size_t bytes_said = 0;
  std::size_t bytes_answered = 0;
};

/// A frame (RFC 9000, 19.8), with everything that the type's bits make optional.
inline std::string stream_frame(std::uint64_t id, std::uint64_t offset, std::string_view bytes, bool is_last = false) {
  return raw_frame({is_last ? 0x0fU : 0x0eU, id, offset, bytes.size()}, bytes);
}

} // namespace actorwire::test
