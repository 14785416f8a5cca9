#pragma once

#include "simulated_network.hpp"
#include "virtual_clock.hpp"

#include <actorwire/transports/shard.hpp>

#include <functional>

namespace actorwire::test {

/// Moves a stepped shard through virtual time: runs what is ready, jumps to the next deadline, and so on. Nothing
/// waits, and what happens depends on the program and its seeds only.
class stepper {
public:
  stepper(virtual_clock& time, shard& where) noexcept : time_(time), where_(where) {}

  /// Runs until `reached` holds, looking after each instant, and returns true; or until `limit` has passed.
  bool run_until(const std::function<bool()>& reached, duration limit);

  /// Runs all that happens within `span`, its last instant included.
  void run_for(duration span);

private:
  virtual_clock& time_;
  shard& where_;
};

/// A whole world for one test: a clock, a shard, and a network to connect through.
class simulation {
public:
  /// *Units:* `memory_limit` bounds the shard's buffers, in bytes.
  explicit simulation(std::uint64_t seed = 0, std::size_t memory_limit = std::size_t{64} << 20U);
  ~simulation();

  simulation(const simulation&) = delete;
  simulation& operator=(const simulation&) = delete;

  bool run_until(const std::function<bool()>& reached, duration limit = std::chrono::minutes{1}) {
    return steps_.run_until(reached, limit);
  }
  void run_for(duration span) { steps_.run_for(span); }

  [[nodiscard]] virtual_clock& time() noexcept { return time_; }
  [[nodiscard]] shard& where() noexcept { return shard_; }
  [[nodiscard]] simulated_network& network() noexcept { return network_; }

private:
  virtual_clock time_;
  shard shard_;
  simulated_network network_;
  stepper steps_;
};

} // namespace actorwire::test
