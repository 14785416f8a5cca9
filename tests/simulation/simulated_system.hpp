#pragma once

#include "crashing_transports.hpp"
#include "probe.hpp"
#include "simulated_network.hpp"
#include "simulated_services.hpp"
#include "virtual_clock.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace actorwire::test {

struct simulated_system_options {
  std::uint64_t seed = 1;
  pool_limits pool{};
  /// Peers are dealt out to the shards in turn; the supervisor lives on the first.
  std::size_t shards = 1;
  /// Bytes of buffers, and of messages that wait to be sent, over all connections.
  std::size_t memory_limit = std::size_t{256} << 20U;
};

/// A whole program for one test: an actor system, a network whose shards are stepped by the test on a virtual clock,
/// and for each shard a simulated network to connect through. Nothing waits, and a run depends on the test and its seed
/// only.
class simulated_system {
public:
  explicit simulated_system(simulated_system_options options = {});
  ~simulated_system();

  simulated_system(const simulated_system&) = delete;
  simulated_system& operator=(const simulated_system&) = delete;

  // -- time -----------------------------------------------------------------------------------------------------------

  /// Runs until `reached` holds, looking after each instant, and returns true; or until `limit` has passed.
  bool run_until(const std::function<bool()>& reached, duration limit = std::chrono::minutes{10});
  /// Runs all that happens within `span`, its last instant included.
  void run_for(duration span);
  /// Runs what happens at the present instant.
  void run_now() { run_for(duration{0}); }

  /// The program does not get to run for so long, and then all at once. What the world does meanwhile happens then too, before
  /// anything else.
  void stop_for(duration length);

  [[nodiscard]] time_point now() const noexcept { return time_.now(); }

  // -- parts ----------------------------------------------------------------------------------------------------------

  /// The world outside, as one shard sees it.
  [[nodiscard]] simulated_network& hosts(std::size_t shard = 0) { return *hosts_.at(shard); }
  [[nodiscard]] const simulated_network& hosts(std::size_t shard = 0) const { return *hosts_.at(shard); }
  /// What makes the transports of this program throw.
  [[nodiscard]] crashing_transports& transports() noexcept { return *transports_; }
  [[nodiscard]] const crashing_transports& transports() const noexcept { return *transports_; }
  [[nodiscard]] network& net() noexcept { return *net_; }
  [[nodiscard]] const supervisor_actor& supervisor() noexcept { return net_->supervisor(); }
  [[nodiscard]] probe make_probe(std::size_t shard = 0) { return probe{*net_, time_, shard}; }
  [[nodiscard]] caf::actor_system& actors() noexcept { return system_; }

  /// Asks for a peer of one or several endpoints, and runs until the answer is there. Throws if it is an error.
  connection_actor acquire(std::string_view uri, const acquire_options& options = {});

  /// Ends the network, as a program does that ends.
  void destroy_network();

  // -- what is in use -------------------------------------------------------------------------------------------------

  /// Deadlines that lie ahead.
  [[nodiscard]] std::size_t timer_count() const;
  /// Actors that run.
  [[nodiscard]] std::size_t actor_count();

private:
  system_config config_;
  caf::actor_system system_;
  virtual_clock time_;
  std::vector<std::shared_ptr<simulated_network>> hosts_;
  std::shared_ptr<crashing_transports> transports_;
  std::unique_ptr<network> net_;
  /// One on each shard.
  std::vector<probe> own_probes_;
};

/// Plans for one attempt to connect, told by what becomes of it.
[[nodiscard]] connection_plan refusing();
[[nodiscard]] connection_plan resetting(std::uint64_t after, side sender = side::dialler);
[[nodiscard]] connection_plan vanishing(std::uint64_t after, side sender = side::dialler);

} // namespace actorwire::test
