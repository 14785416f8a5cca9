#pragma once

#include "engine/quic/quic_endpoint.hpp"
#include "udp_send_queue.hpp"
#include "udp_socket.hpp"

#include <actorwire/messages/result.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <chrono>
#include <memory>
#include <optional>

namespace actorwire {

class quic_group;
class quic_memory;
class udp_receive_buffers;

/// A UDP socket and the QUIC connections that use it: reads in batches, sends once at the end of each turn, and minds the
/// time.
/// *Thread:* shard only. *Lifetime:* counted; while open it keeps itself.
class quic_socket final : public locally_counted, private flushable, private udp_sink {
public:
  /// Who hears of what concerns no single connection. Calls come in turns.
  class listener {
  public:
    /// A client has begun to connect.
    virtual void on_client(quic_connection&) {}
    /// The system says that nobody listens at the address that was connected to.
    virtual void on_refused(const transport_error&) {}

  protected:
    ~listener() = default;
  };

  /// What one is told of an endpoint without a socket.
  quic_socket(shard& where, quic_endpoint::setup setup, std::optional<quic_endpoint::acceptance> accepting);
  ~quic_socket() override;

  /// Binds to `local`, and begins to receive. *Errors:* as `udp_socket::open`.
  [[nodiscard]] result<void> open(const udp_address& local, const udp_socket_options& options, listener* told);
  [[nodiscard]] result<void> connect(const udp_address& remote) { return socket_.connect(remote); }
  /// From now on a socket that is connected goes on from another address of this machine when its own is of no use any more.
  void roam() noexcept { roams_ = true; }
  /// Becomes the group's socket on this shard, until it closes, and hands over to the others what is for them: also while it
  /// takes no clients, since each socket that closes has the kernel deal the clients out anew.
  void join(std::shared_ptr<quic_group> group);
  [[nodiscard]] result<void> share() { return socket_.share(); }
  [[nodiscard]] const udp_address& local() const noexcept { return socket_.local(); }

  [[nodiscard]] shard& where() const noexcept { return shard_; }
  [[nodiscard]] const quic_endpoint& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] tls_now now() const;

  // -- connections -------------------------------------------------------------------------------------------------------

  quic_connection& dial(quic_connection::settings settings, quic_observer& observer);
  void observe(quic_connection& which, quic_observer& observer);
  /// Something was done to the connection.
  void touch(quic_connection& which);
  void let_go(quic_connection& which);

  // -- clients -----------------------------------------------------------------------------------------------------------

  /// Whether new clients are taken. Those that are not get no answer, and ask again.
  void take_clients(bool whether) noexcept { takes_clients_ = whether; }
  /// Takes clients again, after `close_when_idle`.
  void reopen(listener& told) noexcept;

  /// A datagram that came in by the socket of another shard.
  void take_over(const udp_arrival& arrived);

  /// Tells its listener nothing more, takes no more clients, and closes when the last connection has ended and its last words are said.
  void close_when_idle();
  /// Says last words, and closes.
  void close_now();

private:
  /// What was given, for as long as clients are taken.
  [[nodiscard]] std::optional<quic_endpoint::acceptance> gated(std::optional<quic_endpoint::acceptance> accepting);

  static constexpr duration look_pause_min = std::chrono::milliseconds{20};
  static constexpr duration look_pause_max = std::chrono::seconds{1};

  using descriptor = boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  void flush() override;
  void handle_datagram(const udp_arrival& arrived) override;

  void await_datagrams();
  void await_room();
  void handle_readable();
  void handle_writable();
  void handle_refusal();
  void refuse_later();
  void handle_due();
  /// Tells what has happened; new clients included.
  void dispatch();
  void dispatch_later();
  void follow_timer();
  void doubt_address();
  void look_for_address();
  [[nodiscard]] bool move_to(udp_socket& found);
  void close_if_idle();
  void close() noexcept;

  shard& shard_;
  quic_endpoint endpoint_;
  udp_socket socket_;
  udp_send_queue queue_;
  /// Watches the socket, which closes itself.
  descriptor watch_;
  quic_memory* memory_ = nullptr;
  udp_receive_buffers* buffers_ = nullptr;
  listener* listener_ = nullptr;
  timer due_;
  std::shared_ptr<quic_group> group_;
  /// As the socket was opened.
  udp_socket_options options_;
  /// How long to wait until it is looked whether there is a better address.
  timer look_;
  duration look_pause_ = look_pause_min;
  /// How often the socket was replaced: what was awaited of an earlier one is of no interest.
  unsigned moves_ = 0;
  bool roams_ = false;
  bool takes_clients_ = true;
  bool awaits_datagrams_ = false;
  bool awaits_room_ = false;
  bool dispatch_is_posted_ = false;
  bool closes_when_idle_ = false;
};

} // namespace actorwire
