#include "receive_arena.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace actorwire {

/// Slabs of any size, which count with it against the budget. It counts itself: one reference for the arena and one for
/// each slab, so it goes with the last of them, on whatever thread that is.
class receive_arena::annex final : public slab_owner {
public:
  explicit annex(std::shared_ptr<memory_budget> budget) noexcept : budget_(std::move(budget)) {}

  /// Null at the limit. *Thread:* any thread.
  [[nodiscard]] slab* take(std::uint32_t capacity) noexcept {
    return budget_->try_take(cost_of(capacity)) ? make(capacity) : nullptr;
  }
  /// Null only if the system has no memory. *Thread:* any thread.
  [[nodiscard]] slab* take_beyond(std::uint32_t capacity) noexcept {
    budget_->take_beyond(cost_of(capacity));
    return make(capacity);
  }

  void recycle(slab* memory) noexcept override {
    const auto cost = cost_of(memory->capacity);
    memory->~slab();
    std::free(memory);
    budget_->give_back(cost);
    release();
  }

  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

private:
  ~annex() = default;

  [[nodiscard]] static std::size_t cost_of(std::uint32_t capacity) noexcept { return sizeof(slab) + capacity; }

  [[nodiscard]] slab* make(std::uint32_t capacity) noexcept {
    auto* memory = std::malloc(cost_of(capacity));
    if (memory == nullptr) {
      budget_->give_back(cost_of(capacity));
      return nullptr;
    }
    references_.fetch_add(1, std::memory_order_relaxed);
    auto* made = new (memory) slab;
    made->capacity = capacity;
    made->owner = this;
    return made;
  }

  const std::shared_ptr<memory_budget> budget_;
  std::atomic<std::size_t> references_{1};
};

void receive_arena::closer::operator()(annex* closed) const noexcept {
  closed->release();
}

receive_arena::receive_arena(buffer_pool& buffers)
  : buffers_(buffers), annex_(new annex{buffers.shared_budget()}), tally_(buffers.shared_budget()) {}

bool receive_arena::is_overdrawn() const noexcept {
  const auto& budget = buffers_.budget();
  return budget.used() > budget.limit() && budget.used() - budget.limit() >= overdraft_max;
}

bool receive_arena::admits(std::size_t datagram_size, bool may_give_back) {
  // Nobody else holds a reference, so nobody reads what is there: begin anew. Acquire, because the last reader may have
  // been another thread.
  if (memory_ != nullptr && memory_->references.load(std::memory_order_acquire) == 1)
    used_ = 0;
  if (is_overdrawn())
    return may_give_back && datagram_size <= small_datagram_max && room() >= datagram_size;
  if (room() >= datagram_size)
    return true;
  auto* fresh = buffers_.take(buffer_pool::size_class::large);
  if (fresh == nullptr && datagram_size <= small_datagram_max)
    fresh = annex_->take_beyond(overdraft_piece_max);
  if (fresh == nullptr)
    return false;
  replace(fresh);
  return true;
}

payload receive_arena::copy_of(std::span<const std::byte> bytes) {
  if (bytes.empty())
    return {};
  const auto size = static_cast<std::uint32_t>(bytes.size());
  if (room() < size) {
    // More than the datagram itself: it has filled a gap, and what came before it was waiting elsewhere.
    auto* fresh = buffers_.take(buffer_pool::size_class::large);
    if (fresh == nullptr)
      fresh = annex_->take_beyond(std::max(size, overdraft_piece_max));
    if (fresh == nullptr)
      throw std::bad_alloc{};
    replace(fresh);
  }
  std::memcpy(memory_->bytes() + used_, bytes.data(), size);
  return {*memory_, std::exchange(used_, used_ + size), size};
}

slab* receive_arena::take_apart(std::uint32_t capacity, std::size_t bytes) noexcept {
  auto* taken = annex_->take(capacity);
  if (taken == nullptr && bytes <= small_datagram_max && !is_overdrawn())
    taken = annex_->take_beyond(std::min(capacity, overdraft_piece_max));
  return taken;
}

void receive_arena::replace(slab* fresh) noexcept {
  forget();
  memory_ = fresh;
  used_ = 0;
}

void receive_arena::forget() noexcept {
  if (memory_ != nullptr)
    std::exchange(memory_, nullptr)->release();
}

} // namespace actorwire
