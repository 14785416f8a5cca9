#pragma once

#include <actorwire/transports/clock.hpp>

#include <cstdint>
#include <vector>

namespace actorwire {

/// How often the actor of one peer's connection may crash: `limit` times within `window` are healed by a restart, one
/// more is not. The window slides; a crash exactly one `window` ago does not count any more. Losses of the transport are
/// no crashes. *Units:* remembers at most `limit` crashes, and allocates nothing before the first. *Thread:* shard only.
class crash_budget {
public:
  /// Counts a crash at `now`. Returns whether it is healed.
  [[nodiscard]] bool spend(std::uint32_t limit, duration window, time_point now);

  /// Forgets all crashes.
  void reset() noexcept;

private:
  /// The healed ones, oldest first.
  std::vector<time_point> crashes_;
};

} // namespace actorwire
