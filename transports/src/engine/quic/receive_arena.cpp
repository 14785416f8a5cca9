#include "receive_arena.hpp"

#include <cstring>
#include <utility>

namespace actorwire {

bool receive_arena::admits(std::size_t datagram_size) {
  // Nobody else holds a reference, so nobody reads what is there: begin anew. Acquire, because the last reader may have
  // been another thread.
  if (memory_ != nullptr && memory_->references.load(std::memory_order_acquire) == 1)
    used_ = 0;
  if (datagram_size <= small_datagram_max || room() >= datagram_size)
    return true;
  auto* fresh = buffers_.take(buffer_pool::size_class::large);
  if (fresh == nullptr)
    return false;
  forget();
  memory_ = fresh;
  used_ = 0;
  return true;
}

payload receive_arena::copy_of(std::span<const std::byte> bytes) {
  // Little enough to be elsewhere at the memory limit.
  if (bytes.empty())
    return {};
  if (room() < bytes.size())
    return payload::copy_of(bytes);
  std::memcpy(memory_->bytes() + used_, bytes.data(), bytes.size());
  const auto size = static_cast<std::uint32_t>(bytes.size());
  return {*memory_, std::exchange(used_, used_ + size), size};
}

void receive_arena::append(std::vector<payload>& pieces, std::span<const std::byte> bytes) {
  auto copied = copy_of(bytes);
  if (!pieces.empty()) {
    auto& last = pieces.back();
    if (last.memory() == copied.memory() && last.data() + last.size() == copied.data()) {
      const auto offset = static_cast<std::uint32_t>(last.data() - last.memory()->bytes());
      last = payload{*last.memory(), offset, last.size() + copied.size()};
      return;
    }
  }
  pieces.push_back(std::move(copied));
}

void receive_arena::forget() noexcept {
  if (memory_ != nullptr)
    std::exchange(memory_, nullptr)->release();
}

} // namespace actorwire
