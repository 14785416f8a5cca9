#pragma once

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <cstdint>

namespace actorwire {

/// How often the probe timeout of a connection has expired (RFC 9002, 6.2). ngtcp2 does not say, but can be watched: when
/// its timer runs as late as the timeout asks for (6.2.1), finds nothing lost, and something leaves then that wants an
/// answer, that was one. While packets of the handshake go by keys of several kinds, of which each has a timer of its own,
/// the earlier of two is not seen. *Thread:* one at a time. *Units:* nanoseconds.
class probe_timeouts {
public:
  /// The timer has run at `now` and found nothing lost. `waits` tells whether any answer is outstanding, `timeout` how long
  /// the first in a row takes.
  void note_timer(ngtcp2_tstamp now, ngtcp2_duration timeout, bool waits) noexcept {
    // Doubled with each, which is as good as never long before a shift would be too far.
    constexpr std::uint32_t doublings_max = 20;
    is_due_ = waits && last_sent_ != 0 && now >= last_sent_ + (timeout << std::min(in_a_row_, doublings_max));
  }

  /// All that might leave has left, up to `now`; `wants_answer` tells whether any of it wants one.
  void note_flush(ngtcp2_tstamp now, bool wants_answer) noexcept {
    if (wants_answer) {
      count_ += is_due_ ? 1 : 0;
      in_a_row_ += is_due_ ? 1 : 0;
      last_sent_ = now;
    }
    is_due_ = false;
  }

  /// Something was acknowledged: the next one is the first in a row.
  void note_acknowledged() noexcept {
    is_due_ = false;
    in_a_row_ = 0;
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
  std::uint64_t count_ = 0;
  std::uint32_t in_a_row_ = 0;
  /// When something left last that wants an answer; 0: never.
  ngtcp2_tstamp last_sent_ = 0;
  bool is_due_ = false;
};

} // namespace actorwire
