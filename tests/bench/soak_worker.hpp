#pragma once

#include <actorwire/actors/network.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

namespace actorwire::bench {

/// What a worker is told, with `caf::put_atom` in front.
enum class soak_order : std::int32_t {
  /// Sends one more request, if it may.
  work,
  /// Sends no more, and gives back what it has leased.
  rest,
  go_on,
  /// Closes its peer, in one of three ways, and takes another.
  drain,
  abort,
  kill,
  /// Has the actor at the other end of its connection killed.
  kill_other_end,
};

/// What all workers count. *Thread:* any thread.
struct soak_account {
  /// Requests that were asked to be sent, and what the answers were. Each has exactly one.
  std::atomic<std::uint64_t> asked{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> not_sent{0};
  std::atomic<std::uint64_t> maybe_sent{0};
  std::atomic<std::uint64_t> delivered{0};
  /// What came back.
  std::atomic<std::uint64_t> replies{0};
  /// Peers and leases that were had.
  std::atomic<std::uint64_t> peers{0};
  std::atomic<std::uint64_t> leases{0};
  /// Streams that were opened for a request each.
  std::atomic<std::uint64_t> streams{0};
  /// What must not happen: a reply to a request that was not sent, a second reply, one to nothing.
  std::atomic<std::uint64_t> impossible{0};

  [[nodiscard]] std::uint64_t answered() const { return refused + not_sent + maybe_sent + delivered; }
};

/// How a worker gets peers.
struct soak_job {
  supervisor_actor supervisor;
  endpoint remote;
  acquire_options options;
  bool takes_leases = false;
  /// Each request goes on a stream of its own.
  bool uses_streams = false;
};

/// Makes an actor on that shard that asks an echo server and keeps the books.
[[nodiscard]] caf::actor spawn_soak_worker(network& net, std::size_t shard, soak_job job,
                                           const std::shared_ptr<soak_account>& account);

} // namespace actorwire::bench
