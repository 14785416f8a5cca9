#pragma once

#include "readable_wait.hpp"
#include "tcp_dialer.hpp"
#include "tcp_socket.hpp"

#include <actorwire/transports/resolver.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace actorwire {

class receive_slab;
struct slab_space;

/// What a clean end of the stream means to the peer.
enum class stream_end : std::uint8_t {
  /// That it has everything; so it sees one only if it does.
  complete,
  /// Nothing: the user of the transport says within the stream where it ends, as TLS does.
  marked_within,
};

/// Makes a transport that is to be connected.
[[nodiscard]] local_ref<transport> make_tcp_transport(shard& where, std::shared_ptr<resolver> names,
                                                      stream_end meaning = stream_end::complete);

/// Makes a transport of a socket that is connected already, and owns it from then on. The event loop of `where` is not
/// touched before `init`, so another thread may make it and move the one reference over.
[[nodiscard]] local_ref<transport> adopt_tcp_socket(shard& where, int connected_descriptor,
                                                    stream_end meaning = stream_end::complete);

/// TCP on the system's sockets.
///
/// - Reading waits for readiness without holding a buffer, then takes what is there. The slab grows from 16 to 64 KiB
///   while the peer streams, and idle connections have none. At the network's memory limit reading pauses.
/// - While the allowance is zero, the peer's end is noticed if no data lies before it, and its reset always. Data that is
///   still unread when the peer resets is delivered as far as the allowance goes.
/// - The transport keeps no bytes of its own: what `send` took is the kernel's. After both sides ended, it waits until
///   the peer acknowledged everything, so that the last `bytes_acked` is the true one.
/// - `close` with `error_code::closed` ends the stream cleanly if the peer has acknowledged every byte. Any other reason,
///   and any byte on its way, resets the connection: a peer that sees a clean end has everything. With
///   `stream_end::marked_within` bytes on their way are left to the kernel, and the end comes behind them.
/// - Dropping the last reference while nothing is pending, or while dialling, ends it like `detach`.
class tcp_transport final : public transport, private tcp_dialer::listener {
public:
  tcp_transport(shard& where, std::shared_ptr<resolver> names, stream_end meaning);
  tcp_transport(shard& where, int connected_descriptor, stream_end meaning);
  ~tcp_transport() override;

  result<void> init(const transport_config& config, transport_observer& observer) override;
  void connect(const endpoint& remote) override;
  result<std::size_t> send(std::span<const outgoing> pieces) override;
  void receive(std::size_t bytes) override;
  void finish() override;
  void close(const transport_error& reason) override;
  void detach() noexcept override;
  [[nodiscard]] transport_stats stats() const override;
  [[nodiscard]] std::uint64_t bytes_acked() const override;

private:
  friend class readable_wait<tcp_transport>;

  /// created -> initialized -> dialing -> connected -> lingering -> ended
  ///            initialized (adopted) --> connected
  ///            every stage -----------------------------------> ended
  enum class stage : std::uint8_t {
    created,
    initialized,
    dialing,
    connected,
    /// Both sides ended; waits for the peer's last acknowledgement.
    lingering,
    ended,
  };

  /// A wait that no readiness ends: for memory, or for an acknowledgement.
  struct pause;

  // -- events ----------------------------------------------------------------------------------------------------------

  void on_dial_progress(connection_state where) override;
  void on_dialed(tcp_socket connected) override;
  void on_dial_failed(const transport_error& reason) override;
  void handle_connected();
  void begin(bool by_stale_addresses);
  void handle_readable();
  void handle_writable();
  void handle_loss();
  void handle_failed_send();
  void handle_end_of_pause();
  void handle_last_acknowledgement();
  void handle_peer_end();

  /// Makes the handler for Asio that calls `Handle` in a turn and keeps this object until then.
  template <void (tcp_transport::*Handle)()>
  [[nodiscard]] auto handler();
  template <void (tcp_transport::*Handle)()>
  void post();

  [[nodiscard]] shard& where() const noexcept { return shard_; }

  // -- actions ---------------------------------------------------------------------------------------------------------

  [[nodiscard]] result<void> open_adopted(const transport_config& config);
  void arm();
  [[nodiscard]] bool can_read() const noexcept;
  void read(int reads_max);
  [[nodiscard]] slab_space find_space(bool& is_shared);
  void adapt(bool was_full) noexcept;
  void look_for_end();
  void pause_for(duration delay);
  void wait_for_room();
  void linger();
  void lose(int errno_value, std::string_view doing);
  void end(const transport_error& reason);
  void shut_down(bool orderly) noexcept;
  void close_socket(bool orderly) noexcept;
  [[nodiscard]] int descriptor() const noexcept;
  /// Whether the peer may see a clean end now.
  [[nodiscard]] bool may_end_cleanly() const noexcept;
  void tell_closed(const transport_error& reason);
  [[nodiscard]] std::uint64_t acked_of(std::uint64_t kernel_count) const noexcept;

  // The base ends with a count of 4 bytes, which these share a word with.
  stage stage_ = stage::created;
  const stream_end end_meaning_;
  /// What the kernel counted as acknowledged before we sent anything: our SYN, if it was ours.
  std::uint8_t acked_before_ = 0;
  std::uint8_t full_reads_ = 0;
  bool reading_ : 1 = false;
  /// The last read has found nothing.
  bool is_drained_ : 1 = false;
  bool awaits_loss_ : 1 = false;
  bool awaits_room_ : 1 = false;
  /// Data is known to lie in the kernel while the allowance is zero.
  bool data_waits_ : 1 = false;
  /// Waiting for loss returns at once without a loss, as after urgent data; until bytes are read, it is no use.
  bool loss_wait_is_futile_ : 1 = false;
  bool large_reads_ : 1 = false;
  bool finished_ : 1 = false;
  bool peer_finished_ : 1 = false;
  bool peer_finished_first_ : 1 = false;
  /// `send` met an error; what the peer sent before is delivered first, then the end is reported.
  bool send_failed_ : 1 = false;

  int adopted_descriptor_ = -1;
  int send_errno_ = 0;
  shard& shard_;
  transport_observer* observer_ = nullptr;
  receive_slab* shared_slab_ = nullptr;
  tcp_socket socket_;
  readable_wait<tcp_transport> data_wait_{*this};
  std::size_t allowance_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
  // Needed by few, or not for long.
  local_ref<tcp_dialer> dialer_;
  std::unique_ptr<pause> pause_;
  std::unique_ptr<transport_stats> last_stats_;
};

} // namespace actorwire
