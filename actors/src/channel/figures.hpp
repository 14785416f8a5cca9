#pragma once

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/statistics.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace actorwire {

class channel_actor;

/// The figures of a channel over all its generations, and who is sent them at an interval.
/// *Thread:* shard only.
class figures {
public:
  explicit figures(channel_actor& owner);
  ~figures();

  /// A generation is over; `last` are its figures.
  void end_generation(transport_stats last);

  /// The figures of all generations; `present` are those of the connection at work, null if there is none.
  [[nodiscard]] transport_stats over_all(const transport_stats* present, std::uint64_t generation) const;

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
  struct stream;

  channel_actor& owner_;
  /// Made when the first generation ends.
  std::unique_ptr<past> past_;
  std::vector<std::unique_ptr<stream>> streams_;
};

} // namespace actorwire
