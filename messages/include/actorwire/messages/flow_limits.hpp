#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace actorwire {

/// What a message that waits takes of a limit of bytes beside its own, from the second on: about the memory that it is kept
/// in, so that a flood of empty ones is bounded as well.
inline constexpr std::size_t waiting_message_cost = 128;

/// How much one connection may hold in each direction. Sizes are 1 byte .. 1 GiB, and
/// `low_water <= high_water <= write_limit`. *Thread:* immutable value.
struct flow_limits {
  /// Bytes delivered to a subscriber that it has not handled yet; the socket is not read beyond it.
  std::size_t read_credit = std::size_t{1} << 20U;
  /// Bytes accepted for sending, with `waiting_message_cost`, at which `backpressure{on}` is published ...
  std::size_t high_water = std::size_t{1} << 20U;
  /// ... and below which `backpressure{off}` follows.
  std::size_t low_water = std::size_t{256} << 10U;
  /// Bytes accepted for sending, with `waiting_message_cost`, on a ready connection; what becomes of a message beyond it says
  /// `overflow`.
  std::size_t write_limit = std::size_t{4} << 20U;
  /// Messages, bytes (with `waiting_message_cost`) and age of what waits while the connection is not ready. Each is its own
  /// limit: 1 .. 1,000,000 messages, 1 byte .. 1 GiB, 1 ms .. 24 h. A sender that wants no waiting says `when_down::fail`.
  std::uint32_t queue_messages = 1024;
  std::size_t queue_bytes = std::size_t{1} << 20U;
  std::chrono::milliseconds queue_age{10'000};
  /// Age of the oldest message that waits at which a ready connection counts as `degraded`. 0 (never) or 10 ms .. 24 h.
  std::chrono::milliseconds degraded_age{0};
  /// What happens to a message that does not fit.
  overflow_policy overflow = overflow_policy::fail;
  /// Calls that were accepted and are not answered yet, over all streams; one more is refused with `would_block`.
  /// 1 .. 1,000,000.
  std::uint32_t open_calls = 65'536;

  friend bool operator==(const flow_limits&, const flow_limits&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("flow_limits", field{"read_credit", self.read_credit}, field{"high_water", self.high_water},
                 field{"low_water", self.low_water}, field{"write_limit", self.write_limit},
                 field{"queue_messages", self.queue_messages}, field{"queue_bytes", self.queue_bytes},
                 field{"queue_age", self.queue_age}, field{"degraded_age", self.degraded_age},
                 field{"overflow", self.overflow}, field{"open_calls", self.open_calls});
  }
};

/// Checks every field and their order. *Errors:* `invalid_value` or `conflicting_values` naming fields and values.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const flow_limits& limits);

} // namespace actorwire
