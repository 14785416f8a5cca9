#pragma once

#include "engine/quic/quic_endpoint.hpp"
#include "quic_caller.hpp"

#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/buffer_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace actorwire::fuzz {

/// A datagram on its way, as it will arrive.
struct quic_parcel {
  udp_path path;
  ecn_mark mark = ecn_mark::not_capable;
  std::string bytes;
};

/// An endpoint of QUIC with all its connections and their users, and what it promises to whoever drives it.
class quic_party {
public:
  struct settings {
    tls_role role = tls_role::client;
    std::shared_ptr<const transport_config> config;
    std::shared_ptr<const tls_credentials> identity;
    /// For a server that takes early data.
    std::shared_ptr<std::remove_pointer_t<gnutls_anti_replay_t>> guard;
    std::uint64_t seed = 0;
    /// By which both ends know a connection; empty if the address is that of nobody who dials.
    std::function<std::optional<std::size_t>(const udp_address& client)> number_of;
    /// Takes what is sent.
    std::function<void(quic_parcel)> send;
  };

  quic_party(settings chosen, buffer_pool& buffers);
  ~quic_party();

  quic_party(const quic_party&) = delete;
  quic_party& operator=(const quic_party&) = delete;

  quic_caller& dial(const udp_path& path, std::size_t number, const tls_now& now);
  void take(const quic_parcel& arrived, const tls_now& now);
  void handle_timeout(const tls_now& now);
  /// Tells what has happened and sends what is to be sent, until nothing is left.
  void serve(const tls_now& now);
  void suspect_all(const tls_now& now) { endpoint_.suspect_all(now); }
  /// Whether clients are taken.
  void set_admission(bool is_open) { is_open_ = is_open; }

  /// Everybody it was ever connected to, in this order.
  [[nodiscard]] const std::vector<std::unique_ptr<quic_caller>>& callers() const noexcept { return callers_; }
  /// Hands them out before the endpoint dies.
  [[nodiscard]] std::vector<std::unique_ptr<quic_caller>> take_callers() { return std::move(callers_); }
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept { return endpoint_.next_timeout(); }
  [[nodiscard]] std::size_t connections() const noexcept { return endpoint_.size(); }
  [[nodiscard]] std::size_t half_open() const noexcept { return half_open_->get(); }

private:
  [[nodiscard]] quic_endpoint::setup setup();
  [[nodiscard]] std::optional<quic_endpoint::acceptance> acceptance();
  [[nodiscard]] quic_connection::settings connection_on(const udp_path& path) const;
  void meet_clients();
  void send(const udp_departure& train);

  const settings settings_;
  const quic_config& limits_;
  receive_arena arena_;
  std::shared_ptr<half_open_count> half_open_ = std::make_shared<half_open_count>();
  quic_endpoint endpoint_;
  std::vector<std::unique_ptr<quic_caller>> callers_;
  std::vector<std::byte> room_ = std::vector<std::byte>(departure_bytes_max);
  bool is_open_ = true;
};

} // namespace actorwire::fuzz
