#pragma once

#include "pattern.hpp"
#include "stepped_shard.hpp"

#include <actorwire/transports/acceptor.hpp>
#include <actorwire/transports/resolver.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/transport.hpp>

#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::test {

/// Writes down what a transport tells, and acts on it where a test asks for that.
class recording_observer final : public transport_observer {
public:
  void on_progress(connection_state where) override {
    progress.push_back(where);
    act(then_progress);
  }
  void on_connected(const transport_opening& where) override {
    connected = true;
    addresses = where;
    act(then_connected);
  }
  void on_received(payload bytes) override {
    text.append(bytes.text());
    if (keeps_payloads)
      payloads.push_back(std::move(bytes));
    act(then_received);
  }
  void on_peer_finished() override {
    ++peer_finished;
    act(then_peer_finished);
  }
  void on_writable() override {
    ++writable;
    act(then_writable);
  }
  void on_closed(const transport_error& reason) override {
    ++closed_count;
    closed = reason;
    act(then_closed);
  }

  std::vector<connection_state> progress;
  transport_opening addresses;
  std::string text;
  std::vector<payload> payloads;
  std::optional<transport_error> closed;
  int peer_finished = 0;
  int writable = 0;
  int closed_count = 0;
  bool connected = false;
  bool keeps_payloads = false;

  std::function<void()> then_progress;
  std::function<void()> then_connected;
  std::function<void()> then_received;
  std::function<void()> then_peer_finished;
  std::function<void()> then_writable;
  std::function<void()> then_closed;

private:
  static void act(const std::function<void()>& what) {
    if (what)
      what();
  }
};

/// Takes what an acceptor accepts.
class recording_acceptor_observer final : public acceptor_observer {
public:
  shard& choose_shard(shard& mine) override { return target != nullptr ? *target : mine; }
  void on_accepted(local_ref<transport> client, const endpoint& remote, address_proof) override {
    remotes.push_back(remote);
    accepted.push_back(std::move(client));
    if (then_accepted)
      then_accepted();
  }
  void on_accept_error(const transport_error& reason) override { errors.push_back(reason); }

  shard* target = nullptr;
  std::vector<local_ref<transport>> accepted;
  std::vector<endpoint> remotes;
  std::vector<transport_error> errors;
  std::function<void()> then_accepted;
};

/// A socket used as plainly as the system allows, for the other side of what is tested. Blocking, with a limit of 20 s.
class plain_socket {
public:
  plain_socket() = default;
  explicit plain_socket(int descriptor) : descriptor_(descriptor) { limit_waits(); }
  plain_socket(plain_socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  plain_socket& operator=(plain_socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~plain_socket() { close(); }

  static plain_socket connect_to(std::uint16_t port) {
    plain_socket made{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto where = loopback(port);
    REQUIRE(::connect(made.descriptor_, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
    return made;
  }

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return where;
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      REQUIRE(sent > 0);
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Sends what the kernel takes without waiting; returns how much that was.
  std::size_t send_what_fits(std::string_view bytes) {
    std::size_t sum = 0;
    while (sum < bytes.size()) {
      const auto sent = ::send(descriptor_, bytes.data() + sum, bytes.size() - sum, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent <= 0)
        break;
      sum += static_cast<std::size_t>(sent);
    }
    return sum;
  }

  /// Receives without waiting; empty when there is nothing, or the errno.
  struct received {
    std::string text;
    int error = 0;
    bool ended = false;
  };
  received receive_now() {
    received got;
    char buffer[65536];
    for (;;) {
      const auto size = ::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (size > 0) {
        got.text.append(buffer, static_cast<std::size_t>(size));
        continue;
      }
      got.ended = size == 0;
      got.error = size < 0 && errno != EAGAIN ? errno : 0;
      return got;
    }
  }

  void finish() { REQUIRE(::shutdown(descriptor_, SHUT_WR) == 0); }

  void reset() {
    const ::linger at_once{1, 0};
    REQUIRE(::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close();
  }

  void close() {
    if (descriptor_ >= 0)
      ::close(std::exchange(descriptor_, -1));
  }

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

private:
  void limit_waits() {
    REQUIRE(descriptor_ >= 0);
    const timeval limit{20, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }

  int descriptor_ = -1;
};

/// A plain listening socket on a free port of 127.0.0.1.
class plain_listener {
public:
  explicit plain_listener(int backlog = 16, int receive_buffer = 0)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer != 0)
      ::setsockopt(socket_.descriptor(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    auto where = plain_socket::loopback(0);
    REQUIRE(::bind(socket_.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
    REQUIRE(::listen(socket_.descriptor(), backlog) == 0);
    socklen_t size = sizeof where;
    REQUIRE(::getsockname(socket_.descriptor(), reinterpret_cast<sockaddr*>(&where), &size) == 0);
    port_ = ntohs(where.sin_port);
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] endpoint where(std::string host = "127.0.0.1") const { return {protocol::tcp, std::move(host), port_}; }

  plain_socket accept() { return plain_socket{::accept4(socket_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC)}; }

  void close() { socket_.close(); }

private:
  plain_socket socket_;
  std::uint16_t port_ = 0;
};

/// A listening socket that answers nobody: its backlog is full, so the kernel drops further SYNs. On loopback this is the
/// only address that stays silent without any set-up of the machine.
class black_hole {
public:
  black_hole() : listener_(0) {
    const auto where = plain_socket::loopback(listener_.port());
    for (int count = 0; count < 64; ++count) {
      plain_socket filler{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
      static_cast<void>(::connect(filler.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where));
      pollfd asked{filler.descriptor(), POLLOUT, 0};
      // Loopback answers within the call; who is not answered now never will be.
      const auto answered = ::poll(&asked, 1, 20) > 0;
      fillers_.push_back(std::move(filler));
      if (!answered)
        return;
    }
    FAIL("the backlog never filled");
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return listener_.port(); }
  [[nodiscard]] endpoint where(std::string host = "127.0.0.1") const { return listener_.where(std::move(host)); }

private:
  plain_listener listener_;
  std::vector<plain_socket> fillers_;
};

inline outgoing piece(std::string_view bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), nullptr};
}

inline std::size_t send(transport& through, std::string_view bytes) {
  const auto one = piece(bytes);
  const auto taken = through.send({&one, 1});
  REQUIRE(taken);
  return *taken;
}

} // namespace actorwire::test
