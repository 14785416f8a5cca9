#pragma once

#include "pool_fixture.hpp"
#include "pool_opinion.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <random>
#include <vector>

namespace actorwire::test {

/// What a world does to the pool that it surrounds.
struct pool_world_settings {
  pool_limits limits;
  reconnection_policy policy;
  std::uint16_t keys = 20;
  /// Keys beyond so many are those of the same endpoints with other options.
  std::uint16_t endpoints = 20;
  duration attempt_timeout = std::chrono::seconds{20};
  /// Share of the steps in which a user does something.
  double user_activity = 0.5;
  bool users_reset = true;
  bool users_close = true;
  bool permanent_errors = true;
};

/// A network full of faults and users full of wishes around one pool, on virtual time, and next to it a second opinion.
class pool_world {
public:
  pool_world(const pool_world_settings& settings, std::mt19937_64 engine);

  /// Lets `steps` things happen: whatever of dial, network and user comes first.
  void run(int steps);
  /// From now on the network is good: attempts in flight end by their timeout at the latest, every later one succeeds
  /// within `latency`, and nothing is lost.
  void heal(duration latency);
  /// Runs until `end` without users.
  void run_until(time_point end);

  [[nodiscard]] time_point now() const { return with_.now; }
  [[nodiscard]] std::size_t count_not_ready() const;
  void check_rate() const { opinion_.check_rate(); }
  /// See `pool_opinion`.
  [[nodiscard]] const std::vector<double>& spread() const { return opinion_.spread(); }

private:
  enum class happening : std::uint8_t { connect, end, crash };

  struct occurrence {
    time_point when;
    happening what;
    connection_id id;
    attempt_id attempt;

    bool operator<(const occurrence& other) const { return when > other.when; }
  };

  double chance() { return std::uniform_real_distribution{}(engine_); }
  duration between(duration low, duration high) {
    return duration{std::uniform_int_distribution<duration::rep>{low.count(), high.count()}(engine_)};
  }
  [[nodiscard]] bool is_faulty() const { return !faults_until_; }
  [[nodiscard]] std::optional<time_point> next_instant() const;
  /// Everything that is due now.
  void turn();
  /// What is to come of a dial.
  void plan(const dial& order);
  void happen(const occurrence& event);

  void acquire(std::uint16_t key);
  void user_does_something();
  void close(connection_id id);

  pool_world_settings settings_;
  pool_fixture with_;
  std::mt19937_64 engine_;
  pool_opinion opinion_;
  std::priority_queue<occurrence> agenda_;
  std::optional<time_point> faults_until_;
  duration latency_{0};
};

} // namespace actorwire::test
