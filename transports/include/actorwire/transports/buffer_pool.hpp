#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/transports/memory_budget.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace actorwire {

/// The slabs of one shard, in two sizes: 16 KiB for connections that say little, 64 KiB for those that stream.
/// The shard's thread takes slabs without a lock; whoever drops the last reference, on whatever thread, gives the slab
/// back through a lock-free list. Slabs may outlive the pool: each shelf lives until its last slab is back.
///
/// Every slab, in use or pooled, counts with its size against the budget. Payloads that programs make themselves
/// (`payload::copy_of`, `payload::made_by`, `payload::detach`) are the program's memory and do not: what bounds them is
/// how much a connection accepts for sending.
/// *Thread:* `take`, `trim` and destruction shard only; slabs come back from any thread.
class buffer_pool {
public:
  enum class size_class : std::uint8_t { small, large };

  static constexpr std::array<std::uint32_t, 2> slab_sizes{16U << 10U, 64U << 10U};

  explicit ACTORWIRE_EXPORT buffer_pool(std::shared_ptr<memory_budget> budget);
  ACTORWIRE_EXPORT ~buffer_pool();

  buffer_pool(const buffer_pool&) = delete;
  buffer_pool& operator=(const buffer_pool&) = delete;

  /// Returns a slab with one reference, owned by the caller, and the capacity of its class; null when the network's
  /// memory limit is reached even without what this pool holds in reserve.
  [[nodiscard]] ACTORWIRE_EXPORT slab* take(size_class wanted);

  /// Frees pooled slabs beyond a reserve of 128 KiB for each size. Called now and then by the shard, so that a burst does not stay.
  ACTORWIRE_EXPORT void trim();

  /// Whether there are more slabs, in use or not, than `trim` would keep.
  [[nodiscard]] ACTORWIRE_EXPORT bool has_excess() const noexcept;

  /// What the pool draws on; accepted messages are charged to it too. *Thread:* any thread.
  [[nodiscard]] memory_budget& budget() noexcept { return *budget_; }
  [[nodiscard]] const memory_budget& budget() const noexcept { return *budget_; }
  /// The same, for what may outlive the pool.
  [[nodiscard]] const std::shared_ptr<memory_budget>& shared_budget() const noexcept { return budget_; }

private:
  class shelf;
  struct closer {
    void operator()(shelf* closed) const noexcept;
  };

  std::shared_ptr<memory_budget> budget_;
  std::array<std::unique_ptr<shelf, closer>, 2> shelves_;
};

} // namespace actorwire
