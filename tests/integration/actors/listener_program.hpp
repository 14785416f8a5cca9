#pragma once

#include "program.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire::test {

/// Reads until `size` bytes came or the stream ended.
inline std::string read(plain_socket& from, std::size_t size) {
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const auto got = ::recv(from.descriptor(), text.data() + done, size - done, 0);
    if (got <= 0)
      break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

/// Whether the stream ends, orderly or not, before another byte.
inline bool ends(plain_socket& from) {
  char byte = 0;
  return ::recv(from.descriptor(), &byte, 1, 0) == 0 || errno == ECONNRESET;
}

inline bool can_connect(std::uint16_t port) {
  plain_socket client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto where = plain_socket::loopback(port);
  return ::connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
}

inline std::string echoed(plain_socket& client, std::string_view text) {
  client.send(text);
  return read(client, text.size());
}

inline listening must_listen(network& net, accept_function serve, listen_config config = {}) {
  auto made = net.listen("tcp://127.0.0.1:0", std::move(serve), std::move(config));
  if (!made)
    FAIL(to_string(made.error()));
  return std::move(*made);
}

/// How many sockets of 127.0.0.1 listen on `port`. *Source:* proc(5), /proc/net/tcp; state 0A is TCP_LISTEN.
inline int sockets_that_listen(std::uint16_t port) {
  std::ostringstream wanted;
  wanted << "0100007F:" << std::hex << std::uppercase << std::setw(4) << std::setfill('0') << port
         << " 00000000:0000 0A";
  std::ifstream table{"/proc/net/tcp"};
  REQUIRE(table);
  int count = 0;
  for (std::string line; std::getline(table, line);)
    count += line.find(wanted.str()) != std::string::npos;
  return count;
}

inline listener_stats stats_of(witness& me, const listening& server) {
  return me.must_ask<listener_stats>(server.listener, get_listener_stats{});
}

/// Drops every client that it is told of.
inline caf::actor make_deaf_receiver(caf::actor_system& system) {
  return system.spawn([](caf::event_based_actor* self) {
    self->set_default_handler(caf::drop);
    return caf::behavior{[](std::int32_t) {}};
  });
}

} // namespace actorwire::test
