#pragma once

#include "echo_server.hpp"
#include "posix.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace actorwire::bench {

/// How a call of a TLS library went.
enum class tls_step : std::uint8_t { done, wants_read, wants_write, ended };

struct tls_transfer {
  tls_step step = tls_step::ended;
  std::size_t size = 0;
};

/// The loop that one would write around a TLS library by hand: epoll, non-blocking sockets, records of 16 KiB that are sent
/// back as they come. `Library` says how to call the library:
///
///     Library(identity)                                  what all sessions share
///     Library::session(library, socket)                  one end of a connection
///       .handshake() -> tls_step
///       .read(span<std::byte>) -> tls_transfer
///       .write(span<const std::byte>) -> tls_transfer    all or nothing; called again with the same bytes if it could not
///       .holds_more() -> bool                            whether `read` would find something without the socket
template <class Library>
class tls_echo_server final : public echo_server {
public:
  template <class Identity>
  explicit tls_echo_server(const Identity& identity) : library_(identity), listener_(listen()) {
    // Libraries write without MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
    watch(EPOLL_CTL_ADD, listener_.get(), EPOLLIN);
    watch(EPOLL_CTL_ADD, wake_.get(), EPOLLIN);
    thread_ = std::thread{[this] { run(); }};
  }

  ~tls_echo_server() override {
    ::eventfd_write(wake_.get(), 1);
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const noexcept override {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

private:
  struct client {
    client(Library& library, unique_fd accepted) : socket(std::move(accepted)), session(library, socket.get()) {}

    unique_fd socket;
    typename Library::session session;
    bool is_open = false;
    std::uint32_t interest = EPOLLIN;
    /// What could not be written. Empty nearly always, so that idle connections have no buffer.
    std::vector<std::byte> unsent;
  };

  static unique_fd listen() {
    unique_fd socket{checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    checked(::listen(socket.get(), 4'096), "listen");
    return socket;
  }

  void watch(int operation, int socket, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = socket;
    checked(::epoll_ctl(epoll_.get(), operation, socket, &event), "epoll_ctl");
  }

  void run() {
    std::array<epoll_event, 128> ready{};
    for (;;) {
      const auto count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), -1);
      for (auto index = 0; index < count; ++index) {
        const auto socket = ready[static_cast<std::size_t>(index)].data.fd;
        if (socket == wake_.get())
          return;
        if (socket == listener_.get())
          accept();
        else if (const auto found = clients_.find(socket); found != clients_.end())
          serve(*found->second);
      }
    }
  }

  void accept() {
    for (;;) {
      unique_fd socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (socket.get() < 0)
        return;
      const auto on = 1;
      ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const auto fd = socket.get();
      watch(EPOLL_CTL_ADD, fd, EPOLLIN);
      clients_.emplace(fd, std::make_unique<client>(library_, std::move(socket)));
    }
  }

  void serve(client& one) {
    switch (const auto step = advance(one); step) {
      case tls_step::ended:
        clients_.erase(one.socket.get());
        break;
      case tls_step::wants_write:
        change_interest(one, EPOLLOUT);
        break;
      case tls_step::wants_read:
      case tls_step::done:
        change_interest(one, EPOLLIN);
        break;
    }
  }

  void change_interest(client& one, std::uint32_t interest) {
    if (interest == one.interest)
      return;
    watch(EPOLL_CTL_MOD, one.socket.get(), interest);
    one.interest = interest;
  }

  /// Goes on until the session wants something of the socket, or nothing more is likely to be there.
  tls_step advance(client& one) {
    if (!one.is_open) {
      if (const auto step = one.session.handshake(); step != tls_step::done)
        return step;
      one.is_open = true;
    }
    if (!one.unsent.empty()) {
      if (const auto written = one.session.write(one.unsent); written.step != tls_step::done)
        return written.step;
      one.unsent = {};
    }
    for (;;) {
      const auto read = one.session.read(buffer_);
      if (read.step != tls_step::done)
        return read.step;
      const auto message = std::span{buffer_}.first(read.size);
      if (const auto written = one.session.write(message); written.step != tls_step::done) {
        one.unsent.assign(message.begin(), message.end());
        return written.step;
      }
      // A full record is seldom the last. After a shorter one, looking again would cost a call that finds nothing.
      if (read.size < buffer_.size() && !one.session.holds_more())
        return tls_step::wants_read;
    }
  }

  Library library_;
  unique_fd listener_;
  unique_fd epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
  unique_fd wake_{checked(::eventfd(0, EFD_CLOEXEC), "eventfd")};
  std::array<std::byte, 16'384> buffer_{};
  std::unordered_map<int, std::unique_ptr<client>> clients_;
  std::thread thread_;
};

} // namespace actorwire::bench
