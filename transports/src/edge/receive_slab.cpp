#include "receive_slab.hpp"

#include <algorithm>
#include <atomic>

namespace actorwire {

boost::asio::execution_context::id receive_slab::id;

receive_slab::~receive_slab() {
  if (memory_ != nullptr)
    memory_->release();
}

slab_space receive_slab::prepare(buffer_pool& pool) {
  // Nobody else holds a reference, so nobody reads what is there: begin anew. Acquire, because the last reader may have
  // been another thread.
  if (memory_ != nullptr && memory_->references.load(std::memory_order_acquire) == 1)
    offset_ = 0;
  if (memory_ == nullptr || memory_->capacity - offset_ < memory_->capacity / 4) {
    if (memory_ != nullptr)
      memory_->release();
    memory_ = pool.take(buffer_pool::size_class::small);
    offset_ = 0;
  }
  if (memory_ == nullptr)
    return {};
  return {memory_, offset_, memory_->capacity - offset_};
}

void receive_slab::commit(std::uint32_t size) noexcept {
  // The next message begins on a boundary that suits any type a program may lay over it.
  constexpr std::uint32_t alignment = alignof(std::max_align_t);
  offset_ = std::min(memory_->capacity, (offset_ + size + alignment - 1) & ~(alignment - 1));
}

} // namespace actorwire
