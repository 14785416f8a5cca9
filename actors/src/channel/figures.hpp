#pragma once

#include "delivery/departure_observer.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/generation_stats.hpp>
#include <actorwire/messages/lifetime_stats.hpp>
#include <actorwire/messages/statistics.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace actorwire {

class channel_actor;

/// The figures of a channel over all its generations, and who is sent them at an interval. What a channel has that connected
/// and sent a message or few, or none, takes no memory beside this object.
/// *Thread:* shard only.
class figures final : public departure_observer {
public:
  explicit figures(channel_actor& owner);
  ~figures();

  figures(const figures&) = delete;
  figures& operator=(const figures&) = delete;

  /// A generation is over that was ready for `lived`; `last` are its figures.
  void end_generation(transport_stats last, std::uint64_t generation, duration lived);

  /// The figures of all generations; `present` are those of the connection at work, null if there is none.
  [[nodiscard]] transport_stats over_all(const transport_stats* present, std::uint64_t generation) const;
  /// Those of the last one that is over.
  [[nodiscard]] generation_stats last_generation() const;
  /// `carried` are the figures of the connection that is, or was, this generation.
  [[nodiscard]] static generation_stats of_generation(const transport_stats& carried, std::uint64_t generation,
                                                      duration lived) noexcept;

  // -- what only grows --------------------------------------------------------------------------------------------------

  void note_departure(time_point accepted_at, departure how) noexcept override;
  /// The channel has been in `state` for `stay`.
  void note_stay(connection_state state, duration stay);
  void note_drops(error_code why, const tally& not_sent, const tally& maybe_sent);
  void note_failed_attempt(error_code why);

  /// All of it; the channel is in `state`, and has been so for `stay`.
  [[nodiscard]] lifetime_stats lifetime(connection_state state, duration stay) const;

  // -- who is sent them -------------------------------------------------------------------------------------------------

  /// Sends the owner's statistics to `who` every `interval`, at most every 10 ms and at least once a day, in place of an
  /// earlier interval.
  void stream_to(const caf::strong_actor_ptr& who, std::chrono::milliseconds interval);
  /// Returns whether it was sent any.
  bool stop_stream_to(const caf::actor_addr& who);
  [[nodiscard]] bool streams_to(const caf::actor_addr& who) const noexcept;
  /// Ends all streams and returns to whom they went.
  [[nodiscard]] std::vector<caf::actor_addr> stop_streams();

private:
  struct past;
  struct kept;

  /// What is measured of samples.
  enum class measure : std::uint8_t { send_latency, queue_age, round_trip };
  static constexpr std::size_t measures = 3;

  /// States that every channel goes through at least once, the first ones of the enumeration.
  static constexpr std::size_t early_states = 4;

  /// What is kept of this channel, made if need be.
  [[nodiscard]] kept& more();
  void record(measure which, duration taken) noexcept;
  void note_round_trip(time_point now) noexcept;
  /// The histogram of a measure.
  [[nodiscard]] static histogram& of(lifetime_stats& all, measure which) noexcept;
  /// Adds what was measured before there was a place for more.
  void add_first_samples(lifetime_stats& sum) const noexcept;

  channel_actor& owner_;
  /// Null for a channel that has sent little, lost nothing, and told nobody.
  std::unique_ptr<kept> kept_;
  /// When the round-trip time may be looked at again.
  time_point round_trip_due_ = time_point::min();
  /// Microseconds in these states, as long as they fit.
  std::array<std::uint32_t, early_states> early_times_{};
  /// The first sample of each measure, in microseconds, until there is a second: most of what is idle has no more.
  std::array<std::uint32_t, measures> first_samples_{};
  std::array<bool, measures> has_first_sample_{};
};

static_assert(sizeof(figures) <= 64, "each connection and each peer has one");

} // namespace actorwire
