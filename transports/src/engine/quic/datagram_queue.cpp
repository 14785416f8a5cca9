#include "datagram_queue.hpp"

#include <utility>

namespace actorwire {

std::vector<std::uint64_t> datagram_queue::push(std::uint64_t id, payload bytes) {
  std::vector<std::uint64_t> gone;
  const auto note_dropped = [&](std::uint64_t which, std::size_t size) {
    gone.push_back(which);
    ++dropped_;
    dropped_bytes_ += size;
  };
  const auto size = std::size_t{bytes.size()};
  if (size + bytes_each > bytes_max_) {
    note_dropped(id, size);
    return gone;
  }
  while (charge() + size + bytes_each > bytes_max_) {
    const auto oldest = pop();
    note_dropped(oldest.id, oldest.bytes.size());
  }
  bytes_ += size;
  waiting_.push({id, std::move(bytes)});
  return gone;
}

datagram_queue::datagram datagram_queue::pop() {
  auto taken = waiting_.pop();
  bytes_ -= taken.bytes.size();
  return taken;
}

} // namespace actorwire
