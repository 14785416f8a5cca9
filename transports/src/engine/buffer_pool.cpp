#include <actorwire/transports/buffer_pool.hpp>

#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#  define ACTORWIRE_POOL_IS_TRANSPARENT 1
#elif defined(__has_feature)
#  if __has_feature(address_sanitizer)
#    define ACTORWIRE_POOL_IS_TRANSPARENT 1
#  endif
#endif

namespace actorwire {

namespace {

// AddressSanitizer sees a use after release only if the memory really goes back to the heap, so under it nothing is
// kept for reuse.
#if defined(ACTORWIRE_POOL_IS_TRANSPARENT)
constexpr bool keeps_slabs = false;
#else
constexpr bool keeps_slabs = true;
#endif

// What `trim` leaves on each shelf, in bytes: enough for the next burst to start without the heap.
constexpr std::uint32_t reserve_size = 128U << 10U;

} // namespace

/// The slabs of one size. It counts itself: one reference for the pool and one for each slab that exists, so it goes
/// with the last of them, on whatever thread that is.
class buffer_pool::shelf final : public slab_owner {
public:
  shelf(std::uint32_t slab_size, std::shared_ptr<memory_budget> budget)
    : slab_size_(slab_size), budget_(std::move(budget)) {}

  /// *Thread:* owner.
  [[nodiscard]] slab* take() noexcept {
    if (free_ == nullptr)
      free_ = returned_.exchange(nullptr, std::memory_order_acquire);
    if (free_ == nullptr)
      return make();
    auto* taken = std::exchange(free_, free_->next);
    taken->next = nullptr;
    // Nobody else can see the slab: it was handed over by the exchange above.
    taken->references.store(1, std::memory_order_relaxed);
    return taken;
  }

  /// Frees all but `reserve` of the slabs that are not in use. *Thread:* owner.
  void trim(std::uint32_t reserve) noexcept {
    slab** end = &free_;
    while (*end != nullptr)
      end = &(*end)->next;
    *end = returned_.exchange(nullptr, std::memory_order_acquire);
    end = &free_;
    for (std::uint32_t kept = 0; kept < reserve && *end != nullptr; ++kept)
      end = &(*end)->next;
    destroy_all(std::exchange(*end, nullptr));
  }

  /// Slabs that exist, in use or not. *Thread:* any thread.
  [[nodiscard]] std::size_t slab_count() const noexcept { return references_.load(std::memory_order_relaxed) - 1; }

  /// Gives up the pool's reference. Slabs still in use free themselves when they come back. *Thread:* owner.
  void close() noexcept {
    destroy_all(std::exchange(free_, nullptr));
    destroy_all(returned_.exchange(&closed_, std::memory_order_acquire));
    release();
  }

  /// The list is closed by a mark in its head and not by a flag beside it: a slab is then either on the list before the
  /// owner takes the list for the last time, or its releaser sees the mark. Once the push has succeeded, `this` may be
  /// gone at any moment, so nothing may follow it.
  void recycle(slab* memory) noexcept override {
    if constexpr (!keeps_slabs) {
      destroy(memory);
    } else {
      auto* head = returned_.load(std::memory_order_relaxed);
      do {
        if (head == &closed_) {
          destroy(memory);
          return;
        }
        memory->next = head;
      } while (!returned_.compare_exchange_weak(head, memory, std::memory_order_release, std::memory_order_relaxed));
    }
  }

private:
  ~shelf() = default;

  [[nodiscard]] slab* make() noexcept {
    if (!budget_->try_take(slab_size_))
      return nullptr;
    void* memory = std::malloc(sizeof(slab) + slab_size_);
    if (memory == nullptr) {
      budget_->give_back(slab_size_);
      return nullptr;
    }
    references_.fetch_add(1, std::memory_order_relaxed);
    auto* made = new (memory) slab;
    made->capacity = slab_size_;
    made->owner = this;
    return made;
  }

  void destroy(slab* memory) noexcept {
    memory->~slab();
    std::free(memory);
    budget_->give_back(slab_size_);
    release();
  }

  void destroy_all(slab* list) noexcept {
    while (list != nullptr)
      destroy(std::exchange(list, list->next));
  }

  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

  const std::uint32_t slab_size_;
  const std::shared_ptr<memory_budget> budget_;
  /// The owner's own list: no other thread touches it.
  slab* free_ = nullptr;
  /// Never on a list, never handed out: the head of a closed one.
  slab closed_;
  /// Every thread pushes, only the owner takes, and always the whole list: so no slab can come back to the head behind
  /// the back of a push, which is what makes such lists go wrong (ABA).
  std::atomic<slab*> returned_{nullptr};
  std::atomic<std::size_t> references_{1};
};

void buffer_pool::closer::operator()(shelf* closed) const noexcept {
  closed->close();
}

buffer_pool::buffer_pool(std::shared_ptr<memory_budget> budget) : budget_(std::move(budget)) {
  for (std::size_t index = 0; index < shelves_.size(); ++index)
    shelves_[index].reset(new shelf(slab_sizes[index], budget_));
}

buffer_pool::~buffer_pool() = default;

slab* buffer_pool::take(size_class wanted) {
  auto& from = *shelves_[static_cast<std::size_t>(wanted)];
  if (auto* taken = from.take())
    return taken;
  // The limit is reached: memory that only waits on the other shelf must not keep this connection from reading.
  for (auto& each : shelves_)
    each->trim(0);
  return from.take();
}

bool buffer_pool::has_excess() const noexcept {
  for (std::size_t index = 0; index < shelves_.size(); ++index)
    if (shelves_[index]->slab_count() > reserve_size / slab_sizes[index])
      return true;
  return false;
}

void buffer_pool::trim() {
  for (std::size_t index = 0; index < shelves_.size(); ++index)
    shelves_[index]->trim(reserve_size / slab_sizes[index]);
}

} // namespace actorwire
