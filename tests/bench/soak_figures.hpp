#pragma once

#include <actorwire/actors/network.hpp>
#include <actorwire/transports/transport_factory.hpp>

#include <caf/actor_system.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace actorwire::bench {

/// Connects as programs do, and remembers on which shards, so that what lives there can be counted.
class shard_finder final : public transport_factory {
public:
  shard_finder();

  [[nodiscard]] result<local_ref<transport>> create_transport(protocol proto, shard& where) override;
  void use(const std::shared_ptr<tls_store>& identities) override;

  /// The shard of that index; null before its first transport.
  [[nodiscard]] shard* find(std::size_t index);

private:
  std::shared_ptr<transport_factory> sockets_;
  std::mutex mutex_;
  std::vector<shard*> shards_;
};

/// What a process has in use at a moment.
struct soak_figures {
  std::size_t descriptors = 0;
  std::size_t resident = 0;
  /// Bytes of the heap in use.
  std::size_t heap = 0;
  /// Deadlines that lie ahead on all shards.
  std::size_t timers = 0;
  std::size_t actors = 0;
  /// Bytes of the buffers of the network, pooled ones included.
  std::size_t buffers = 0;
  std::size_t threads = 0;
};

/// The least of each.
[[nodiscard]] soak_figures least_of(const soak_figures& left, const soak_figures& right);

/// Whether nothing that belongs to somebody, and so is there or not, is more than it was and may be: descriptors, timers, actors
/// and threads.
[[nodiscard]] bool is_back(const soak_figures& before, const soak_figures& now);

/// Prints what was in use at two rests, and what may be: of descriptors, actors and threads no more than before, and of timers
/// those few that shards and the supervisor have for themselves; memory is kept by allocators and pools, and may be some more.
/// Returns whether all is well; memory counts only if `judges_memory`.
[[nodiscard]] bool compare(const soak_figures& before, const soak_figures& after, bool judges_memory);

/// Counts what is in use. It has an actor on each shard, which is among the actors that it counts.
class soak_meter {
public:
  soak_meter(caf::actor_system& system, network& net, std::shared_ptr<shard_finder> shards);
  ~soak_meter();

  soak_meter(const soak_meter&) = delete;
  soak_meter& operator=(const soak_meter&) = delete;

  [[nodiscard]] soak_figures read();

private:
  caf::actor_system& system_;
  network& net_;
  std::vector<caf::actor> counters_;
};

} // namespace actorwire::bench
