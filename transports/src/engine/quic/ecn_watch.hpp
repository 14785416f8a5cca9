#pragma once

#include <actorwire/messages/statistics.hpp>

#include <ngtcp2/ngtcp2.h>

#include <cstdint>

namespace actorwire {

/// What has come of the marks of ECN on the present path. ngtcp2 does not say, but can be watched: it marks the first ten
/// packets that want an answer, and after three probe timeouts none, until the peer has seen marks; from then on all (RFC 9000, 13.4.2). *Thread:* one at a time.
class ecn_watch {
public:
  /// A packet was written for the present path at `now`. *Units:* nanoseconds; `patience` is how long an answer may take.
  void note(bool is_marked, ngtcp2_tstamp now, ngtcp2_duration patience) noexcept {
    if (is_marked && state_ == ecn_state::testing) {
      first_mark_ = marked_ == 0 ? now : first_mark_;
      if (++marked_ > tested_packets)
        state_ = ecn_state::capable;
    } else if (!is_marked
               && (state_ == ecn_state::capable
                   || (state_ == ecn_state::testing && marked_ > 0 && now - first_mark_ > patience))) {
      state_ = ecn_state::failed;
    } else if (is_marked && state_ == ecn_state::failed) {
      state_ = ecn_state::capable;
    }
  }

  /// The path is another one, which is tested anew.
  void begin_anew() noexcept { *this = {}; }

  [[nodiscard]] ecn_state state() const noexcept { return state_; }

private:
  static constexpr std::uint32_t tested_packets = 10;

  ecn_state state_ = ecn_state::testing;
  std::uint32_t marked_ = 0;
  ngtcp2_tstamp first_mark_ = 0;
};

} // namespace actorwire
