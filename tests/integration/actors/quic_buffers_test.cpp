// What `quic_config::socket_buffer_size` asks for is what the sockets of a program have.

#include "secured_program.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// What the kernel tells of a buffer: twice what was asked for, for its books (socket(7)).
struct buffers {
  int receiving = 0;
  int sending = 0;

  friend bool operator==(const buffers&, const buffers&) = default;
};

buffers buffers_of(int socket) {
  buffers found;
  for (auto [name, value] : {std::pair{SO_RCVBUF, &found.receiving}, std::pair{SO_SNDBUF, &found.sending}}) {
    socklen_t size = sizeof *value;
    REQUIRE(::getsockopt(socket, SOL_SOCKET, name, value, &size) == 0);
  }
  return found;
}

/// Those of a socket of UDP that nobody has asked for anything.
buffers usual_buffers() {
  const plain_socket untouched{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  return buffers_of(untouched.descriptor());
}

template <class Ask>
bool is_port(Ask&& ask, int socket, std::uint16_t port) {
  sockaddr_in where{};
  socklen_t size = sizeof where;
  return ask(socket, reinterpret_cast<sockaddr*>(&where), &size) == 0 && where.sin_family == AF_INET
      && ntohs(where.sin_port) == port;
}

/// The buffers of all sockets of UDP that this program has bound to a port, or connected to it.
struct sockets_of_port {
  explicit sockets_of_port(std::uint16_t port) {
    for (const auto& each : std::filesystem::directory_iterator{"/proc/self/fd"}) {
      const auto number = std::stoi(each.path().filename().string());
      auto type = 0;
      socklen_t size = sizeof type;
      if (::getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_DGRAM)
        continue;
      if (is_port(::getsockname, number, port))
        bound.push_back(buffers_of(number));
      else if (is_port(::getpeername, number, port))
        connected.push_back(buffers_of(number));
    }
  }

  std::vector<buffers> bound;
  std::vector<buffers> connected;
};

/// Both limits of the kernel, of which the lower counts here.
int largest_buffer() {
  auto least = std::numeric_limits<int>::max();
  for (const auto* name : {"rmem_max", "wmem_max"}) {
    std::ifstream file{std::string{"/proc/sys/net/core/"} + name};
    auto limit = 0;
    if (file >> limit)
      least = std::min(least, limit);
  }
  return least;
}

sockets_of_port sockets_with(std::size_t of_listener, std::size_t of_peer) {
  program here;
  witness me{here.system};
  auto config = to_listen();
  config.transport.protocol_settings = quic_config{.socket_buffer_size = of_listener};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo, config).value();
  auto options = to_acquire();
  options.transport.protocol_settings = quic_config{.socket_buffer_size = of_peer};
  const auto peer = here.net->acquire(quic_uri(server.port), options).value();
  me.must_ask<connection_info>(peer, connect{});
  return sockets_of_port{server.port};
}

} // namespace

TEST_CASE("the sockets of a listener and of a peer have buffers of the size that each asks for") {
  constexpr int of_listener = 80'000;
  constexpr int of_peer = 100'000;
  // Beyond it privileged programs get more than others.
  if (largest_buffer() < of_peer)
    SKIP("this system allows no buffers to speak of");
  const auto found = sockets_with(of_listener, of_peer);
  const buffers wanted_by_listener{2 * of_listener, 2 * of_listener};
  const buffers wanted_by_peer{2 * of_peer, 2 * of_peer};
  REQUIRE(wanted_by_listener != usual_buffers());
  // One on each shard.
  CHECK(found.bound == std::vector{wanted_by_listener, wanted_by_listener});
  CHECK(found.connected == std::vector{wanted_by_peer});
}

TEST_CASE("a size of 0 leaves the buffers of sockets to the system") {
  const auto found = sockets_with(0, 0);
  CHECK(found.bound == std::vector{usual_buffers(), usual_buffers()});
  CHECK(found.connected == std::vector{usual_buffers()});
}

TEST_CASE("beyond what the system allows it gives what it allows, or what a privileged program asks for") {
  constexpr int wanted = 64 << 20;
  if (largest_buffer() >= wanted)
    SKIP("this system allows more than that");
  const auto found = sockets_with(wanted, wanted);
  REQUIRE(found.bound.size() == 2);
  REQUIRE(found.connected.size() == 1);
  for (const auto& each : {found.bound[0], found.bound[1], found.connected[0]}) {
    CHECK(each.receiving >= 2 * largest_buffer());
    CHECK(each.sending >= 2 * largest_buffer());
    CHECK(each.receiving <= 2 * wanted);
    CHECK(each.sending <= 2 * wanted);
  }
}

} // namespace actorwire::test
