#include "udp_send_queue.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace actorwire {

udp_send_status udp_send_queue::send(udp_socket& socket, const udp_departure& departing) {
  if (!is_empty()) {
    keep(departing, 0);
    return udp_send_status::blocked;
  }
  const auto outcome = socket.send(departing);
  if (outcome.status == udp_send_status::blocked)
    keep(departing, outcome.bytes);
  return outcome.status;
}

udp_send_queue::flushed udp_send_queue::flush(udp_socket& socket) {
  flushed outcome;
  while (!is_empty()) {
    auto& first = waiting_.front();
    const auto rest = std::span<const std::byte>{first.bytes}.subspan(first.offset);
    const auto sent = socket.send({first.path, first.mark, first.segment_size, rest});
    if (sent.status == udp_send_status::blocked) {
      first.offset += sent.bytes;
      outcome.is_empty = false;
      break;
    }
    outcome.was_refused = outcome.was_refused || sent.status == udp_send_status::refused;
    outcome.has_failed = outcome.has_failed || sent.status == udp_send_status::failed;
    bytes_ -= sizeof(kept) + first.bytes.size();
    waiting_.pop_front();
  }
  return outcome;
}

void udp_send_queue::clear() noexcept {
  waiting_.clear();
  bytes_ = 0;
}

void udp_send_queue::keep(const udp_departure& departing, std::size_t offset) {
  const auto rest = departing.bytes.subspan(offset);
  const auto segments_in = [&](std::size_t size) {
    return (size + departing.segment_size - 1) / departing.segment_size;
  };
  const auto room = bytes_max - bytes_;
  auto size = room > sizeof(kept) ? std::min(room - sizeof(kept), rest.size()) : 0;
  // Only whole datagrams are worth keeping.
  if (size != rest.size())
    size -= size % departing.segment_size;
  dropped_ += segments_in(rest.size()) - segments_in(size);
  if (size == 0)
    return;
  const auto kept_bytes = rest.first(size);
  waiting_.push_back(
      {departing.path, departing.mark, departing.segment_size, {kept_bytes.begin(), kept_bytes.end()}, 0});
  bytes_ += sizeof(kept) + size;
}

} // namespace actorwire
