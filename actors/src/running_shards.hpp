#pragma once

#include "seam/shard_context.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/transports/clock.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

namespace actorwire {

/// The shards of a network, whose threads run as long as this object lives.
class running_shards {
public:
  /// *Errors:* throws `std::runtime_error` if the system has no more threads or descriptors; then none runs.
  running_shards(caf::actor_system& system, const network_options& options, std::size_t count,
                 const std::shared_ptr<memory_budget>& budget);

  /// Ends every actor of every shard and waits for the last. When that takes long by the clock of the network, it says so
  /// on standard error.
  ~running_shards();

  running_shards(const running_shards&) = delete;
  running_shards& operator=(const running_shards&) = delete;

  [[nodiscard]] const std::vector<std::shared_ptr<shard_context>>& all() const noexcept { return shards_; }

private:
  void join() noexcept;
  /// Waits for the ends of all loops, and says meanwhile what keeps them.
  void await_ends();
  /// Says for each shard how many actors are left there.
  void report(duration passed) const;

  shard::mode mode_;
  const clock& time_;
  std::vector<std::shared_ptr<shard_context>> shards_;
  /// How many of them were started.
  std::size_t launched_ = 0;
};

} // namespace actorwire
