#pragma once

#include "posix.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/messages/events.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace actorwire::bench {

/// What peers say of a storm. It takes no memory from `begin` on, as long as no peer makes more than four attempts in the
/// mean. *Thread:* any thread.
class storm_log {
public:
  explicit storm_log(std::size_t peers) : peers_(peers) {}

  /// Forgets what was before.
  void begin();

  /// How a peer is found by whoever begins to watch it.
  void note(const connection_status& found);
  void note(const state_changed& change);

  /// Waits until all peers are ready, those that were lost since `begin` again. Returns whether they are.
  [[nodiscard]] bool await_all_ready(std::chrono::milliseconds limit);

  [[nodiscard]] std::size_t ready() const;
  [[nodiscard]] std::size_t failed() const;
  /// How often one that was ready is not any more.
  [[nodiscard]] std::size_t losses() const;
  /// How many attempts came to nothing.
  [[nodiscard]] std::size_t failures() const;
  /// When the last of them became ready.
  [[nodiscard]] steady_clock::time_point last_ready() const;
  /// When attempts began, in no order.
  [[nodiscard]] std::vector<steady_clock::time_point> attempts() const;
  /// What the peers were told at their first loss: how long until the next attempt.
  [[nodiscard]] std::vector<std::chrono::milliseconds> drawn_delays() const;
  /// How long it was.
  [[nodiscard]] std::vector<steady_clock::duration> first_delays() const;
  /// How much later than they were told attempts began, in no order.
  [[nodiscard]] std::vector<steady_clock::duration> lateness() const;
  /// When the attempts by which peers came back were to begin, as they were told, in no order.
  [[nodiscard]] std::vector<steady_clock::time_point> dues() const;
  /// Attempts of one peer that failed in a row, at most.
  [[nodiscard]] double most_failures() const;

  /// What comes from now on is of no interest.
  void stop();

private:
  struct record {
    bool was_lost = false;
    /// When it was lost first; nothing once its next attempt has begun.
    std::optional<steady_clock::time_point> lost_at;
    /// When its last attempt was to begin.
    std::optional<steady_clock::time_point> due;
  };

  void note_ready();

  mutable std::mutex mutex_;
  std::condition_variable all_ready_;
  std::size_t peers_;
  std::size_t ready_ = 0;
  std::size_t failed_ = 0;
  std::size_t losses_ = 0;
  std::size_t failures_ = 0;
  bool must_be_lost_ = false;
  bool is_stopped_ = false;
  std::uint32_t most_failures_ = 0;
  steady_clock::time_point last_ready_;
  std::vector<steady_clock::time_point> attempts_;
  std::vector<std::chrono::milliseconds> drawn_delays_;
  std::vector<steady_clock::duration> first_delays_;
  std::vector<steady_clock::duration> lateness_;
  /// One for each peer, from its first sign of life on: a storm adds none.
  std::unordered_map<connection_id, record> records_;
};

/// Makes an actor on that shard that subscribes to the states of `peers` and notes them.
void spawn_recorder(network& net, std::size_t shard, std::vector<connection_actor> peers,
                    const std::shared_ptr<storm_log>& log);

} // namespace actorwire::bench
