#pragma once

#include <actorwire/transports/memory_budget.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace actorwire {

/// Counts memory that is there already against the budget, in steps: what changes with every packet costs no atomic operation,
/// and the budget is wrong by less than a step, and exact when nothing is held. *Thread:* one at a time. *Lifetime:* outlives what it counts.
class memory_tally {
public:
  static constexpr std::ptrdiff_t step = std::ptrdiff_t{16} << 10U;

  explicit memory_tally(std::shared_ptr<memory_budget> budget) noexcept : budget_(std::move(budget)) {}
  ~memory_tally() { settle(); }

  memory_tally(const memory_tally&) = delete;
  memory_tally& operator=(const memory_tally&) = delete;

  /// So many bytes more are held than before, or fewer.
  void change(std::ptrdiff_t bytes) noexcept {
    held_ += bytes;
    unsettled_ += bytes;
    if (unsettled_ >= step || unsettled_ <= -step || held_ == 0)
      settle();
  }

private:
  void settle() noexcept {
    const auto bytes = std::exchange(unsettled_, 0);
    if (bytes > 0)
      budget_->take_beyond(static_cast<std::size_t>(bytes));
    else if (bytes < 0)
      budget_->give_back(static_cast<std::size_t>(-bytes));
  }

  std::shared_ptr<memory_budget> budget_;
  std::ptrdiff_t held_ = 0;
  std::ptrdiff_t unsettled_ = 0;
};

} // namespace actorwire
