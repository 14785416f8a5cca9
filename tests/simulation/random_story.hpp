#pragma once

#include "simulated_system.hpp"
#include "story_member.hpp"

#include <actorwire/messages/enumeration.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

/// What goes wrong in a random story.
/// - `loss`: a segment is lost on the way and sent again.
/// - `delay`: a connection is slower than others, or a path carries nothing for a while.
/// - `reset`: both ends of a connection see it end.
/// - `half_open`: nothing arrives on a connection any more, and neither end knows.
/// - `partition`: nothing reaches a host, nor comes from it, for a while.
/// - `server_crash`: a process dies, or its machine.
/// - `actor_crash`: a connection actor dies of a defect of its transport.
enum class fault : std::uint8_t { loss, delay, reset, half_open, partition, server_crash, actor_crash };

constexpr std::array<std::string_view, 7> names_of(fault) {
  return {"loss", "delay", "reset", "half_open", "partition", "server_crash", "actor_crash"};
}

/// How often each has happened.
using fault_counts = std::array<std::size_t, names_of(fault{}).size()>;

/// A supervisor with fifty peers, the servers that they talk to, and everything that can go wrong between them: a random
/// story, told by its seed alone. Peers live on one shard or on two; every third has three endpoints, which race; the
/// servers share twenty hosts, so that one crash is that of several. Each peer has one user, which subscribes to all
/// that happens to it, sends numbered messages, one by one or many at once, and gets them back. What becomes of messages that
/// do not fit is the same for all peers of a story, but for some that have a session: a server of such a peer is a listener of the
/// library, which forgets all sessions when its host crashes.
class random_story {
public:
  explicit random_story(std::uint64_t seed);

  /// Random things happen for `span`.
  void go_wrong(duration span);

  /// All faults end. Checks that every peer is ready within the bound of B11; one that holds a half-open connection
  /// notices that first, within the time that its keepalive takes. Then that each carries a message to its server.
  void become_good();

  /// Drains the supervisor, and checks that its account is the sum of those of its peers.
  void close();

  /// Holds what every user was told against what its peer counted and what its servers got.
  void check() const;

  // -- what happened ---------------------------------------------------------------------------------------------------

  /// All that users were told and servers got, in lines: two runs of one seed give the same.
  [[nodiscard]] std::vector<std::string> trace() const;
  [[nodiscard]] fault_counts faults() const;
  [[nodiscard]] std::size_t message_count() const;
  /// From the end of all faults until the last peer was ready.
  [[nodiscard]] duration recovery() const;

private:
  template <class Function>
  void for_each_network(Function function);
  template <class Function>
  void for_each_network(Function function) const;

  void set_up();
  [[nodiscard]] story_member make_member(std::size_t index);
  void do_something();
  void go_wrong_somewhere();
  void crash(const std::string& host, simulated_network::crash_kind how);
  [[nodiscard]] bool holds_half_open(std::size_t index) const;
  [[nodiscard]] bool has_lost_session(std::size_t index) const;
  void check_ready(std::size_t index) const;
  void send_proof();
  void take_totals();

  std::mt19937_64 chance_;
  std::size_t shards_;
  acquire_options options_;
  simulated_system world_;
  std::vector<story_member> members_;
  std::vector<answer_to<stats>> figures_;
  time_point healed_at_{};
  /// Of those that this class brings about itself; networks and transports count the others.
  fault_counts own_faults_{};
};

} // namespace actorwire::test
