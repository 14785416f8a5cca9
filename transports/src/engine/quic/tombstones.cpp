#include "tombstones.hpp"

namespace actorwire {

void tombstones::add(std::span<const quic_cid> ids, std::vector<std::byte> close_packet, time_point until) {
  if (count_max_ == 0)
    return;
  if (by_age_.size() >= count_max_)
    remove(by_age_.begin()->first);
  const auto number = next_number_++;
  auto& made = by_age_.emplace(number, tombstone{number, {ids.begin(), ids.end()}, std::move(close_packet), until})
                   .first->second;
  by_time_.emplace(until, number);
  for (const auto& id : made.ids) {
    by_id_.erase(id);
    by_id_.insert(id, made);
  }
}

std::optional<std::span<const std::byte>> tombstones::answer(const quic_cid& id, std::size_t datagram_size,
                                                             time_point now) {
  auto* const found = by_id_.find(id);
  if (found == nullptr || found->until <= now)
    return std::nullopt;
  found->bytes_received += datagram_size;
  const auto has_turn = ++found->packets_received >= found->answer_at;
  if (!has_turn && now < found->answer_from)
    return std::span<const std::byte>{};
  const auto& packet = found->close_packet;
  // What is held back for its size goes with the next packet, so its turn is not over.
  if (packet.empty() || found->bytes_sent + packet.size() > 3 * found->bytes_received)
    return std::span<const std::byte>{};
  found->answer_at = 2 * found->packets_received;
  if (!has_turn)
    found->next_patience *= 2;
  found->answer_from = now + found->next_patience;
  found->bytes_sent += packet.size();
  return std::span{packet};
}

time_point tombstones::next_timeout() const noexcept {
  return by_time_.empty() ? time_point::max() : by_time_.begin()->first;
}

void tombstones::handle_timeout(time_point now) {
  while (!by_time_.empty() && by_time_.begin()->first <= now)
    remove(by_time_.begin()->second);
}

void tombstones::remove(std::uint64_t number) {
  const auto gone = by_age_.find(number);
  for (const auto& id : gone->second.ids)
    if (by_id_.find(id) == &gone->second)
      by_id_.erase(id);
  by_time_.erase({gone->second.until, number});
  by_age_.erase(gone);
}

} // namespace actorwire
