#pragma once

#include "simulated_network.hpp"
#include "simulated_streams.hpp"

#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace actorwire::test {

[[nodiscard]] constexpr side other(side here) noexcept {
  return here == side::dialler ? side::listener : side::dialler;
}

/// What one end sends, on its way to the other.
struct simulated_direction {
  std::uint64_t arrived = 0;
  /// The same for the other streams, and for all together.
  std::map<stream_id, std::uint64_t> arrived_on;
  std::uint64_t arrived_in_all = 0;
  /// When the last byte that was taken has left, and when it gets there.
  time_point free_at{};
  time_point arrives_at{};
  /// What waits for the path to come up.
  std::deque<std::function<void()>> held;
};

/// A connection as the network sees it. Each end is null before it exists and after it is gone.
struct simulated_connection {
  [[nodiscard]] simulated_transport*& end_at(side which) noexcept { return ends[static_cast<std::size_t>(which)]; }
  [[nodiscard]] simulated_transport* end_at(side which) const noexcept { return ends[static_cast<std::size_t>(which)]; }
  [[nodiscard]] simulated_direction& from(side sender) noexcept { return ways[static_cast<std::size_t>(sender)]; }

  connection_record record;
  connection_plan plan;
  link_settings link;
  std::uint16_t number = 0;
  /// Nothing arrives any more.
  bool is_severed = false;
  /// The fault of the plan has happened, or one that a test asked for: what is still on its way is lost.
  bool is_broken = false;
  /// Severed because the listener's machine died.
  bool is_forgotten = false;
  std::array<simulated_transport*, 2> ends{};
  std::array<simulated_direction, 2> ways;
};

/// One end of a simulated connection.
class simulated_transport final : public transport {
public:
  /// An unconnected one.
  simulated_transport(simulated_network& network, protocol proto);
  /// The accepted end of `connection`.
  simulated_transport(simulated_network& network, protocol proto, simulated_connection& connection);

  result<void> init(const transport_config& config, transport_observer& observer) override;
  void connect(const endpoint& remote) override;
  result<std::size_t> send(std::span<const outgoing> pieces) override;
  void receive(std::size_t bytes) override;
  void finish() override;
  void close(const transport_error& reason) override;
  void detach() noexcept override;
  [[nodiscard]] transport_stats stats() const override;
  [[nodiscard]] std::uint64_t bytes_acked() const override { return acked_; }
  /// Only `quic://` has other streams.
  [[nodiscard]] multiplexer* multiplex(multiplexer_observer& observer) override;

  // -- from the network; never within a call from the user -------------------------------------------------------------

  [[nodiscard]] protocol proto() const noexcept { return proto_; }
  /// Null for an end that has no use for other streams.
  [[nodiscard]] simulated_streams* streams() noexcept { return streams_ ? &*streams_ : nullptr; }
  [[nodiscard]] bool is_established() const noexcept { return stage_ == stage::established; }
  void enter_handshake();
  void become_established();
  void fail_attempt(error_code code, origin who, std::string text);
  void accept_bytes(payload bytes);
  void accept_finish();
  void accept_reset();
  /// The other end has closed the connection in order, whatever streams were open.
  void accept_close();
  void handle_acked(std::uint64_t upto);
  void handle_consumed(std::uint64_t upto);
  void end(const transport_error& reason);
  /// The network is gone.
  void orphan() noexcept;

private:
  friend class simulated_streams;

  enum class stage : std::uint8_t { created, initialized, attempting, established, over };

  ~simulated_transport() override;

  /// Has `tell` called with the streams of the other end, when it gets there.
  void tell_other_end(std::function<void(simulated_streams&)> tell);
  void later(std::function<void(transport_observer&)> tell);
  void tell_closed(const transport_error& reason);
  void send_finish();
  void deliver_soon();
  void deliver();
  void tell_writable();
  [[nodiscard]] bool has_something_to_deliver() const noexcept;
  [[nodiscard]] bool knows_peer_alive() const;
  void handle_deadline();
  void watch();
  void say_goodbye(bool in_order);
  void end_if_both_finished();
  void leave() noexcept;

  simulated_network* network_;
  simulated_connection* connection_ = nullptr;
  transport_observer* observer_ = nullptr;
  transport_config config_;
  protocol proto_;
  side side_ = side::dialler;
  stage stage_ = stage::created;
  phase phase_ = phase::setup;

  std::optional<simulated_streams> streams_;
  std::deque<payload> received_;
  std::size_t allowance_ = 0;
  std::uint64_t delivered_ = 0;
  bool delivery_is_scheduled_ = false;
  bool peer_finished_ = false;
  bool peer_finished_is_told_ = false;
  bool peer_finished_first_ = false;

  std::uint64_t sent_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t consumed_ = 0;
  bool wants_writable_ = false;
  bool writable_is_scheduled_ = false;
  bool finished_ = false;
  bool closed_by_user_ = false;

  /// While attempting, the end of the attempt; then the next look at whether the peer is alive.
  timer deadline_;
  time_point heard_at_{};
  time_point progress_at_{};
  std::optional<time_point> probed_at_;
};

} // namespace actorwire::test
