#pragma once

#include "amplification_limit.hpp"
#include "datagram_queue.hpp"
#include "ecn_watch.hpp"
#include "probe_timeouts.hpp"
#include "quic_cid.hpp"
#include "quic_event.hpp"
#include "quic_heap.hpp"
#include "quic_streams.hpp"
#include "quic_tls.hpp"
#include "quic_tokens.hpp"
#include "receive_arena.hpp"
#include "udp_datagram.hpp"

#include <actorwire/messages/quic_config.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/statistics.hpp>
#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/clock.hpp>

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace actorwire {

/// What a connection needs of the endpoint that it belongs to. Called in the middle of handling a packet: implementations
/// keep books, and call nothing of the connection.
class quic_host {
public:
  /// Makes an ID by which packets find this connection, and the token that tells its peer when we have forgotten it
  /// (RFC 9000, 10.3). `local` is where it sends to.
  virtual quic_cid make_id() = 0;
  virtual quic_tokens::stateless_reset_token reset_token_for(const quic_cid& id, const udp_address& local) = 0;
  virtual void add_id(const quic_cid& id) = 0;
  virtual void remove_id(const quic_cid& id) = 0;
  /// The peer would say by this that it has forgotten the connection: such a packet has an ID that says nothing.
  virtual void add_reset_token(const quic_tokens::stateless_reset_token& token) = 0;
  virtual void remove_reset_token(const quic_tokens::stateless_reset_token& token) = 0;
  /// A proof of its address that the client may show next time (RFC 9000, 8.1.3); empty: none.
  virtual quic_tokens::token make_token_for(std::uint32_t version, const udp_address& client, std::time_t now) = 0;
  virtual void fill_random(std::span<std::uint8_t> room) = 0;
  [[nodiscard]] virtual receive_arena& arena() = 0;

protected:
  ~quic_host() = default;
};

/// One QUIC connection without its socket: datagrams and the time go in, datagrams and events come out (RFC 9000, RFC 9001,
/// RFC 9002; ngtcp2 and GnuTLS inside).
///
/// Whoever drives it calls `handle_datagram` or `handle_timeout` or a command, then `poll_transmit` until it has nothing
/// more, then `poll_event`, and comes back at `next_timeout`. Nothing is sent but by `poll_transmit`, and nobody is called
/// from within.
/// *Thread:* one at a time. *Lifetime:* stays where it is; the host outlives it.
class quic_connection {
public:
  /// Datagrams that have arrived and nobody has asked for; what comes beyond them is dropped (RFC 9221, 5.3).
  static constexpr std::size_t waiting_datagrams_max = 1'024;
  /// What ngtcp2 must keep at least for a connection that is ended for it, besides the books of what was on its way at most:
  /// some 300 bytes for each packet, of which none is much smaller than a quarter of that.
  static constexpr std::size_t yielded_min = std::size_t{256} << 10U;
  static constexpr std::size_t books_per_byte = 4;

  /// What both sides need.
  struct settings {
    /// Shared: it holds whole certificates, and there may be thousands of connections.
    std::shared_ptr<const transport_config> config{};
    quic_tls::settings tls{};
    udp_path path{};
    /// Is handed what qlog has to say, as it comes, once `check_qlog` allows it; a file of it is whole when the connection is
    /// gone. Empty: nothing is written. *Thread:* from within the connection, of which it calls nothing; throws nothing.
    std::function<void(std::string_view)> qlog{};
  };
  /// What a server knows of a client from its first packet.
  struct first_packet {
    std::uint32_t version = 0;
    /// As the client chose them; `original` differs from `destination` if the client was asked to prove its address.
    quic_cid source{};
    quic_cid destination{};
    quic_cid original{};
    /// The proof of its address, if it was accepted.
    std::span<const std::uint8_t> token{};
    bool was_retried = false;
  };

  /// A client: begins the handshake with the next `poll_transmit`. *Errors:* throws `std::runtime_error` or
  /// `std::bad_alloc` for want of memory.
  quic_connection(settings chosen, quic_host& host, const tls_now& now);
  /// A server: its first packet is to be handed to `handle_datagram` next.
  quic_connection(settings chosen, const first_packet& first, quic_host& host, const tls_now& now);
  ~quic_connection();

  quic_connection(const quic_connection&) = delete;
  quic_connection& operator=(const quic_connection&) = delete;

  // -- driving -----------------------------------------------------------------------------------------------------------

  /// Takes a datagram that is not empty.
  void handle_datagram(const udp_arrival& arrived, const tls_now& now);
  /// Does what was due at `now`.
  void handle_timeout(const tls_now& now);
  /// Writes datagrams into `buffer`, of `departure_bytes_max` bytes, as many as may go at once; empty when nothing is to be
  /// sent at present.
  [[nodiscard]] std::optional<udp_departure> poll_transmit(std::span<std::byte> buffer, const tls_now& now);
  [[nodiscard]] std::optional<quic_event::any> poll_event();
  [[nodiscard]] bool has_events() const noexcept { return !events_.empty(); }
  /// When `handle_timeout` is to be called; current after `poll_transmit` had nothing more.
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept;

  // -- streams -----------------------------------------------------------------------------------------------------------

  /// *Errors:* `stream_limit` while the peer allows no more streams; `not_connected` after the end.
  [[nodiscard]] result<stream_id> open_stream(stream_direction direction, stream_priority priority = {});
  /// Takes as many bytes as there is room for; `stream_writable` follows if that is not all.
  /// *Errors:* `send_failed` for a stream that cannot be sent on.
  [[nodiscard]] result<std::size_t> send(stream_id stream, std::span<const outgoing> pieces);
  /// A client, before `connected`: whether what is sent on the byte stream goes out with the first flight, as it does where
  /// an earlier session allows. A server that forgets may take it twice, so it must do no harm twice. What the server
  /// refuses is sent again after the handshake, without anybody's help.
  [[nodiscard]] bool takes_early_data() const noexcept { return takes_early_data_ && !end_; }
  /// Ends our half after what `send` took.
  void finish(stream_id stream);
  /// Gives our half up; what was not acknowledged is lost (RFC 9000, 3.1).
  void reset(stream_id stream, std::uint64_t code);
  /// Wants nothing more of the peer's half; what it has sent is dropped (RFC 9000, 3.5).
  void stop(stream_id stream, std::uint64_t code);
  void prioritize(stream_id stream, stream_priority priority);

  /// Hands out up to `bytes_max` bytes that have arrived, and lets the peer send as many more. Empty: nothing is there.
  [[nodiscard]] payload read(stream_id stream, std::size_t bytes_max);
  /// Whether something has arrived since `settle`.
  [[nodiscard]] bool has_fresh_input() const noexcept { return !fresh_.empty(); }
  /// Whoever reads at once has done so: what is left is kept in memory of its own.
  void settle();
  /// Whether the peer's half has ended and all of it was read.
  [[nodiscard]] bool is_read_to_end(stream_id stream) const noexcept;
  /// Whoever reads has seen that end: a stream that has ended in the other direction too is over.
  void note_end_was_read(stream_id stream);
  /// Whether the stream is open, or something is left to be done about it.
  [[nodiscard]] bool knows(stream_id stream) const noexcept { return streams_.find(stream) != nullptr; }
  /// Bytes of our half that have arrived. Those of the byte stream are known for good; others are forgotten with their stream.
  [[nodiscard]] std::uint64_t bytes_acked(stream_id stream) const noexcept;
  /// Bytes of our half that have left, as far as the stream is known. The rest of what `send` took may not leave yet.
  [[nodiscard]] std::uint64_t bytes_sent(stream_id stream) const noexcept;
  /// Whether bytes wait for nothing but that the peer reads: its window for the stream, or the connection, is used up.
  [[nodiscard]] bool is_held_by_peer(stream_id stream) const;

  // -- datagrams ---------------------------------------------------------------------------------------------------------

  /// Has a datagram sent once, or dropped if others have filled the queue meanwhile; `datagram_done` tells which.
  /// *Errors:* `unsupported` if the peer takes none, `message_too_large` naming the limit.
  [[nodiscard]] result<std::uint64_t> send_datagram(payload body);

  // -- the connection ----------------------------------------------------------------------------------------------------

  /// Ends the connection; the peer is told `code` by the next `poll_transmit`, and `closed` follows with `reason`.
  void close(std::uint64_t code, const transport_error& reason);
  /// Ends the connection, which nobody is interested in any more: no event follows, and the peer is told as little as
  /// possible; nothing if there is no memory for that.
  void abandon() noexcept;
  /// The memory limit is exceeded: ends the connection if ngtcp2 keeps much for it that cannot be handed on. Else it would
  /// stay there, as what is missing of it is dropped, too.
  void yield_memory();
  /// The system says that nobody listens at the peer's address any more. Anyone on the way can say so; it is believed if
  /// the peer does not answer what is on its way to it within three probe timeouts.
  void suspect(const tls_now& now);
  /// Goes on from another address (RFC 9000, 9). *Errors:* `unsupported` when the peer forbids it, or this side is a server;
  /// `not_connected` before the handshake is confirmed; `would_block` shortly after it, and until the peer has given more
  /// connection IDs, one of which each move takes.
  [[nodiscard]] result<void> migrate(const udp_address& local, const tls_now& now);
  /// Changes the keys (RFC 9001, 6); false while the last change, or the handshake, is not confirmed. Nothing here needs
  /// to call it: ngtcp2 changes them by itself when it has sealed as many packets by one key as its cipher can bear
  /// (RFC 9001, 6.6), and follows a peer that does. Tests change keys by it that would take millions of packets else.
  [[nodiscard]] bool update_keys(const tls_now& now);
  /// Whether the peer has not answered for three probe timeouts what is on its way to it.
  [[nodiscard]] bool is_unanswered(const tls_now& now);

  [[nodiscard]] bool is_server() const noexcept { return settings_.tls.identity->role() == tls_role::server; }
  [[nodiscard]] bool is_connected() const noexcept { return is_connected_; }
  /// A server: whether the client had proved its address before its first packet was taken.
  [[nodiscard]] bool knew_address() const noexcept { return knew_address_; }
  [[nodiscard]] bool has_ended() const noexcept { return end_.has_value(); }
  /// A server: whether it has ended because the client must prove its address first (Retry). Its first packet brought only a
  /// later part of what it begins with, and nothing is kept for mere claims.
  [[nodiscard]] bool wants_proof() const noexcept { return wants_proof_; }
  /// Whether everything that was sent has been acknowledged, but for what was given up on streams other than the byte stream.
  [[nodiscard]] bool is_all_acked() const noexcept;
  [[nodiscard]] udp_path path() const;
  [[nodiscard]] quic_metrics metrics() const;
  /// Whether something is on its way that is not acknowledged.
  [[nodiscard]] bool awaits_acks() const noexcept { return !end_ && bytes_in_flight() > 0; }
  /// What ngtcp2 holds for it that counts against the memory limit.
  [[nodiscard]] std::size_t memory_counted() const noexcept { return heap_.counted(); }

  [[nodiscard]] std::span<const quic_tokens::stateless_reset_token> reset_tokens() const noexcept {
    return reset_tokens_;
  }
  /// After the end: every ID by which late packets may come, and what they are to be answered with (RFC 9000, 10.2); empty:
  /// with nothing.
  [[nodiscard]] std::vector<quic_cid> ids() const;
  [[nodiscard]] std::span<const std::byte> last_words() const noexcept { return last_words_; }
  /// How long they are to be answered.
  [[nodiscard]] duration linger() const;

private:
  friend struct quic_callbacks;

  struct conn_closer {
    void operator()(ngtcp2_conn* conn) const noexcept { ::ngtcp2_conn_del(conn); }
  };
  /// A packet that belongs into another departure than those written before it.
  struct stray_packet {
    std::vector<std::byte> bytes;
    udp_path path;
    ecn_mark mark;
  };

  // -- life --------------------------------------------------------------------------------------------------------------

  void begin_with(std::span<const std::uint32_t> versions);
  void begin_again();
  void take_early_streams_back();
  void set_up_conn();
  [[nodiscard]] ngtcp2_tstamp stamp(const tls_now& now);
  [[nodiscard]] ngtcp2_tstamp unanswered_deadline() const noexcept;
  void handle_connected();
  void keep_alive();
  void handle_confirmed() noexcept;
  void announce();
  void handle_failure(int failure);
  void handle_farewell(const ngtcp2_ccerr& told);
  void end_with(const transport_error& reason);
  void say_farewell(const ngtcp2_ccerr& why);
  void remember_session();
  /// After the end there is nothing to be told, whatever is still done with what had arrived before.
  void tell(quic_event::any event);

  // -- what ngtcp2 tells -------------------------------------------------------------------------------------------------

  void handle_versions(std::span<const std::uint32_t> offered) noexcept;
  void handle_more_streams(stream_direction direction);
  void handle_stream_open(stream_id id);
  void handle_stream_data(stream_id id, std::span<const std::byte> bytes, bool is_last);
  void handle_acked(stream_id id, std::uint64_t offset, std::uint64_t size);
  void handle_stream_reset(stream_id id, std::uint64_t code);
  void handle_stream_stopped(stream_id id, std::uint64_t code);
  void handle_stream_close(stream_id id, std::optional<std::uint64_t> code);
  void handle_unreliable(std::span<const std::byte> bytes);
  void handle_path_change(const ngtcp2_path& path);
  [[nodiscard]] bool is_from_elsewhere(const udp_path& way) const;
  void follow_limit(const udp_arrival& arrived);
  void handle_peer_id(bool is_in_use, const quic_tokens::stateless_reset_token& token);

  // -- streams -----------------------------------------------------------------------------------------------------------

  [[nodiscard]] quic_stream& add_stream(stream_id id, stream_priority priority);
  void open_byte_stream();
  void drop_input(quic_stream& stream);
  void drop_output(quic_stream& stream);
  void credit(const quic_stream& stream, std::size_t bytes);
  void forget_if_over(quic_stream& stream);
  [[nodiscard]] std::size_t send_room() const noexcept;
  [[nodiscard]] std::size_t send_room(const quic_stream& stream) const noexcept;
  void offer_room();
  void offer_own_room(quic_stream& stream);

  // -- sending -----------------------------------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t bytes_in_flight() const noexcept;
  void begin_flush();
  void end_flush(ngtcp2_tstamp now);
  void follow_timers(ngtcp2_tstamp now, bool has_sent);
  void note_whether_blocked(std::uint64_t in_flight);
  /// How long the next packet may be.
  [[nodiscard]] std::size_t packet_room(std::size_t wanted, ngtcp2_tstamp now);
  /// Writes one packet; its size, 0 when none is to be sent at present, or an error.
  [[nodiscard]] ngtcp2_ssize write_packet(std::span<std::byte> room, ngtcp2_path_storage& path, ngtcp2_pkt_info& info,
                                          ngtcp2_tstamp now);
  [[nodiscard]] std::optional<ngtcp2_ssize> write_datagram(std::span<std::byte> room, ngtcp2_path_storage& path,
                                                           ngtcp2_pkt_info& info, ngtcp2_tstamp now);
  void drop_first_datagram();

  [[nodiscard]] phase where() const noexcept { return is_connected_ ? phase::established : phase::handshake; }
  [[nodiscard]] bool detailed() const noexcept { return tls_->config().detailed_errors; }
  [[nodiscard]] std::size_t datagram_size_max() const;

  settings settings_;
  /// Within the settings.
  const quic_config& quic_;
  quic_host& host_;
  quic_heap heap_;
  /// A second attempt, by another version, is another handshake.
  std::optional<quic_tls> tls_;
  std::unique_ptr<ngtcp2_conn, conn_closer> conn_;
  quic_streams streams_;
  /// Those with bytes that have arrived since `settle`.
  std::vector<stream_id> fresh_;
  datagram_queue datagrams_;
  /// A server's: where its client's first packets go, until it knows a better ID. ngtcp2 knows it only when it has read one.
  quic_cid first_destination_;
  /// Events that nobody has asked for yet.
  std::deque<quic_event::any> events_;
  /// A server's: what early data has brought that is told of when the handshake is done.
  std::vector<quic_event::any> early_events_;

  ngtcp2_tstamp last_now_ = 0;
  tls_now now_;
  ngtcp2_tstamp expiry_ = UINT64_MAX;
  /// When the next packet could leave, where none waits: there is no timer for that.
  ngtcp2_tstamp unwatched_pacing_ = UINT64_MAX;
  /// Until when pacing holds packets back, as far as ngtcp2 tells: a timer before that hides it.
  ngtcp2_tstamp paced_until_ = 0;
  /// Since when something is on its way and nothing of it was acknowledged.
  ngtcp2_tstamp unanswered_since_ = UINT64_MAX;
  /// Until when a peer that is said to be gone may prove that it is not.
  ngtcp2_tstamp suspected_until_ = UINT64_MAX;
  std::size_t flushed_ = 0;
  std::size_t quantum_ = 0;
  std::size_t cwnd_ = 0;
  /// Bytes of the streams' output that count against the memory limit.
  bool is_flushing_ = false;
  bool is_paced_ = false;
  bool is_datagram_turn_ = false;
  bool has_answered_ = false;
  bool is_connected_ = false;
  /// `connected` was told.
  bool is_announced_ = false;
  /// By direction: that more streams can be opened is told, and nobody has heard it yet.
  std::array<bool, 2> has_told_of_streams_{};
  bool is_confirmed_ = false;
  /// Until when a client stays where it is, because the server may not have its connection IDs.
  ngtcp2_tstamp settled_at_ = 0;
  /// A client has moved, and does not know yet whether it is heard there.
  bool is_proving_ = false;
  /// A client has bytes to send, and nothing is on its way: the server's windows are full.
  bool is_blocked_ = false;
  /// A timer of ngtcp2 has run, and not all that it brings about may have left yet.
  bool was_timer_due_ = false;
  /// The packet that is handled has made ngtcp2 ask for a proof of the path.
  bool asks_for_proof_ = true;
  bool takes_early_data_ = false;
  bool knew_address_ = false;
  bool wants_proof_ = false;
  /// What a client tried first.
  std::optional<std::uint32_t> original_version_;
  std::optional<std::uint32_t> offered_version_;
  /// The byte stream has been, and will not be again; and what of it had arrived then.
  bool byte_stream_is_over_ = false;
  std::uint64_t byte_stream_acked_ = 0;
  std::unique_ptr<stray_packet> stray_;
  std::uint64_t next_datagram_ = 1;
  std::size_t waiting_datagrams_ = 0;

  /// Why the peer is refused although TLS would have it.
  std::optional<transport_error> refusal_;
  /// Why it has ended.
  std::optional<transport_error> end_;
  bool farewell_is_due_ = false;
  std::vector<std::byte> last_words_;
  udp_path last_path_;
  /// What the server gave a client to prove its address by next time, until it is kept with the session.
  std::string token_;
  bool session_is_kept_ = false;

  /// By which the peer may tell that it has forgotten us: one for each of its IDs that are in use.
  std::vector<quic_tokens::stateless_reset_token> reset_tokens_;
  quic_metrics figures_;
  ecn_watch ecn_;
  probe_timeouts probes_;
  /// Bytes that wanted an answer when the present flush began, and at most.
  std::uint64_t in_flight_before_ = 0;
  std::uint64_t in_flight_max_ = 0;
  /// A server's: while its client has not proved its new address.
  std::unique_ptr<amplification_limit> limit_;
};

} // namespace actorwire
