#include "storm_server.hpp"

#include "posix.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace actorwire::bench {

void run_storm_server(std::uint16_t port) {
  raise_file_limit();
  const unique_fd listener{checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")};
  // What the one before has left in TIME_WAIT is no obstacle.
  const int yes = 1;
  checked(::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), "SO_REUSEADDR");
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(port);
  socklen_t size = sizeof where;
  checked(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&where), size), "bind");
  checked(::listen(listener.get(), 4'096), "listen");
  checked(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&where), &size), "getsockname");
  std::printf("%u\n", unsigned{ntohs(where.sin_port)});
  std::fflush(stdout);
  std::vector<unique_fd> clients;
  for (;;) {
    pollfd wanted[]{{listener.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    checked(::poll(wanted, 2, -1), "poll");
    if (wanted[1].revents != 0)
      return;
    for (int client = 0; (client = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)) >= 0;)
      clients.emplace_back(client);
  }
}

storm_server::storm_server() {
  start();
}

void storm_server::restart() {
  // Killed by its destructor, which waits until its sockets are closed.
  process_.reset();
  start();
}

void storm_server::start() {
  process_ = std::make_unique<child_process>(std::vector<std::string>{"serve", std::to_string(port_)});
  port_ = static_cast<std::uint16_t>(std::stoul(process_->read_line(std::chrono::seconds{10})));
}

} // namespace actorwire::bench
