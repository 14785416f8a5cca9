#pragma once

#include "engine/tls_engine.hpp"
#include "tls_store.hpp"

#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport.hpp>
#include <actorwire/transports/watchdog.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace actorwire {

class receive_slab;
struct slab_space;

/// TLS over another transport: that one carries records, this one what is in them.
///
/// - It is connected when keys are agreed on and the peer is verified, within `attempt_timeout` from `connect`, or from
///   `init` of an accepted one. A client that connects and says nothing costs no more than its bearer until then.
/// - Plaintext is decrypted as far as the allowance goes, and one record ahead of it, so that the peer's end is noticed.
/// - What `send` took is encrypted; up to 64 KiB of it may wait for the bearer.
/// - The end of either direction is told by TLS itself. A bearer that ends without is an error, `truncated_stream`. After
///   both ends were told, the connection is over as soon as the peer acknowledged everything, whether it ends its bearer or
///   not. What follows the peer's end is not read.
/// - After a failed handshake the peer gets the alert of TLS that fits, and nothing else.
class tls_transport final : public transport, private transport_observer {
public:
  /// A client.
  tls_transport(shard& where, local_ref<transport> bearer, std::shared_ptr<tls_store> identities);
  /// A server, on a bearer that was accepted. Another thread may make it, before `init`.
  tls_transport(shard& where, local_ref<transport> bearer, std::shared_ptr<const tls_credentials> identity);
  ~tls_transport() override;

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
  /// created -> initialized -> dialing -> handshaking -> established -> ended
  ///            initialized (accepted) -> handshaking
  ///            every stage ------------------------------------------> ended
  enum class stage : std::uint8_t { created, initialized, dialing, handshaking, established, ended };

  /// What is needed until the handshake is done.
  struct attempt;
  /// A wait at the network's memory limit.
  struct pause;
  /// A wait for the last acknowledgement, after both sides said their end.
  struct linger;

  // -- from the bearer ---------------------------------------------------------------------------------------------------

  void on_progress(connection_state where) override;
  void on_connected(const transport_opening& opening) override;
  void on_received(payload bytes) override;
  void on_peer_finished() override;
  void on_writable() override;
  void on_closed(const transport_error& reason) override;

  // -- actions -----------------------------------------------------------------------------------------------------------

  void dial(tls_store::answer found);
  void make_engine();
  void shake_hands();
  void handle_timeout();
  /// Hands over what can be read, and what follows from it.
  void process();
  void process_later();
  [[nodiscard]] slab_space find_space(bool& is_shared);
  /// Reads one piece; false when there is none, or no room for it.
  [[nodiscard]] bool read_piece();
  void follow_peer_end();
  void linger_if_ended(bool by_peer);
  void handle_end_of_linger();
  void top_up();
  void flush_output();
  void fail(const transport_error& reason, bool orderly);
  void tell_closed(const transport_error& reason);
  [[nodiscard]] tls_now now() const;

  stage stage_ = stage::created;
  bool is_processing_ = false;
  bool process_is_posted_ = false;
  /// The bearer took less than it was given.
  bool is_blocked_ = false;
  bool wants_room_ = false;
  bool finished_ = false;
  bool bearer_is_finished_ = false;
  bool peer_finished_ = false;

  shard& shard_;
  transport_observer* observer_ = nullptr;
  local_ref<transport> bearer_;
  receive_slab* shared_slab_ = nullptr;
  std::shared_ptr<tls_store> identities_;
  /// Kept although only its credentials are used: the store forgets what nobody keeps.
  std::shared_ptr<tls_identity> identity_;
  std::shared_ptr<const tls_credentials> credentials_;
  std::unique_ptr<tls_engine> engine_;
  std::size_t allowance_ = 0;
  /// What the bearer may still deliver.
  std::size_t bearer_allowance_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
  // Needed by few, or not for long.
  std::unique_ptr<attempt> attempt_;
  std::unique_ptr<pause> pause_;
  std::unique_ptr<linger> linger_;
  /// Why this transport ends, while the bearer is closing.
  std::unique_ptr<const transport_error> end_;
  /// The bearer has ended in order, and not all that it brought was handed over.
  std::unique_ptr<const transport_error> bearer_end_;
};

/// Makes a client of TLS over `bearer`.
[[nodiscard]] local_ref<transport> make_tls_transport(shard& where, local_ref<transport> bearer,
                                                      std::shared_ptr<tls_store> identities);

} // namespace actorwire
