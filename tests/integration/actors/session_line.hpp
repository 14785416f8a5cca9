#pragma once

#include "tcp_fault_proxy.hpp"
#include "udp_fault_proxy.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace actorwire::test {

/// A line between a client and a server of `tcp`, `tls` or `quic` that can be cut.
class session_line {
public:
  /// One that is cut by nobody but the test.
  session_line(const std::string& scheme, std::uint16_t server_port) {
    if (scheme == "quic")
      udp_.emplace(server_port, udp_faults{}, std::mt19937_64{});
    else
      tcp_.emplace(server_port, std::vector<tcp_faults>{}, std::mt19937_64{});
  }

  /// One on which each of the first `count` connections is cut, at a place and in a way that is drawn. What a connection of
  /// QUIC notices of that is silence, whatever becomes of it.
  session_line(const std::string& scheme, std::uint16_t server_port, std::size_t count, std::mt19937_64 chance)
    : faults_(count) {
    if (scheme == "quic")
      udp_.emplace(server_port, drawn(count, chance), chance);
    else
      tcp_.emplace(server_port, drawn(count, scheme == "tls", chance), chance);
  }

  [[nodiscard]] std::uint16_t port() const { return tcp_ ? tcp_->port() : udp_->port(); }

  /// Whether a connection has come that is not to be cut.
  [[nodiscard]] bool has_cut_all() const { return (tcp_ ? tcp_->records().size() : udp_->counts().clients) > faults_; }

  /// Until `heal` nothing passes, not even an end, and on the connections that there are by then nothing ever after.
  void silence() {
    if (tcp_)
      tcp_->silence();
    else
      udp_->silence();
  }

  void heal() {
    if (tcp_)
      tcp_->heal();
    else
      udp_->heal();
  }

  /// The clients of silenced connections find their end, and their servers do not. That of TCP is told now; that of QUIC learns
  /// it by its timeouts as soon as it has something to say.
  void end_silenced_clients() {
    if (tcp_)
      tcp_->reset_silenced_clients();
  }

private:
  static udp_faults drawn(std::size_t count, std::mt19937_64& chance) {
    udp_faults faults{.loss = 0.01, .duplication = 0.02, .reordering = 0.02};
    // From the first datagram of the handshake to some hundred messages.
    for (std::size_t number = 0; number < count; ++number)
      faults.lives.push_back(1 + chance() % (number % 2 == 0 ? 400 : 40));
    return faults;
  }

  static std::vector<tcp_faults> drawn(std::size_t count, bool is_tls, std::mt19937_64& chance) {
    // Without TLS nothing finds a byte that is wrong.
    std::vector fates{tcp_fate::cut, tcp_fate::reset, tcp_fate::stall};
    if (is_tls)
      fates.push_back(tcp_fate::corrupt);
    std::vector<tcp_faults> weather;
    for (std::size_t number = 0; number < count; ++number) {
      auto faults = drawn_faults(chance, fates, number % 2 == 0 ? 200'000 : 5'000);
      // That acknowledgements stay out where the kernel goes on to answer is for a prober to find.
      if (faults.to_client.fate == tcp_fate::stall)
        std::swap(faults.to_server, faults.to_client);
      weather.push_back(faults);
    }
    return weather;
  }

  std::size_t faults_ = 0;
  std::optional<tcp_fault_proxy> tcp_;
  std::optional<udp_fault_proxy> udp_;
};

} // namespace actorwire::test
