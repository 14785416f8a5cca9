#pragma once

#include "engine/quic/quic_endpoint.hpp"

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/quic_config.hpp>
#include <actorwire/messages/stream.hpp>
#include <actorwire/messages/tls_config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace actorwire::fuzz {

/// One connection of QUIC as its user sees it, and whether what it is told can be true. What it says on a stream follows
/// from the stream's number, so that whoever hears it knows whether it was said.
class quic_caller final : public quic_observer {
public:
  /// What was done with a stream, and what was heard of it.
  struct stream {
    std::uint64_t said = 0;
    std::uint64_t heard = 0;
    bool is_finished = false;
    bool has_end = false;
    /// By either side, in either direction.
    bool is_given_up = false;
    bool was_reset = false;
    bool was_stopped = false;
    bool is_closed = false;
  };

  /// `number` is what both ends of a connection have in common, if it is known. `limits` are those of this side.
  quic_caller(quic_endpoint& endpoint, tls_role role, const quic_config& limits, std::optional<std::size_t> number);

  void on_event(quic_event::any event) override;

  // -- deeds: nothing happens where they are not possible ------------------------------------------------------------------

  void open(stream_direction direction, stream_priority priority);
  /// Returns how many bytes there was room for.
  std::size_t say(std::size_t which, std::size_t bytes);
  void finish(std::size_t which);
  void reset(std::size_t which, std::uint64_t code);
  void stop(std::size_t which, std::uint64_t code);
  void prioritize(std::size_t which, stream_priority priority);
  void read(std::size_t which, std::size_t bytes_max);
  void say_unreliably(std::size_t bytes);
  void update_keys(const tls_now& now);
  void migrate(const udp_address& local, const tls_now& now);
  void close(std::uint64_t code);
  /// Is not interested any more.
  void release();
  /// Whether it reads by itself all that comes.
  void set_reading(bool is_wanted);

  // -- what is known -------------------------------------------------------------------------------------------------------

  /// The connection it is about; null after the end.
  quic_connection* connection = nullptr;
  /// The endpoint has died.
  void note_death() { connection = nullptr; }
  /// Somebody has forged packets of its peer: what it hears need not have been said.
  void note_forgery() { is_deceived_ = true; }

  [[nodiscard]] std::optional<std::size_t> number() const noexcept { return number_; }
  [[nodiscard]] bool is_connected() const noexcept { return is_connected_; }
  [[nodiscard]] bool is_deceived() const noexcept { return is_deceived_; }
  /// Whether the connection was established, and ended because its peer is said to break the rules.
  [[nodiscard]] bool blames_peer() const noexcept { return blames_peer_; }
  [[nodiscard]] const std::map<stream_id, stream>& streams() const noexcept { return streams_; }

private:
  void handle(quic_event::answered&&);
  void handle(quic_event::connected&&);
  void handle(quic_event::handshake_done&&);
  void handle(quic_event::stream_opened&&);
  void handle(quic_event::stream_readable&&);
  void handle(quic_event::stream_writable&&);
  void handle(quic_event::stream_reset&&);
  void handle(quic_event::stream_stopped&&);
  void handle(quic_event::stream_closed&&);
  void handle(quic_event::streams_available&&);
  void handle(quic_event::datagram_received&&);
  void handle(quic_event::datagram_done&&);
  void handle(quic_event::early_data_rejected&&);
  void handle(quic_event::path_changed&&);
  void handle(quic_event::closed&&);

  /// One of the streams that are known; `which` counts round.
  [[nodiscard]] std::optional<stream_id> pick(std::size_t which) const;
  [[nodiscard]] stream& known(stream_id id);
  void read_from(stream_id id, std::size_t bytes_max);
  void check_words(const payload& heard, stream_id id, std::uint64_t offset) const;
  [[nodiscard]] bool is_own(stream_id id) const noexcept {
    return is_opened_by_server(id) == (role_ == tls_role::server);
  }

  quic_endpoint& endpoint_;
  const tls_role role_;
  const quic_config& limits_;
  const std::optional<std::size_t> number_;
  std::map<stream_id, stream> streams_;
  /// Streams of the peer that are open, by direction.
  std::array<std::size_t, 2> open_streams_{};
  std::set<std::uint64_t> waiting_datagrams_;
  bool is_shaking_hands_ = false;
  bool is_reading_ = true;
  bool is_connected_ = false;
  bool has_ended_ = false;
  bool is_deceived_ = false;
  bool blames_peer_ = false;
};

} // namespace actorwire::fuzz
