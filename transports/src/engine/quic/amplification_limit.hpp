#pragma once

#include "quic_path.hpp"
#include "udp_address.hpp"

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace actorwire {

/// How much a server may send where its client says that it is now, but has not proved it: three times what came from
/// there (RFC 9000, 8 and 9.3.1). ngtcp2 minds that by itself. But when the last byte of it is used, ngtcp2 (1.11, and
/// 1.25 still) stops the timer for lost packets, and starts it again only with the next packet that wants an
/// acknowledgement. Where the congestion window is full no such packet may leave, and a PATH_CHALLENGE neither: then
/// nothing that was lost is sent again, however much the client sends. So a connection counts along, and leaves a little
/// of it unused.
///
/// It ends with the answer to a challenge. ngtcp2 does not tell of each: one that had to be shorter than 1,200 bytes
/// proves the address, but not that the path carries QUIC, and is followed by a second, longer one (8.2.1). So the answers
/// are looked for in what packets say. *Thread:* one at a time.
class amplification_limit {
public:
  using challenge = std::array<std::uint8_t, 8>;

  /// Nothing has come from there yet.
  explicit amplification_limit(const udp_path& path) noexcept : path_(path) {}

  [[nodiscard]] const udp_path& path() const noexcept { return path_; }

  void note_received(std::size_t bytes) noexcept { received_ += bytes; }
  /// A challenge was drawn for the next packet, which may not leave.
  void note_challenge(const challenge& data) noexcept { drawn_ = data; }
  void note_sent(std::size_t bytes, ngtcp2_tstamp now) noexcept {
    sent_ += bytes;
    last_sent_ = now;
    if (const auto drawn = std::exchange(drawn_, std::nullopt))
      challenges_[made_++ % challenges_.size()] = *drawn;
  }

  /// A packet of the client was opened, and says `text`.
  void note_opened(std::span<const std::uint8_t> text) noexcept {
    const auto known = std::span{challenges_}.first(std::min(made_, challenges_.size()));
    is_lifted_ = is_lifted_ || std::ranges::any_of(known, [&](const challenge& each) {
                   return std::search(text.begin(), text.end(), each.begin(), each.end()) != text.end();
                 });
  }

  /// What a packet may have of `room`, with which ngtcp2 always leaves something of its own limit; 0: not worth a packet.
  /// The last of it goes in the shortest packets, one in a `probe_timeout`.
  [[nodiscard]] std::size_t cut(std::size_t room, ngtcp2_tstamp now, ngtcp2_duration probe_timeout) const noexcept {
    if (is_lifted_)
      return room;
    const auto allowed = factor * received_;
    const auto left = allowed - std::min(sent_, allowed);
    const auto reserved = std::min(allowed / 4, reserved_packets * smallest_packet);
    if (left > reserved + smallest_packet)
      return static_cast<std::size_t>(std::min<std::uint64_t>(room, left - reserved - 1));
    if (left > smallest_packet && now >= last_sent_ + probe_timeout)
      return std::min<std::size_t>(room, smallest_packet);
    return 0;
  }

  /// When `cut` may leave more without anything having come from there.
  [[nodiscard]] ngtcp2_tstamp next_change(ngtcp2_duration probe_timeout) const noexcept {
    return is_lifted_ ? UINT64_MAX : last_sent_ + probe_timeout;
  }

private:
  static constexpr std::uint64_t factor = 3;

  /// ngtcp2 counts a PATH_CHALLENGE that did not fit as sent. With an acknowledgement before it, it fits into three times a
  /// keep-alive.
  static constexpr std::uint64_t smallest_packet = path_frame_packet_size;

  /// Where all of the limit is used, and a client has nothing to say, nobody says anything any more: what was sent last
  /// may have been lost. So some of it is kept for repetitions, which make the client answer.
  static constexpr std::uint64_t reserved_packets = 8;

  udp_path path_;
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
  ngtcp2_tstamp last_sent_ = 0;
  /// The last ones, as many as ngtcp2 knows.
  std::array<challenge, 8> challenges_{};
  std::optional<challenge> drawn_;
  std::size_t made_ = 0;
  bool is_lifted_ = false;
};

} // namespace actorwire
