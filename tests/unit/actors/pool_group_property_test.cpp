#include "pool_fixture.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using test::pool_fixture;

namespace {

/// Users who acquire, load and close, and a network that connects, fails and loses, around the groups and renewals of one pool,
/// on virtual time; and next to it a second opinion: who is in which group, which connection is whose, and what each acquire
/// is to get, kept in the simplest way.
class world {
public:
  explicit world(std::mt19937_64 engine)
    : engine_(std::move(engine)),
      limits_(draw_limits()),
      lifetime_(below(3) == 0 ? 0ms : std::chrono::milliseconds{1'000 + below(20'000)}),
      with_(limits_, engine_()) {
    for (auto& each : group_max_)
      each = static_cast<std::uint32_t>(1 + below(5));
  }

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      something_happens();
      dial();
      check();
    }
  }

private:
  enum class resting : std::uint8_t { no, begins, interrupted, lasts };

  struct expectation {
    std::uint16_t key = 0;
    connection_state state = connection_state::idle;
    /// The present attempt or connection, and the one that is to replace it; 0 for none.
    attempt_id present = 0;
    attempt_id replacement = 0;
    bool is_connected = false;
    bool stands_by = false;
    std::uint64_t generation = 0;
    std::uint32_t handed_out = 0;
    std::uint64_t load = 0;
    bool is_listed = true;
    time_point connected_at;
    /// A renewal was asked for that no attempt since can have brought.
    bool is_renewal_wanted = false;
    resting rest = resting::no;
  };

  static constexpr std::uint16_t keys = 4;

  pool_limits draw_limits() {
    pool_limits limits;
    limits.max_connections = static_cast<std::uint32_t>(1 + below(20));
    limits.max_connecting = static_cast<std::uint32_t>(1 + below(6));
    limits.reconnect_burst = static_cast<std::uint32_t>(1 + below(100));
    limits.reconnects_per_second = 1'000;
    limits.breaker_failures = static_cast<std::uint32_t>(below(3) * 3);
    limits.crash_limit = 1'000;
    return limits;
  }

  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }

  template <class Map>
  auto any_of(Map& all) {
    return std::next(all.begin(), static_cast<std::ptrdiff_t>(below(all.size())));
  }

  [[nodiscard]] static bool is_leaving(const expectation& peer) {
    return peer.state == connection_state::draining || peer.state == connection_state::closed;
  }

  // -- what happens ---------------------------------------------------------------------------------------------------

  void something_happens() {
    if (peers_.empty() || below(5) == 0)
      return acquire(static_cast<std::uint16_t>(1 + below(keys)));
    const auto chosen = any_of(peers_);
    const auto id = chosen->first;
    auto& peer = chosen->second;
    switch (below(13)) {
      case 0:
      case 1:
        if (const auto gauge = with_.peers.gauge(id)) {
          peer.load = below(4) * 1'000;
          gauge->show(peer.load);
        } else {
          REQUIRE(group_max_[peer.key - 1U] == 1);
        }
        return;
      case 2:
      case 3:
        return connect(id, peer, below(3) != 0 && peer.replacement != 0 ? peer.replacement : peer.present);
      case 4:
        return end(id, peer, below(2) == 0 && peer.replacement != 0 ? peer.replacement : peer.present);
      case 5:
        if (below(2) == 0)
          return close(id, peer);
        return;
      case 6: {
        const auto can_be = peer.present != 0 && !is_leaving(peer) && peer.rest == resting::no;
        REQUIRE(with_.peers.renew(id, 5s, with_.now) == can_be);
        if (can_be)
          peer.is_renewal_wanted = true;
        return;
      }
      case 7:
        // The past speaks.
        for (const auto stale : {peer.present, peer.replacement})
          if (stale > 1 && stale - 1 != peer.present && stale - 1 != peer.replacement) {
            REQUIRE_FALSE(with_.peers.connected(id, stale - 1, with_.now));
            REQUIRE_FALSE(with_.peers.ended(id, stale - 1, pool_fixture::refused(), with_.now));
          }
        return;
      case 8:
        return rest(id, peer);
      case 9:
        return wake(id, peer);
      default:
        if (const auto next = with_.peers.next_timeout(); next && below(2) == 0)
          with_.now = std::max(with_.now, *next);
        else
          with_.now += std::chrono::milliseconds{below(3'000)};
    }
  }

  void acquire(std::uint16_t key) {
    acquire_options options;
    options.max_per_endpoint = group_max_[key - 1U];
    options.max_lifetime = lifetime_;
    options.reconnection.base_delay = 10ms;
    options.reconnection.max_delay = 1s;
    const auto rank = [](const expectation& peer) {
      return peer.state == connection_state::ready ? 0 : peer.state == connection_state::failed ? 2 : 1;
    };
    std::optional<std::tuple<int, std::uint64_t, std::uint32_t, connection_id>> best;
    std::uint32_t members = 0;
    std::optional<std::uint32_t> least;
    for (const auto& [id, peer] : peers_) {
      if (peer.key != key || !peer.is_listed)
        continue;
      ++members;
      least = std::min(least.value_or(peer.handed_out), peer.handed_out);
      const std::tuple merit{rank(peer), peer.load, peer.handed_out, id};
      best = best ? std::min(*best, merit) : merit;
    }
    const auto got = with_.peers.acquire(pool_fixture::server(key), options, with_.now);
    const auto is_full = peers_.size() == limits_.max_connections;
    if (best && (members == options.max_per_endpoint || is_full)) {
      REQUIRE(got);
      REQUIRE_FALSE(got->is_new);
      REQUIRE(got->id == std::get<3>(*best));
      ++peers_.at(got->id).handed_out;
      return;
    }
    if (is_full) {
      REQUIRE_FALSE(got);
      REQUIRE(got.error().code == error_code::pool_exhausted);
      return;
    }
    REQUIRE(got);
    REQUIRE(got->is_new);
    auto& made = peers_[got->id];
    made.key = key;
    made.handed_out = least.value_or(1);
  }

  void connect(connection_id id, expectation& peer, attempt_id attempt) {
    if (attempt == 0)
      return;
    const auto generation = with_.peers.connected(id, attempt, with_.now);
    if (attempt == peer.replacement) {
      REQUIRE_FALSE(generation);
      in_flight_ -= peer.stands_by ? 0 : 1;
      peer.stands_by = true;
      return;
    }
    REQUIRE(generation.has_value() == !peer.is_connected);
    if (!generation)
      return;
    REQUIRE(*generation == ++peer.generation);
    ++connects_;
    --in_flight_;
    peer.is_connected = true;
    peer.connected_at = with_.now;
    if (!is_leaving(peer))
      peer.state = connection_state::ready;
  }

  void rest(connection_id id, expectation& peer) {
    const auto may = peer.is_connected && !is_leaving(peer) && !peer.stands_by;
    REQUIRE(with_.peers.rest(id) == may);
    if (!may)
      return;
    in_flight_ -= std::exchange(peer.replacement, 0) != 0 ? 1 : 0;
    peer.is_renewal_wanted = false;
    if (peer.rest == resting::no)
      peer.rest = resting::begins;
  }

  void wake(connection_id id, expectation& peer) {
    const auto does = !is_leaving(peer) && (peer.rest == resting::begins || peer.rest == resting::lasts);
    REQUIRE(with_.peers.wake(id, with_.now) == does);
    if (does)
      peer.rest = peer.rest == resting::begins ? resting::interrupted : resting::no;
  }

  void end(connection_id id, expectation& peer, attempt_id attempt) {
    if (attempt == 0)
      return;
    const auto is_crash = below(4) == 0;
    const auto is_permanent = below(8) == 0;
    const auto reason = is_crash      ? pool_fixture::crash()
                      : is_permanent  ? pool_fixture::permanent()
                      : below(2) == 0 ? pool_fixture::refused()
                                      : pool_fixture::reset_by_peer();
    const auto what = is_crash ? with_.peers.crashed(id, attempt, reason, with_.now)
                               : with_.peers.ended(id, attempt, reason, with_.now);
    if (attempt == peer.replacement) {
      // P5: whatever becomes of it, the connection stays.
      REQUIRE_FALSE(what);
      in_flight_ -= peer.stands_by ? 0 : 1;
      // P5: it failed like any other attempt, and what it was for is still wanted.
      peer.replacement = 0;
      peer.stands_by = false;
      return;
    }
    if (peer.stands_by) {
      // P5: the other was ready before.
      REQUIRE_FALSE(what);
      peer.present = std::exchange(peer.replacement, 0);
      peer.stands_by = false;
      peer.connected_at = with_.now;
      ++peer.generation;
      ++connects_;
      ++renewals_;
      return;
    }
    REQUIRE(what);
    if (!is_crash && !is_leaving(peer) && peer.rest != resting::no) {
      // However it ended: nobody had anything on it.
      REQUIRE(what->state == connection_state::idle);
      peer.state = connection_state::idle;
      peer.present = 0;
      peer.is_connected = false;
      peer.rest = peer.rest == resting::interrupted ? resting::no : resting::lasts;
      return;
    }
    peer.rest = resting::no;
    if (is_crash)
      ++crashes_;
    else if (peer.is_connected && peer.state != connection_state::draining)
      ++losses_;
    in_flight_ -= peer.is_connected ? 0 : 1;
    in_flight_ -= peer.replacement != 0 ? 1 : 0;
    peer.present = peer.replacement = 0;
    peer.is_connected = peer.is_renewal_wanted = false;
    peer.state = is_leaving(peer) ? connection_state::closed : what->state;
    REQUIRE(what->state == peer.state);
    REQUIRE((peer.state == connection_state::failed) == (!is_leaving(peer) && is_permanent && !is_crash));
  }

  void close(connection_id id, expectation& peer) {
    if (!is_leaving(peer)) {
      const auto mode = below(2) == 0 ? close_mode::drain : close_mode::abort;
      const auto to = with_.peers.close(id, mode, with_.now);
      REQUIRE(to);
      peer.state = *to;
      peer.is_listed = false;
      peer.is_renewal_wanted = false;
      if (peer.replacement != 0 && (!peer.stands_by || *to == connection_state::closed)) {
        in_flight_ -= peer.stands_by ? 0 : 1;
        peer.replacement = 0;
        peer.stands_by = false;
      }
      if (*to == connection_state::closed)
        forget_attempt(peer);
      return;
    }
    REQUIRE(with_.peers.remove(id, with_.now));
    forget_attempt(peer);
    peers_.erase(id);
  }

  void forget_attempt(expectation& peer) {
    in_flight_ -= peer.present != 0 && !peer.is_connected ? 1 : 0;
    in_flight_ -= peer.replacement != 0 && !peer.stands_by ? 1 : 0;
    peer.present = peer.replacement = 0;
    peer.is_connected = peer.stands_by = false;
  }

  void dial() {
    while (const auto order = with_.peers.poll_dial(with_.now)) {
      auto& peer = peers_.at(order->id);
      REQUIRE(order->attempt == ++last_attempt_);
      ++in_flight_;
      if (!order->renewal_limit) {
        REQUIRE(peer.present == 0);
        // Nothing but `wake` leads there from a rest.
        REQUIRE(peer.rest == resting::no);
        peer.present = order->attempt;
        peer.state = connection_state::resolving;
        continue;
      }
      // P5: beside a connection, one at a time, and not without a reason.
      REQUIRE(peer.is_connected);
      REQUIRE(peer.state == connection_state::ready);
      REQUIRE(peer.replacement == 0);
      const auto is_old = lifetime_ > 0ms && with_.now - peer.connected_at >= lifetime_ * 9 / 10;
      REQUIRE((is_old || peer.is_renewal_wanted));
      REQUIRE_FALSE(with_.peers.breaker(pool_fixture::server(peer.key)));
      peer.replacement = order->attempt;
      // P1: from the dial on, until it takes the place of the other.
      REQUIRE(std::ranges::count_if(peers_, [](const auto& each) { return each.second.replacement != 0; })
              <= static_cast<std::ptrdiff_t>(limits_.max_connecting));
    }
    if (const auto next = with_.peers.next_timeout())
      REQUIRE(*next > with_.now);
  }

  // -- books ----------------------------------------------------------------------------------------------------------

  void check() {
    const auto figures = with_.peers.stats();
    REQUIRE(figures.peers == peers_.size());
    REQUIRE(figures.connecting == in_flight_);
    REQUIRE(in_flight_ <= limits_.max_connecting);
    REQUIRE(figures.connects == connects_);
    REQUIRE(figures.renewals == renewals_);
    REQUIRE(figures.losses == losses_);
    REQUIRE(figures.crashes == crashes_);
    REQUIRE(figures.attempts == last_attempt_);
    std::map<std::uint16_t, std::uint32_t> sizes;
    for (const auto& status : with_.peers.list(with_.now)) {
      const auto& peer = peers_.at(status.info.id);
      REQUIRE(status.state == peer.state);
      REQUIRE(status.info.generation == peer.generation);
      // P1
      if (peer.is_listed)
        REQUIRE(++sizes[peer.key] <= group_max_[peer.key - 1U]);
    }
  }

  std::mt19937_64 engine_;
  pool_limits limits_;
  std::chrono::milliseconds lifetime_;
  std::array<std::uint32_t, keys> group_max_{};
  pool_fixture with_;
  std::map<connection_id, expectation> peers_;
  std::uint32_t in_flight_ = 0;
  std::uint64_t connects_ = 0;
  std::uint64_t renewals_ = 0;
  std::uint64_t losses_ = 0;
  std::uint64_t crashes_ = 0;
  attempt_id last_attempt_ = 0;
};

} // namespace

TEST_CASE(
    "whatever users and network do, groups keep their size, acquires get the least loaded, and renewals lose nothing",
    "[P1][P5][B3][S2]") {
  const test::test_seed seed;
  const auto rounds = test::seed_count(1'000);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    world around{seed.engine(round)};
    around.run(400);
  }
}
