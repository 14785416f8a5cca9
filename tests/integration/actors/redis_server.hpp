#pragma once

#include "certificates.hpp"
#include "program.hpp"
#include "redis_protocol.hpp"
#include "talking_process.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

/// A redis-server on free ports of the loopback interface, one of them for TLS. It writes down each command before it answers:
/// what it has answered outlasts its end.
class redis_server {
public:
  /// Listens on these addresses too.
  explicit redis_server(std::vector<std::string> more_addresses = {}) : more_addresses_(std::move(more_addresses)) {
    start();
  }

  [[nodiscard]] std::uint16_t port(protocol carried) const noexcept {
    return carried == protocol::tls ? tls_port_ : plain_port_;
  }

  void stop() { process_->stop(); }
  void go_on() { process_->go_on(); }
  /// Ends it without a chance to do anything more.
  void kill() { process_->kill(); }
  void start() {
    std::vector<std::string> words{"redis-server", "--port", std::to_string(plain_port_), "--tls-port",
                                   std::to_string(tls_port_), "--tls-cert-file", certificate_path("server-ec.pem"),
                                   "--tls-key-file", certificate_path("server-ec.key"), "--tls-ca-cert-file",
                                   certificate_path("root.pem"), "--tls-auth-clients", "no", "--protected-mode", "no",
                                   "--save", "", "--dir", directory_.path(), "--appendonly", "yes",
                                   // The kernel has it then, and outlives the process.
                                   "--appendfsync", "no", "--daemonize", "no", "--bind", "127.0.0.1"};
    words.insert(words.end(), more_addresses_.begin(), more_addresses_.end());
    process_.emplace(words);
    process_->await("Ready to accept connections");
  }

  /// What it has in a list, asked of it without the library.
  [[nodiscard]] std::vector<std::string> list(const std::string& key) const {
    auto socket = plain_socket::connect_to(plain_port_);
    socket.send(command({"LRANGE", key, "0", "-1"}));
    reply_parser parser;
    const auto next = [&] {
      std::optional<std::string> reply;
      while (!(reply = parser.next())) {
        char buffer[65'536];
        const auto size = ::recv(socket.descriptor(), buffer, sizeof buffer, 0);
        REQUIRE(size > 0);
        parser.feed({buffer, static_cast<std::size_t>(size)});
      }
      return *reply;
    };
    const auto head = next();
    REQUIRE(head.starts_with("*"));
    std::vector<std::string> all;
    for (auto left = std::stoul(head.substr(1)); left > 0; --left)
      all.push_back(next().substr(1));
    return all;
  }

private:
  const std::vector<std::string> more_addresses_;
  temporary_directory directory_;
  std::uint16_t plain_port_ = free_port();
  std::uint16_t tls_port_ = free_port();
  std::optional<talking_process> process_;
};

} // namespace actorwire::test
