#pragma once

#include "connection_id_format.hpp"
#include "connection_id_map.hpp"
#include "half_open_count.hpp"
#include "quic_connection.hpp"
#include "quic_random.hpp"
#include "quic_tokens.hpp"
#include "receive_arena.hpp"
#include "retry_policy.hpp"
#include "stranger_answers.hpp"
#include "tombstones.hpp"
#include "udp_datagram.hpp"

#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace actorwire {

/// Who is told what happens to one connection of an endpoint. *Lifetime:* until `release`.
class quic_observer {
public:
  virtual void on_event(quic_event::any event) = 0;

protected:
  ~quic_observer() = default;
};

/// All QUIC connections of one UDP socket, without the socket: finds whose a datagram is, makes connections for clients,
/// answers what belongs to nobody, and gathers what is to be sent.
///
/// Whoever drives it hands over every datagram of a batch, then calls `dispatch`, lets those who were told do what they
/// want, and then calls `poll_transmit` until it has nothing more; and comes back at `next_timeout`.
/// *Thread:* one at a time.
class quic_endpoint final : private quic_host {
public:
  struct setup {
    connection_id_format ids;
    unsigned shard = 0;
    std::shared_ptr<const quic_tokens> tokens;
    quic_random random;
    receive_arena& arena;
  };

  /// How a listener takes clients. Null: it is a client's endpoint, and takes none.
  struct acceptance {
    /// What a client's connection is made of; empty while no more are taken. *Thread:* within `handle_datagram`.
    std::function<std::optional<quic_connection::settings>(const udp_path& path)> admit;
    /// Clients of the whole listener that are not through with their handshake.
    std::shared_ptr<half_open_count> half_open;
    /// Beyond so many of them, new ones must prove their address.
    std::uint32_t retry_threshold = 0;
    /// What is offered to a client of another version.
    std::vector<quic_version> versions;
    using token_book = std::function<bool(std::span<const std::byte> token, std::chrono::system_clock::time_point now)>;
    /// Whether a good token of an earlier connection was not used yet: a second time it is worth nothing (RFC 9000, 8.1.4).
    /// Empty: nobody remembers. *Thread:* as `admit`.
    token_book is_new_token{};
    /// Notes that it is used. Returns whether this is the first time: it may have been used elsewhere since it was asked for.
    token_book use_token{};
  };

  explicit quic_endpoint(setup chosen, std::optional<acceptance> accepting = std::nullopt);
  ~quic_endpoint();

  quic_endpoint(const quic_endpoint&) = delete;
  quic_endpoint& operator=(const quic_endpoint&) = delete;

  // -- driving -----------------------------------------------------------------------------------------------------------

  /// Takes a datagram. Returns the shard to which it is to be handed over, if it is not for this one.
  std::optional<unsigned> handle_datagram(const udp_arrival& arrived, const tls_now& now);
  void handle_timeout(const tls_now& now);
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept;
  /// What is to be sent next, in `buffer`, of `departure_bytes_max` bytes.
  [[nodiscard]] std::optional<udp_departure> poll_transmit(std::span<std::byte> buffer, const tls_now& now);
  /// Whether `poll_transmit` may have something.
  [[nodiscard]] bool wants_to_transmit() const noexcept { return !dirty_.empty() || !answers_.empty(); }
  /// Tells observers what has happened. Those that have ended are forgotten, once they have said their last words.
  void dispatch();
  [[nodiscard]] bool wants_to_dispatch() const noexcept { return !eventful_.empty(); }
  /// A client that has begun to connect, and that nobody observes yet.
  [[nodiscard]] quic_connection* poll_accepted();

  /// From now on clients are told that they are not taken (CONNECTION_REFUSED), so that they try again at once: by another
  /// port the kernel may deal them to a socket that takes them. Where `admit` takes none, they are not answered.
  void refuse_clients(bool whether) noexcept { refuses_clients_ = whether; }

  // -- connections -------------------------------------------------------------------------------------------------------

  /// Begins to connect. *Errors:* throws as `quic_connection` does.
  quic_connection& dial(quic_connection::settings settings, quic_observer& observer, const tls_now& now);
  void observe(quic_connection& which, quic_observer& observer);
  /// Something was done to it: it is to be asked what is to be sent, and what it has to tell.
  void touch(quic_connection& which);
  /// The system says that nobody listens any more at the address that all connections go to.
  void suspect_all(const tls_now& now);
  /// Has all connections go on from another address; all are a client's. *Errors:* as `quic_connection::migrate`, the first.
  [[nodiscard]] result<void> migrate_all(const udp_address& local, const tls_now& now);
  /// Whether one of them gets no answer.
  [[nodiscard]] bool is_unanswered(const tls_now& now);
  /// Nobody wants to hear of it any more; ends it if it has not ended.
  void release(quic_connection& which);
  [[nodiscard]] std::size_t size() const noexcept { return sessions_.size(); }

  /// Datagrams that were dropped at the memory limit.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

private:
  struct session;

  quic_cid make_id() override { return setup_.ids.make(setup_.shard, setup_.random); }
  quic_tokens::stateless_reset_token reset_token_for(const quic_cid& id, const udp_address& local) override {
    return setup_.tokens->make_stateless_reset(id, local);
  }
  void add_id(const quic_cid& id) override;
  void remove_id(const quic_cid& id) override;
  void add_reset_token(const quic_tokens::stateless_reset_token& token) override;
  void remove_reset_token(const quic_tokens::stateless_reset_token& token) override;
  quic_tokens::token make_token_for(std::uint32_t version, const udp_address& client, std::time_t now) override {
    return setup_.tokens->make_new_token(version, client, std::chrono::system_clock::from_time_t(now));
  }
  void fill_random(std::span<std::uint8_t> room) override { setup_.random(std::as_writable_bytes(room)); }
  [[nodiscard]] receive_arena& arena() override { return setup_.arena; }

  void hand_to(session& known, const udp_arrival& arrived, const tls_now& now);
  /// The other shard of the listener that an ID leads to.
  [[nodiscard]] std::optional<unsigned> other_shard_of(const quic_cid& id) const noexcept;
  std::optional<unsigned> handle_stranger(const udp_arrival& arrived, const quic_cid& to, bool is_long,
                                          const tls_now& now);
  [[nodiscard]] quic_tokens::check_result judge_token(const ngtcp2_pkt_hd& head, const udp_address& client,
                                                      const tls_now& now) const;
  void handle_first_packet(const udp_arrival& arrived, const tls_now& now);
  void accept(const udp_arrival& arrived, const ngtcp2_pkt_hd& head, const quic_connection::first_packet& first,
              const tls_now& now);
  [[nodiscard]] bool is_replay(const quic_connection::first_packet& first, const tls_now& now) const;

  template <class Make>
  session& add_session(Make&& make);
  [[nodiscard]] static session& session_of(quic_connection& which) noexcept;
  void mark(session& which);
  void mark_eventful(session& which);
  void mark_unsettled(session& which);
  void follow_timer(session& which);
  void handle_due(session& which);
  void follow_handshake(session& which);
  void bury(session& which, const tls_now& now);
  void forget(session& which);

  setup setup_;
  std::optional<acceptance> accepting_;
  connection_id_map<session> by_id_;
  /// Tokens are looked for as IDs are.
  connection_id_map<session> by_reset_token_;
  std::list<session> sessions_;
  /// Those that `poll_transmit` asks, and those that `dispatch` does.
  std::deque<session*> dirty_;
  std::vector<session*> eventful_;
  /// Those that have got something to read since the last `dispatch`.
  std::vector<session*> unsettled_;
  std::deque<session*> accepted_;
  stranger_answers answers_;
  timer_queue timers_;
  tombstones tombstones_;
  retry_policy retries_;
  /// Whose connection is being made or handled, for the IDs that it adds.
  session* present_ = nullptr;
  tls_now now_;
  std::uint64_t dropped_ = 0;
  bool refuses_clients_ = false;
};

} // namespace actorwire
