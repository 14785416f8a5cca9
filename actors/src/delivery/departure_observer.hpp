#pragma once

#include <actorwire/transports/clock.hpp>

#include <cstdint>

namespace actorwire {

/// How a message leaves the queue.
enum class departure : std::uint8_t {
  /// The transport took its first byte, and not all of it.
  begun,
  /// The transport took the rest of one that had begun.
  completed,
  /// The transport took all of it at once.
  whole,
  /// It expired, was given up, or went for another message, before it had begun.
  given_up,
};

/// Hears when messages leave a queue, so that somebody can measure how long they waited. Reading a clock for each of them
/// would cost as much as some of them do, so it is samples: not one at a time, which would miss all that wait behind a slow
/// one, but each 16th, however long it takes.
/// *Thread:* shard only.
class departure_observer {
public:
  static constexpr std::uint64_t sampling_interval = 16;

  [[nodiscard]] static constexpr bool is_sampled(std::uint64_t sequence) noexcept {
    return sequence % sampling_interval == 1;
  }

  /// A message that is sampled, and that was accepted at `accepted_at`, leaves now.
  virtual void note_departure(time_point accepted_at, departure how) noexcept = 0;

protected:
  ~departure_observer() = default;
};

} // namespace actorwire
