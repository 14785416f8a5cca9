#include "output_queue.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace actorwire {

void output_queue::append(std::span<const std::byte> bytes, std::size_t more_follows) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (chunks_.empty() || chunks_.back().end == chunks_.back().memory.size())
      chunks_.push_back({make_room(bytes.size() + more_follows)});
    auto& last = chunks_.back();
    const auto count = std::min<std::size_t>(bytes.size(), last.memory.size() - last.end);
    std::memcpy(last.memory.memory()->bytes() + last.end, bytes.data(), count);
    last.end += static_cast<std::uint32_t>(count);
    bytes = bytes.subspan(count);
  }
}

payload output_queue::make_room(std::size_t wanted) {
  const auto is_small = wanted <= buffer_pool::slab_sizes[0];
  if (auto* taken = buffers_.take(is_small ? buffer_pool::size_class::small : buffer_pool::size_class::large)) {
    payload whole{*taken, 0, taken->capacity};
    taken->release();
    return whole;
  }
  return payload::made_by(std::min<std::size_t>(wanted, buffer_pool::slab_sizes[0]), [](std::span<std::byte>) {});
}

std::size_t output_queue::gather(std::span<outgoing> pieces) const {
  const auto count = std::min(pieces.size(), chunks_.size());
  for (std::size_t index = 0; index < count; ++index) {
    const auto& each = chunks_[index];
    pieces[index] = {each.memory.data() + each.begin, each.end - each.begin, each.memory.memory()};
  }
  return count;
}

void output_queue::consume(std::size_t bytes) {
  assert(bytes <= size_);
  size_ -= bytes;
  auto done = chunks_.begin();
  for (; done != chunks_.end(); ++done) {
    const auto held = static_cast<std::size_t>(done->end - done->begin);
    if (bytes < held)
      break;
    bytes -= held;
  }
  if (done != chunks_.end())
    done->begin += static_cast<std::uint32_t>(bytes);
  if (size_ == 0)
    chunks_ = std::vector<chunk>{};
  else
    chunks_.erase(chunks_.begin(), done);
}

} // namespace actorwire
