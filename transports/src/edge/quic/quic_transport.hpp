#pragma once

#include "edge/tls_store.hpp"
#include "quic_dialer.hpp"
#include "quic_socket.hpp"

#include <actorwire/transports/multiplexer.hpp>
#include <actorwire/transports/resolver.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace actorwire {

/// A QUIC connection. Its stream 0 is the byte stream that every transport has; the others are there for whoever asks for
/// them by `multiplex`. The client opens stream 0 with the connection, so that either side may speak first.
///
/// - It is connected when keys are agreed on and the peer is verified.
/// - What is read is what the allowance lets through; the peer may send as much more as was read, and its window holds the
///   rest. When the peer ends the connection in order, all that its windows held is handed over at once, on every stream.
/// - When both halves of stream 0 have ended, all of it was acknowledged, and no other stream is open, the connection is
///   over.
/// - `close` with `error_code::closed`, when nothing is on its way, ends in order; any other is told to the peer as a loss.
class quic_transport final : public transport,
                             public multiplexer,
                             private quic_observer,
                             private quic_dialer::listener {
public:
  /// A client.
  quic_transport(shard& where, std::shared_ptr<resolver> names, std::shared_ptr<tls_store> identities);
  /// A server, of a client that has begun to connect by `socket`.
  quic_transport(local_ref<quic_socket> socket, quic_connection& connection);
  ~quic_transport() override;

  result<void> init(const transport_config& config, transport_observer& observer) override;
  void connect(const endpoint& remote) override;
  result<std::size_t> send(std::span<const outgoing> pieces) override;
  void receive(std::size_t bytes) override;
  void finish() override;
  void close(const transport_error& reason) override;
  void detach() noexcept override;
  [[nodiscard]] transport_stats stats() const override;
  [[nodiscard]] std::uint64_t bytes_acked() const override;
  [[nodiscard]] multiplexer* multiplex(multiplexer_observer& observer) override;

  // -- multiplexer -------------------------------------------------------------------------------------------------------

  result<stream_id> open(stream_direction direction, stream_priority priority) override;
  result<std::size_t> send(stream_id stream, std::span<const outgoing> pieces) override;
  void receive(stream_id stream, std::size_t bytes) override;
  void finish(stream_id stream) override;
  void reset(stream_id stream, std::uint64_t code) override;
  void stop(stream_id stream, std::uint64_t code) override;
  void prioritize(stream_id stream, stream_priority priority) override;
  [[nodiscard]] std::optional<std::uint64_t> bytes_acked(stream_id stream) const override;
  [[nodiscard]] std::optional<std::uint64_t> bytes_sent(stream_id stream) const override;
  [[nodiscard]] bool is_held_by_peer(stream_id stream) const override;
  result<std::uint64_t> send_datagram(payload body) override;

private:
  /// created -> initialized -> dialing -> established -> ended
  ///            initialized (accepted) -> established
  ///            every stage --------------------------> ended
  enum class stage : std::uint8_t { created, initialized, dialing, established, ended };

  /// What is needed until it is connected.
  struct attempt;

  /// A stream other than 0.
  struct side_stream {
    std::size_t allowance = 0;
    /// Among those whose allowance has grown.
    bool is_to_be_read = false;
    bool is_ended = false;
    /// Its end is told, and so lets the peer open another one, when more than nothing is wanted of it.
    bool awaits_reader = false;
    /// When the connection is gone: what of our half had arrived.
    std::uint64_t last_acked = 0;
  };

  /// What a connection that has ended had brought on one stream, and nobody had read.
  struct leftover {
    stream_id stream = byte_stream;
    std::vector<payload> bytes;
    /// The end of the peer's half comes behind it.
    bool is_at_end = false;
    /// And that is the end of the stream.
    bool is_over = false;
  };

  void on_event(quic_event::any event) override;
  void on_dial_progress(connection_state where) override;
  void on_dial_failed(const transport_error& reason) override;
  void on_dial_early_data() override;
  void on_dialed(local_ref<quic_socket> socket, quic_connection& connection, tls_info agreed) override;

  void handle(quic_event::answered&&) {}
  void handle(quic_event::connected&& event);
  void handle(quic_event::handshake_done&&) { observer_->on_handshake_done(); }
  void handle(quic_event::stream_opened&& event);
  void handle(quic_event::stream_readable&& event);
  void handle(quic_event::stream_writable&& event);
  void handle(quic_event::stream_reset&& event);
  void handle(quic_event::stream_stopped&& event);
  void handle(quic_event::stream_closed&& event);
  void handle(quic_event::streams_available&& event);
  void handle(quic_event::datagram_received&& event);
  void handle(quic_event::datagram_done&& event);
  void handle(quic_event::early_data_rejected&&) {}
  void handle(quic_event::path_changed&& event);
  void handle(quic_event::closed&& event);

  void dial(tls_store::answer found);
  void begin(transport_opening opening);
  /// Hands over what stream 0 has brought, and its end.
  void deliver();
  void deliver_later();
  void deliver_stream(stream_id stream);
  [[nodiscard]] bool may_deliver() const noexcept {
    return stage_ == stage::established && !is_closing_ && connection_ != nullptr;
  }
  void end_if_done();
  /// The connection has ended. Takes out what it brought: all of it, or as much as the allowances let through.
  [[nodiscard]] std::vector<leftover> take_leftovers(bool beyond_allowance);
  [[nodiscard]] leftover take_leftover(stream_id stream, std::size_t allowance);
  void hand_over(leftover&& rest);
  /// Keeps the figures of a connection that is about to go.
  void keep_figures() noexcept;
  void tell_closed(const transport_error& reason);
  void tell_closed_later(const transport_error& reason);
  void touch();

  shard& shard_;
  transport_observer* observer_ = nullptr;
  multiplexer_observer* streams_observer_ = nullptr;
  std::unique_ptr<attempt> attempt_;
  local_ref<quic_dialer> dialer_;
  local_ref<quic_socket> socket_;
  /// Null before it is dialled, and after its end.
  quic_connection* connection_ = nullptr;
  std::size_t allowance_ = 0;
  /// Of all streams.
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
  std::map<stream_id, side_stream> streams_;
  /// Those whose allowance has grown since they were read; some may be over.
  std::vector<stream_id> to_be_read_;
  stage stage_ = stage::created;
  bool is_delivering_ = false;
  bool delivery_is_posted_ = false;
  /// Whatever comes, the end is decided on.
  bool is_closing_ = false;
  bool finished_ = false;
  bool peer_finished_ = false;
  bool peer_finished_first_ = false;
  /// Both halves of stream 0 have ended, and ours was acknowledged.
  bool byte_stream_is_over_ = false;

  // What is left when the connection is gone.
  std::uint64_t last_acked_ = 0;
  quic_metrics last_metrics_;
};

/// Makes a client of QUIC.
[[nodiscard]] local_ref<transport> make_quic_transport(shard& where, std::shared_ptr<resolver> names,
                                                       std::shared_ptr<tls_store> identities);

/// Makes a server of QUIC, for a client that has begun to connect.
[[nodiscard]] local_ref<transport> accept_quic(local_ref<quic_socket> socket, quic_connection& connection);

} // namespace actorwire
