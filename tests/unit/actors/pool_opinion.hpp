#pragma once

#include "pool_fixture.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace actorwire::test {

/// The second opinion about one peer.
struct peer_opinion {
  std::uint16_t key = 0;
  connection_state state = connection_state::idle;
  attempt_id attempt = 0;
  bool is_in_flight = false;
  std::uint64_t generation = 0;
  std::uint32_t failures = 0;
  /// Failures of earlier peers of the endpoint: no less than these, and exactly these if nothing can be doubted.
  std::uint32_t inherited = 0;
  bool is_exact = true;
  /// The last attempt, or that of an earlier peer of the endpoint.
  std::optional<time_point> started;
  std::optional<time_point> ready_since;
  /// Least distance from `started` to the next start.
  duration least_distance{0};
  std::vector<time_point> crashes;
  reconnection_policy policy;
  /// Failures that speak against the endpoint, since this peer last connected or was reset.
  std::uint32_t counted = 0;
  bool is_probe = false;

  /// The delay at the peer's place on the curve, counted from its last failure but `back`.
  [[nodiscard]] std::chrono::duration<double> curve(std::uint32_t back) const;
  /// What jitter leaves of a delay at least.
  [[nodiscard]] duration shortest(std::chrono::duration<double> delay) const;

  void forgive();
};

/// A second opinion about a pool: it is told what users and network do, and compares each dial, verdict and state with what
/// the documentation promises. *Lifetime:* the pool must outlive it.
class pool_opinion {
public:
  /// There are keys from 1 on. Those beyond `endpoints` are those of the same endpoints with other options.
  pool_opinion(pool_fixture& with, const pool_limits& limits, std::uint16_t keys, std::uint16_t endpoints)
    : with_(with), limits_(limits), endpoints_(endpoints), has_own_endpoints_(endpoints >= keys) {}

  [[nodiscard]] std::uint16_t endpoint_of(std::uint16_t key) const;
  /// Nothing if nobody has the key.
  [[nodiscard]] std::optional<connection_id> id_of(std::uint16_t key) const;
  [[nodiscard]] const peer_opinion& of(connection_id id) const { return peers_.at(id); }
  /// Null if the attempt is not the one that the peer is at.
  [[nodiscard]] const peer_opinion* at_attempt(connection_id id, attempt_id attempt) const;

  // -- what users do ----------------------------------------------------------------------------------------------------

  void acquired(std::uint16_t key, const reconnection_policy& policy, const result<actorwire::acquired>& got);
  void has_policy(connection_id id, const reconnection_policy& policy) { peers_.at(id).policy = policy; }
  void was_reset(connection_id id);
  void will_close(connection_id id);
  void closed(connection_id id, connection_state to);
  void removed(connection_id id);

  // -- what the pool and the network do ---------------------------------------------------------------------------------

  void dialled(const dial& order);
  void connected(connection_id id, std::uint64_t generation);
  /// Forms its own verdict from the documentation and compares.
  void judged(connection_id id, const verdict& what, const transport_error& reason, bool is_crash);

  /// Compares what the pool says of breakers with the failures that were counted here.
  void follow_breakers();
  /// Compares the pool's running totals with a count from scratch, and no peer with more than its own history.
  void check_books();
  /// B3: compares the dials of the whole run with the token bucket.
  void check_rate() const;

  /// Delays after losses of which only the spread was left, as shares of the delay that they spread over.
  [[nodiscard]] const std::vector<double>& spread() const { return spread_; }

private:
  /// The second opinion about the breaker of one endpoint.
  struct line {
    /// In a row, by whichever peers; the pool may have forgotten some.
    std::uint32_t failures = 0;
    bool is_open = false;
    bool has_probe = false;
    time_point not_before{};
  };

  /// What a closed peer leaves behind.
  struct memory {
    time_point started;
    duration least_distance{0};
    std::uint32_t failures = 0;
    bool is_exact = true;
    /// Until then nothing may be forgotten.
    time_point until;
  };

  line& line_of(const peer_opinion& peer) { return lines_[endpoint_of(peer.key)]; }
  void leave_attempt(peer_opinion& peer);
  /// The endpoint is good again.
  void pardon(peer_opinion& peer);
  /// What the next peer of the endpoint is to know.
  void remember(peer_opinion& peer);
  void moved(connection_id id, peer_opinion& peer, connection_state to);

  pool_fixture& with_;
  pool_limits limits_;
  std::uint16_t endpoints_;
  bool has_own_endpoints_;
  std::map<connection_id, peer_opinion> peers_;
  std::map<std::uint16_t, connection_id> by_key_;
  /// By endpoint, as the next.
  std::map<std::uint16_t, memory> memories_;
  std::map<std::uint16_t, line> lines_;
  std::vector<time_point> redials_;
  std::vector<double> spread_;
  std::uint32_t in_flight_ = 0;
  attempt_id last_attempt_ = 0;
};

} // namespace actorwire::test
