#pragma once

#include "acked_offsets.hpp"
#include "output_queue.hpp"
#include "record_sizer.hpp"
#include "tls_credentials.hpp"

#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/buffer_pool.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/transport.hpp>

#include <gnutls/gnutls.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace actorwire {

/// The clocks that TLS needs: one that certificates are judged by, and one that measures rests.
struct tls_now {
  std::time_t wall = 0;
  time_point steady{};
  /// How long `steady` has stood still, if it is one that does; see `shard::stalled`.
  duration stalled{0};

  /// What ages are measured by: what a server has given us gets old there also while we stand still here. The same on every
  /// shard.
  [[nodiscard]] time_point real() const noexcept { return steady + stalled; }
};

/// One connection of TLS over any ordered stream of bytes, without the stream: what arrives is fed in, what is to be sent
/// is taken out, and time is told. Drives GnuTLS; the only copies are those between its buffers and ours.
///
/// Life: `shake_hands` after each `feed` until it says done; then `read` and `write`; `close_sending` once. After an error
/// nothing but `gather` makes sense, to send the alert that tells the other side.
/// *Thread:* one at a time. *Source:* RFC 8446, RFC 5246.
class tls_engine {
public:
  /// Bytes that the other side may send before it has proved anything: more than any honest flight of certificates.
  static constexpr std::size_t handshake_bytes_max = std::size_t{64} << 10U;

  /// Ciphertext that waits to be sent, beyond which `write` takes no more: what one call to the system carries.
  static constexpr std::size_t output_max = std::size_t{64} << 10U;

  /// A client gives the name or address that the certificate of the other side must have, and what to remember a session
  /// with it by.
  tls_engine(std::shared_ptr<const tls_credentials> identity, buffer_pool& buffers, std::string server = {},
             std::string session_key = {});
  ~tls_engine();

  tls_engine(const tls_engine&) = delete;
  tls_engine& operator=(const tls_engine&) = delete;

  // -- ciphertext --------------------------------------------------------------------------------------------------------

  /// Takes what has arrived; keeps it until it is asked for.
  void feed(payload arrived);
  /// The stream below has ended: nothing will be fed any more.
  void end_input() noexcept { input_ended_ = true; }
  /// Bytes fed and not yet used.
  [[nodiscard]] std::size_t input_size() const noexcept { return input_size_; }

  /// Shows what is to be sent, up to the room in `pieces`; returns how many pieces.
  [[nodiscard]] std::size_t gather(std::span<outgoing> pieces) const { return output_.gather(pieces); }
  /// The first `bytes` of it were sent.
  void consume(std::size_t bytes) { output_.consume(bytes); }
  [[nodiscard]] std::size_t output_size() const noexcept { return output_.size(); }

  // -- handshake ---------------------------------------------------------------------------------------------------------

  /// Goes on as far as what was fed allows; true when keys are agreed on and the peer is verified. *Errors:* why not;
  /// an alert for the other side is among what is to be sent.
  [[nodiscard]] result<bool> shake_hands(const tls_now& now);
  /// What was agreed on.
  [[nodiscard]] tls_info info() const;

  // -- plaintext ---------------------------------------------------------------------------------------------------------

  /// Decrypts the next record and keeps it, unless one is kept already. Returns whether one is; false at the end too.
  [[nodiscard]] result<bool> look_ahead(const tls_now& now);
  /// Moves up to `room.size()` bytes of plaintext to `room`; 0: nothing is there, or the end.
  [[nodiscard]] result<std::size_t> read(std::span<std::byte> room, const tls_now& now);
  /// Whether the other side has said that it has nothing more to send, and all of it was read.
  [[nodiscard]] bool peer_has_closed() const noexcept { return peer_has_closed_ && !packet_; }

  /// Encrypts from the front of `pieces` while there is room for output; returns how many bytes.
  [[nodiscard]] result<std::size_t> write(std::span<const outgoing> pieces, const tls_now& now);
  /// Tells the other side that nothing follows.
  void close_sending();

  /// How many bytes of plaintext have arrived when so many of ciphertext have.
  [[nodiscard]] std::uint64_t plain_acked(std::uint64_t ciphertext_acked) {
    return acked_.acknowledge(ciphertext_acked);
  }
  /// Writes whose acknowledgement nobody has asked for yet.
  [[nodiscard]] std::size_t unacknowledged_marks() const noexcept { return acked_.size(); }

private:
  struct session_closer {
    void operator()(gnutls_session_t session) const noexcept { ::gnutls_deinit(session); }
  };
  struct packet_closer {
    void operator()(gnutls_packet_t packet) const noexcept { ::gnutls_packet_deinit(packet); }
  };

  static ssize_t pull(gnutls_transport_ptr_t self, void* into, std::size_t size);
  static ssize_t push(gnutls_transport_ptr_t self, const giovec_t* pieces, int count);
  static int verify(gnutls_session_t session);
  static int log_key(gnutls_session_t session, const char* label, const gnutls_datum_t* value);
  static int remember_session(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                              const gnutls_datum_t* message);

  [[nodiscard]] bool is_server() const noexcept { return identity_->role() == tls_role::server; }
  [[nodiscard]] bool asks_for_certificates() const noexcept {
    return identity_->config().client_certificates != client_certificates::off;
  }
  void set_up();
  void set_protocols();
  void set_up_server();
  void set_up_client();
  /// Copies what waits to be read into one piece.
  void join_input();
  /// Runs what GnuTLS calls back: nothing may be thrown through it.
  template <class Body>
  auto guarded(decltype(std::declval<Body>()()) failed, Body&& body) noexcept -> decltype(body());
  [[nodiscard]] static tls_engine& engine_of(gnutls_session_t session) noexcept;
  [[nodiscard]] bool remembers_sessions() const noexcept;
  void offer_session();
  [[nodiscard]] result<void> check_agreement();
  [[nodiscard]] std::optional<transport_error> judge_peer();
  /// Whether GnuTLS's answer means that the stream below ended in the middle of something.
  [[nodiscard]] bool is_cut(int code) const noexcept;
  /// Has an alert that fits `code` told to the other side.
  void send_alert(int code);

  std::shared_ptr<const tls_credentials> identity_;
  std::unique_ptr<std::remove_pointer_t<gnutls_session_t>, session_closer> session_;
  /// For a client: the name or address to verify, and whom a session is remembered with.
  std::string server_;
  std::string session_key_;
  /// When the server of the session that is offered was verified.
  time_point verified_at_{};

  std::vector<payload> input_;
  std::size_t input_size_ = 0;
  std::size_t input_total_ = 0;
  /// A record that was decrypted and not yet read whole, and how much of it was.
  std::unique_ptr<std::remove_pointer_t<gnutls_packet_t>, packet_closer> packet_;
  std::size_t packet_offset_ = 0;

  output_queue output_;
  std::uint64_t output_total_ = 0;
  /// How much the present call is still going to encrypt.
  std::size_t more_follows_ = 0;
  std::uint64_t plain_total_ = 0;
  acked_offsets acked_;
  record_sizer sizer_;
  /// The time of the present call, for what GnuTLS calls back.
  tls_now now_;

  /// Why the peer is refused, found by a callback; or an error behind bytes that were read before it.
  std::optional<transport_error> failure_;
  /// Warnings since the other side last said anything else.
  int warnings_ = 0;
  bool input_ended_ = false;
  bool peer_has_closed_ = false;
  bool has_begun_ = false;
  bool is_established_ = false;
};

} // namespace actorwire
