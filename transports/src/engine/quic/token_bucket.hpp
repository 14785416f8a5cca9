#pragma once

#include <actorwire/transports/clock.hpp>

#include <algorithm>
#include <cassert>
#include <cstdint>

namespace actorwire {

/// Bounds how often something is done, for instance that strangers are answered with stateless resets: each would cost
/// them one datagram and us a hash and another (RFC 9000, 10.3.3). It starts full. *Thread:* one at a time.
class token_bucket {
public:
  /// *Units:* `per_second` tokens come back each second, 1 to 1,000,000,000; no more than `burst` are there at once.
  token_bucket(std::uint32_t per_second, std::uint32_t burst) noexcept
    : interval_(std::chrono::nanoseconds{1'000'000'000} / per_second), burst_(burst) {
    assert(per_second >= 1 && per_second <= 1'000'000'000);
  }

  /// Takes a token. Returns whether there was one. Time that runs backwards brings none.
  bool take(time_point now) noexcept {
    // Only when the bucket will be full again is kept, so that nothing is lost to rounding.
    const auto full = std::max(full_at_, now);
    if (full - now > interval_ * (std::int64_t{burst_} - 1))
      return false;
    full_at_ = full + interval_;
    return true;
  }

private:
  duration interval_;
  std::uint32_t burst_;
  time_point full_at_ = time_point::min();
};

} // namespace actorwire
