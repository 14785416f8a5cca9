#pragma once

#include <actorwire/transports/clock.hpp>

#include <chrono>
#include <cstddef>

namespace actorwire {

/// How much goes into one record of TLS. A record can be read only when all of it is there, so the first ones fit into
/// a packet each and what they carry is there early; later ones are as long as they may be, which costs least per byte.
/// After a rest it begins anew, because by then the congestion window may have shrunk.
class record_sizer {
public:
  static constexpr std::size_t small = 1'300;  ///< Fits, with its overhead, into a packet of 1,400 bytes.
  static constexpr std::size_t large = 16'384; ///< RFC 8446, 5.1.
  static constexpr std::size_t small_bytes = 20 * small;
  static constexpr duration rest = std::chrono::seconds{1};

  /// Returns the most that the next record is to carry.
  [[nodiscard]] std::size_t next(time_point now) noexcept {
    if (now - last_ > rest)
      sent_ = 0;
    last_ = now;
    return sent_ < small_bytes ? small : large;
  }

  void note_sent(std::size_t bytes) noexcept {
    if (sent_ < small_bytes)
      sent_ += bytes;
  }

private:
  std::size_t sent_ = 0;
  time_point last_{};
};

} // namespace actorwire
