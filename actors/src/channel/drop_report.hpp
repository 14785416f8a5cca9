#pragma once

#include "delivery/settled.hpp"

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/transports/shard.hpp>

namespace actorwire {

class channel_actor;

/// Tells subscribers of the messages that went for others, or for want of room: in sum, once for each turn and reason. Whoever
/// sends newer states faster than they leave would else cause an event for each of them.
/// *Thread:* shard only, also its end.
class drop_report final : private flushable {
public:
  explicit drop_report(channel_actor& owner) noexcept : owner_(owner) {}

  /// Has it told with the end of this turn.
  void add(const loss& dropped, const transport_error& why);

  /// Tells what was added, ahead of what happens next.
  void tell();

private:
  void flush() override;

  channel_actor& owner_;
  /// What was not told yet; without a reason there is nothing.
  data_lost sum_;
};

} // namespace actorwire
