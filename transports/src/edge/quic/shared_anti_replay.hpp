#pragma once

#include "engine/quic/anti_replay_store.hpp"

#include <cstddef>
#include <mutex>
#include <span>

namespace actorwire {

/// The one memory against replays that all shards of all listeners with one identity ask, since a copy of a client's first
/// message may reach another shard or listener. *Thread:* any thread. Its mutex is held for one look-up, once per
/// connection that brings early data, or twice for one that brings a token.
class shared_anti_replay {
public:
  explicit shared_anti_replay(const quic_random& random, std::size_t size_max = anti_replay_store::size_default)
    : store_(random, size_max) {}

  /// See `anti_replay_store::add`.
  [[nodiscard]] bool add(std::span<const std::byte> key, anti_replay_store::wall_time_point until,
                         anti_replay_store::wall_time_point now) {
    const std::lock_guard lock{mutex_};
    return store_.add(key, until, now);
  }

  /// See `anti_replay_store::is_new`.
  [[nodiscard]] bool is_new(std::span<const std::byte> key, anti_replay_store::wall_time_point until,
                            anti_replay_store::wall_time_point now) {
    const std::lock_guard lock{mutex_};
    return store_.is_new(key, until, now);
  }

private:
  std::mutex mutex_;
  anti_replay_store store_;
};

} // namespace actorwire
