// Threads that use one pool at the same time: whatever they ask for, its answers are those of a pool that is asked for one
// thing after the other.

#include "pool_history.hpp"
#include "program.hpp"
#include "seed.hpp"

#include <array>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace actorwire::test {

namespace {

constexpr std::size_t thread_count = 4;
constexpr std::uint32_t leases_max = 3;

/// One thread that asks for peers and leases, and writes down what it is answered.
class user {
public:
  user(network& net, caf::actor_system& system, moments& now, std::atomic<lease_id>& loot, endpoint server,
       std::mt19937_64 chance)
    : net_(net), me_(system), now_(now), loot_(loot), server_(std::move(server)), chance_(std::move(chance)) {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step)
      switch (below(8)) {
        case 0:
        case 1:
        case 2:
          borrow();
          break;
        case 3:
          give_back(loot_.exchange(0));
          break;
        case 4:
          end_shared();
          break;
        default:
          share();
      }
  }

  /// Requests that were answered neither with what they asked for nor as they may be.
  [[nodiscard]] const std::vector<std::string>& complaints() const noexcept { return complaints_; }
  [[nodiscard]] const pool_history& history() const noexcept { return history_; }

private:
  std::uint64_t below(std::uint64_t bound) { return chance_() % bound; }

  static acquire_options quick() {
    acquire_options options;
    options.reconnection.base_delay = options.reconnection.max_delay = 1ms;
    return options;
  }

  void share() {
    const auto asked = now_.next();
    auto answer = me_.try_to_ask<connection_actor>(net_.supervisor(), acquire{server_, quick(), {}});
    const auto answered = now_.next();
    if (!answer)
      return complain("acquire", answer.error());
    history_.acquires.push_back({answer->id(), asked, answered});
    shared_ = std::move(*answer);
  }

  void end_shared() {
    if (!shared_)
      return;
    const auto asked = now_.next();
    // It may have been closed by another.
    static_cast<void>(
        me_.try_to_ask<close_report>(shared_, close{below(2) == 0 ? close_mode::abort : close_mode::drain}));
    history_.closes.push_back({shared_.id(), asked, now_.next()});
    shared_ = nullptr;
  }

  void borrow() {
    auto options = quick();
    options.transport.mtu = 1'400;
    const auto asked = now_.next();
    const auto mine = me_.try_to_ask<lease>(net_.supervisor(), checkout{server_, options, {}, 15s, 5min});
    const auto answered = now_.next();
    if (!mine)
      return complain("checkout", mine.error());
    history_.leases.push_back({mine->id, mine->peer.id(), asked, answered});
    // Somebody else may be quicker to give it back.
    loot_.store(mine->id);
    if (below(2) == 0)
      share();
    give_back(mine->id);
    if (below(8) == 0)
      give_back(mine->id);
  }

  void give_back(lease_id id) {
    if (id == 0)
      return;
    const auto asked = now_.next();
    const auto answer = me_.try_to_ask<void>(net_.supervisor(), release{id, below(4) != 0});
    history_.releases.push_back({id, asked, now_.next(), static_cast<bool>(answer)});
    if (!answer && answer.error().code != error_code::invalid_value)
      complain("release", answer.error());
  }

  void complain(std::string_view what, const transport_error& why) {
    complaints_.push_back(std::string{what} + ": " + to_string(why));
  }

  network& net_;
  witness me_;
  moments& now_;
  std::atomic<lease_id>& loot_;
  endpoint server_;
  std::mt19937_64 chance_;
  connection_actor shared_;
  pool_history history_;
  std::vector<std::string> complaints_;
};

network_options busy_pool() {
  auto options = program::two_shards();
  options.pool.max_leased = leases_max;
  options.pool.max_connecting = 64;
  options.pool.reconnect_burst = 10'000;
  options.pool.reconnects_per_second = 1e6;
  return options;
}

} // namespace

TEST_CASE("what threads are answered that acquire, close, check out and release at once is what one after the other "
          "would have been",
          "[C1][C2][P1][P2]") {
  const test_seed seed;
  program here{busy_pool()};
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  const auto remote = parse_endpoint(uri(server.port)).value();
  moments now;
  std::atomic<lease_id> loot{0};
  std::deque<user> users;
  for (std::uint32_t number = 0; number < thread_count; ++number)
    users.emplace_back(*here.net, here.system, now, loot, remote, seed.engine(number));
  std::vector<std::thread> threads;
  for (auto& each : users)
    threads.emplace_back([&each] { each.run(1'000); });
  for (auto& each : threads)
    each.join();
  pool_history all;
  for (const auto& each : users) {
    for (const auto& complaint : each.complaints())
      FAIL_CHECK(complaint);
    all.append(each.history());
  }
  CHECK(all.objection_to_acquires().value_or("") == "");
  CHECK(all.objection_to_leases(leases_max).value_or("") == "");
  // What was never shared, closed or lent would prove nothing.
  CHECK(all.acquires.size() > 500);
  CHECK(all.closes.size() > 100);
  CHECK(all.leases.size() > 500);
  CHECK(std::ranges::count(all.releases, false, &pool_history::released::was_known) > 0);
  witness me{here.system};
  const auto figures = me.must_ask<pool_stats>(here.net->supervisor(), get_pool_stats{});
  CHECK(figures.leases == all.leases.size());
  CHECK(figures.leased == 0);
  CHECK(figures.lease_waiters == 0);
  CHECK(figures.leases_taken_back == 0);
}

TEST_CASE("a history that no pool could have had one request after the other is found out", "[C1]") {
  using leases = std::vector<pool_history::lent>;
  using releases = std::vector<pool_history::released>;
  using acquires = std::vector<pool_history::acquired>;
  using closes = std::vector<pool_history::closed>;
  const auto object_to_shared = [](acquires got, closes ended) {
    return pool_history{std::move(got), std::move(ended), {}, {}}.objection_to_acquires().has_value();
  };
  const auto object_to_lent = [](leases got, releases back) {
    return pool_history{{}, {}, std::move(got), std::move(back)}.objection_to_leases(2).has_value();
  };
  CHECK_FALSE(object_to_shared({{1, 1, 2}, {1, 3, 4}, {2, 7, 8}}, {{1, 5, 6}}));
  // All at once: an acquire before the close, which is before the other.
  CHECK_FALSE(object_to_shared({{1, 1, 6}, {2, 2, 5}}, {{1, 3, 4}}));
  CHECK_FALSE(object_to_shared({{1, 1, 2}, {2, 4, 6}, {1, 3, 7}}, {{1, 5, 8}}));
  CHECK(object_to_shared({{1, 1, 2}, {2, 3, 4}}, {}));
  CHECK(object_to_shared({{1, 1, 2}, {2, 3, 4}}, {{1, 5, 6}}));
  CHECK(object_to_shared({{1, 1, 2}, {1, 5, 6}}, {{1, 3, 4}}));
  CHECK(object_to_shared({{1, 1, 2}, {2, 5, 6}, {1, 7, 8}}, {{1, 3, 9}}));
  CHECK_FALSE(object_to_lent({{1, 1, 1, 2}, {2, 1, 5, 6}}, {{1, 3, 4, true}, {2, 7, 8, true}}));
  CHECK_FALSE(object_to_lent({{1, 1, 1, 2}, {2, 1, 3, 6}}, {{1, 4, 5, true}, {1, 7, 8, false}}));
  // Lent to two; more than there may be; given back twice, or by nobody; granted twice; numbered out of turn.
  CHECK(object_to_lent({{1, 1, 1, 2}, {2, 1, 3, 4}}, {{1, 5, 6, true}}));
  CHECK(object_to_lent({{1, 1, 1, 2}, {2, 2, 3, 4}, {3, 3, 5, 6}}, {}));
  CHECK(object_to_lent({{1, 1, 1, 2}}, {{1, 3, 4, true}, {1, 5, 6, true}}));
  CHECK(object_to_lent({{1, 1, 1, 2}}, {{1, 3, 4, false}}));
  CHECK(object_to_lent({}, {{1, 3, 4, true}}));
  CHECK(object_to_lent({{1, 1, 1, 2}, {1, 2, 3, 4}}, {}));
  CHECK(object_to_lent({{2, 1, 1, 2}, {1, 2, 3, 4}}, {}));
}

} // namespace actorwire::test
