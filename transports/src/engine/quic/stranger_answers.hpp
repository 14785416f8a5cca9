#pragma once

#include "quic_cid.hpp"
#include "quic_random.hpp"
#include "quic_tokens.hpp"
#include "token_bucket.hpp"
#include "udp_datagram.hpp"

#include <actorwire/messages/quic_config.hpp>
#include <actorwire/transports/clock.hpp>

#include <ngtcp2/ngtcp2.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace actorwire {

/// What an endpoint says in the name of no connection, until it is sent. Nobody is answered with more than he has sent.
/// *Thread:* one at a time.
class stranger_answers {
public:
  /// Answers that wait to be sent; more are dropped, as the network may drop them.
  static constexpr std::size_t waiting_max = 256;
  /// A client's first datagram is at least so long (RFC 9000, 14.1); no answer is longer.
  static constexpr std::size_t first_datagram_min = NGTCP2_MAX_UDP_PAYLOAD_SIZE;
  /// A stateless reset looks like a short packet of usual length, and is shorter than what it answers, so that two endpoints
  /// that do not know each other come to an end (RFC 9000, 10.3.3).
  static constexpr std::size_t reset_size_max = 43;
  static constexpr std::size_t reset_size_min = NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN;
  /// So that strangers cannot make us send to others at their will (RFC 9000, 10.3).
  static constexpr std::uint32_t resets_per_second = 200;

  stranger_answers(std::shared_ptr<const quic_tokens> tokens, quic_random random);

  /// The close of a connection that is no more.
  void repeat(const udp_path& path, std::span<const std::byte> packet);
  /// That these versions may be tried instead of the one of the packet, whose IDs are those.
  void offer(std::span<const quic_version> versions, const udp_arrival& arrived, const ngtcp2_version_cid& ids);
  /// That a client must prove its address first (Retry); `source` is our ID in that packet.
  void ask_for_proof(const udp_arrival& arrived, const ngtcp2_pkt_hd& head, const quic_cid& source, std::time_t now);
  /// That a client's connection ends before it begins.
  void close(const udp_arrival& arrived, const ngtcp2_pkt_hd& head, std::uint64_t code);
  /// That the connection by the ID `to` is not known; only to what is longer, and not to all of it.
  void reset(const udp_arrival& arrived, const quic_cid& to, time_point now);

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  /// The first of them, moved into `buffer`; nothing if there is none.
  [[nodiscard]] std::optional<udp_departure> poll(std::span<std::byte> buffer);

private:
  struct answer {
    udp_path path;
    std::vector<std::byte> bytes;
  };

  /// Does nothing where there is no packet, or no room for it.
  void add(const udp_path& path, std::span<const std::byte> packet);
  void fill_random(std::span<std::uint8_t> room) { random_(std::as_writable_bytes(room)); }

  std::shared_ptr<const quic_tokens> tokens_;
  quic_random random_;
  std::deque<answer> waiting_;
  token_bucket resets_{resets_per_second, resets_per_second};
};

} // namespace actorwire
