#pragma once

#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/events.hpp>

#include <cstdint>

namespace actorwire {

/// Events that a subscriber was not sent, because it had not handled `events_owed_max` earlier ones. Sent to every such
/// subscriber, whatever its mask, when it has caught up, or when the subscription ends with the connection, the supervisor or
/// the listener. Behind it the latest event of each kind of which some were left out comes after all: `address_changed`,
/// `health_changed`, `backpressure`, one `data_lost` of all that was lost meanwhile, `session_lost`, `session_opened`, `opened`,
/// `state_changed`; `pool_event`; `listener_event` and `session_lost` of a listener. Of streams nothing comes after: which of
/// them are over is not told again.
struct events_missed {
  /// 0 from a supervisor or a listener.
  connection_id source = 0;
  /// How many were left out since the last `events_missed`, those that come after all among them.
  std::uint64_t count = 0;

  friend bool operator==(const events_missed&, const events_missed&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("events_missed", field{"source", self.source}, field{"count", self.count});
  }
};

/// Events that one subscription may have been sent without having handled them. Data is not among them, it has its credit.
inline constexpr std::uint32_t events_owed_max = 1'024;

} // namespace actorwire
