#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace transfer {

/// Bytes per second, smoothed over about a second.
class rate_meter {
public:
  void add(std::uint64_t bytes) noexcept { fresh_ += bytes; }

  void sample(std::chrono::duration<double> since_last) noexcept {
    if (since_last.count() <= 0)
      return;
    const auto weight = std::min(1.0, since_last.count());
    rate_ += weight * (static_cast<double>(std::exchange(fresh_, 0)) / since_last.count() - rate_);
  }

  [[nodiscard]] double rate() const noexcept { return rate_; }

private:
  std::uint64_t fresh_ = 0;
  double rate_ = 0;
};

/// Allows `rate` bytes per second, and a tenth of a second's worth at once.
class rate_limit {
public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit rate_limit(std::uint64_t rate) : rate_(static_cast<double>(rate)) {}

  [[nodiscard]] bool allows_more(time_point now) noexcept {
    if (rate_ <= 0)
      return true;
    balance_ =
        std::min(rate_ / 10, balance_ + rate_ * std::chrono::duration<double>{now - std::exchange(last_, now)}.count());
    return balance_ > 0;
  }

  /// A chunk may overdraw the balance; the next waits the longer.
  void take(std::uint64_t bytes) noexcept { balance_ -= static_cast<double>(bytes); }

private:
  double rate_;
  double balance_ = 0;
  time_point last_ = std::chrono::steady_clock::now();
};

} // namespace transfer
