#include "stranger_answers.hpp"

#include "quic_setup.hpp"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace actorwire {

namespace {

/// Room for a packet, and what ngtcp2 has written there: a size, or an error.
class written_packet {
public:
  [[nodiscard]] std::uint8_t* data() noexcept { return reinterpret_cast<std::uint8_t*>(bytes_.data()); }
  [[nodiscard]] static constexpr std::size_t room() noexcept { return size_max; }
  [[nodiscard]] std::span<const std::byte> first(ngtcp2_ssize size) const noexcept {
    return std::span{bytes_}.first(size > 0 ? static_cast<std::size_t>(size) : 0);
  }

private:
  static constexpr std::size_t size_max = NGTCP2_MAX_UDP_PAYLOAD_SIZE;

  std::array<std::byte, size_max> bytes_;
};

} // namespace

stranger_answers::stranger_answers(std::shared_ptr<const quic_tokens> tokens, quic_random random)
  : tokens_(std::move(tokens)), random_(std::move(random)) {}

void stranger_answers::repeat(const udp_path& path, std::span<const std::byte> packet) {
  add(path, packet);
}

void stranger_answers::offer(std::span<const quic_version> versions, const udp_arrival& arrived,
                             const ngtcp2_version_cid& ids) {
  if (arrived.bytes.size() < first_datagram_min)
    return;
  std::vector<std::uint32_t> offered;
  for (const auto each : versions)
    offered.push_back(wire_version(each));
  std::array<std::uint8_t, 5> chance{};
  fill_random(chance);
  // A reserved version, so that nobody comes to rely on knowing all of them (RFC 9000, 6.3 and 15).
  offered.push_back(0x0a0a0a0aU | static_cast<std::uint32_t>(chance[1] & 0xf0U) << 24U
                    | static_cast<std::uint32_t>(chance[2] & 0xf0U) << 16U
                    | static_cast<std::uint32_t>(chance[3] & 0xf0U) << 8U | (chance[4] & 0xf0U));
  written_packet packet;
  const auto size =
      ::ngtcp2_pkt_write_version_negotiation(packet.data(), packet.room(), chance[0], ids.scid, ids.scidlen, ids.dcid,
                                             ids.dcidlen, offered.data(), offered.size());
  add(arrived.path, packet.first(size));
}

void stranger_answers::ask_for_proof(const udp_arrival& arrived, const ngtcp2_pkt_hd& head, const quic_cid& source,
                                     std::time_t now) {
  const auto token = tokens_->make_retry(head.version, arrived.path.remote, source, quic_cid{head.dcid},
                                         std::chrono::system_clock::from_time_t(now));
  if (token.empty())
    return;
  written_packet packet;
  const auto as_ngtcp2 = source.to_ngtcp2();
  const auto size = ::ngtcp2_crypto_write_retry(packet.data(), packet.room(), head.version, &head.scid, &as_ngtcp2,
                                                &head.dcid, token.data(), token.size());
  add(arrived.path, packet.first(size));
}

void stranger_answers::close(const udp_arrival& arrived, const ngtcp2_pkt_hd& head, std::uint64_t code) {
  written_packet packet;
  const auto size = ::ngtcp2_crypto_write_connection_close(packet.data(), packet.room(), head.version, &head.scid,
                                                           &head.dcid, code, nullptr, 0);
  add(arrived.path, packet.first(size));
}

void stranger_answers::reset(const udp_arrival& arrived, const quic_cid& to, time_point now) {
  if (arrived.bytes.size() <= reset_size_min || !resets_.take(now))
    return;
  const auto size = std::min(arrived.bytes.size() - 1, reset_size_max);
  std::array<std::uint8_t, reset_size_max> chance{};
  fill_random(chance);
  const auto token = tokens_->make_stateless_reset(to, arrived.path.local);
  written_packet packet;
  const auto written = ::ngtcp2_pkt_write_stateless_reset(packet.data(), size, token.data(), chance.data(),
                                                          size - NGTCP2_STATELESS_RESET_TOKENLEN);
  add(arrived.path, packet.first(written));
}

std::optional<udp_departure> stranger_answers::poll(std::span<std::byte> buffer) {
  if (waiting_.empty())
    return std::nullopt;
  const auto first = std::move(waiting_.front());
  waiting_.pop_front();
  std::copy(first.bytes.begin(), first.bytes.end(), buffer.begin());
  return udp_departure{first.path, ecn_mark::not_capable, first.bytes.size(), buffer.first(first.bytes.size())};
}

void stranger_answers::add(const udp_path& path, std::span<const std::byte> packet) {
  if (!packet.empty() && waiting_.size() < waiting_max)
    waiting_.push_back({path, {packet.begin(), packet.end()}});
}

} // namespace actorwire
