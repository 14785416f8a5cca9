// Random stories of peers that are lent: users that come and go, peers that are killed, and a network that fails.

#include "questions.hpp"
#include "seed.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

actorwire::checkout wanted(std::string_view uri, std::chrono::milliseconds wait,
                           std::chrono::milliseconds hold = 5min) {
  return {parse_endpoint(uri).value(), framed(), {}, wait, hold};
}

/// Nobody has more than the limits allow: neither the pool, nor anyone of its endpoints, whose peers are all made to be lent.
void check_limits(simulated_system& world, probe& asker, const pool_limits& limits) {
  const auto now = figures(world, asker);
  REQUIRE(now.peers <= limits.max_connections);
  REQUIRE(now.leased + now.leasable <= now.peers);
  const auto all = asker.list(world.supervisor());
  world.run_now();
  REQUIRE(all->value.value().size() == now.peers);
  std::map<endpoint, std::uint32_t> peers_of;
  for (const auto& each : *all->value)
    REQUIRE(++peers_of[each.info.remote] <= limits.max_leased);
  std::size_t open = 0;
  for (std::size_t shard = 0; shard < world.net().shard_count(); ++shard)
    open += world.hosts(shard).open_count();
  REQUIRE(open <= limits.max_connections);
}

} // namespace

TEST_CASE(
    "in any random story of leases each checkout is answered once, no peer is lent twice, and all are to be had again",
    "[simulation][P1][P2][P3][D2]") {
  const test_seed seed;
  const auto rounds = seed_count(120);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    auto engine = seed.engine(round);
    const auto below = [&engine](std::uint64_t bound) { return engine() % bound; };
    const pool_limits limits{.max_connections = static_cast<std::uint32_t>(2 + below(6)),
                             .max_leased = static_cast<std::uint32_t>(1 + below(3)),
                             .lease_idle_timeout = std::chrono::milliseconds{below(5'000)}};
    simulated_system world{{.seed = engine(), .pool = limits, .shards = 1 + below(2)}};
    const std::vector<std::string> names{"a", "b", "c"};
    const std::vector<std::string> uris{"tcp://a:1", "tcp://b:1", "tcp://c:1"};
    for (std::size_t shard = 0; shard < world.net().shard_count(); ++shard) {
      for (const auto& uri : uris)
        world.hosts(shard).listen(uri, echo_service());
      // In every second one the network fails as well.
      if (round % 2 == 1)
        world.hosts(shard).plan_by_chance(
            {.refuse = 15, .ignore = 5, .reset = 20, .vanish = 10, .fault_after_max = 100, .lateness_max = 20ms});
    }
    const auto fail = [&] {
      auto& hosts = world.hosts(below(world.net().shard_count()));
      const auto& name = names[below(names.size())];
      switch (below(6)) {
        case 0:
          return hosts.crash(name, simulated_network::crash_kind::process);
        case 1:
          return hosts.crash(name, simulated_network::crash_kind::machine);
        case 2:
          return hosts.partition(name);
        case 3:
          return hosts.reset_connections(name);
        case 4:
          return hosts.heal(name);
        default:
          return hosts.restart(name);
      }
    };
    std::vector<probe> users;
    for (int number = 0; number < 4; ++number)
      users.push_back(world.make_probe());
    std::vector<answer_to<lease>> answers;
    /// Who asked, and how often that user had been replaced by another then.
    std::vector<std::pair<std::size_t, std::size_t>> askers;
    std::vector<std::size_t> ends(users.size());
    /// Those that were given back, and whether their peers may be lent again.
    std::map<lease_id, bool> released;
    std::map<caf::actor_id, lease_id> last_lease_of;
    std::set<lease_id> ids;
    const auto check_grants = [&] {
      std::map<lease_id, caf::actor_id> fresh;
      for (const auto& each : answers)
        if (each->value && ids.insert(each->value->id).second)
          fresh.emplace(each->value->id, each->value->peer.id());
      for (const auto& [id, peer] : fresh) {
        // Every other lease of the peer has ended before, in the one way after which it may be lent again.
        if (const auto known = last_lease_of.find(peer); known != last_lease_of.end()) {
          const auto ended = released.find(known->second);
          REQUIRE(ended != released.end());
          REQUIRE(ended->second);
        }
        last_lease_of[peer] = id;
      }
    };
    for (int step = 0; step < 200; ++step) {
      const auto who = below(users.size());
      auto& user = users[who];
      if (round % 2 == 1 && below(5) == 0)
        fail();
      const auto wish = below(10);
      if (wish < 5) {
        askers.emplace_back(who, ends[who]);
        answers.push_back(
            user.checkout(world.supervisor(), wanted(uris[below(uris.size())], std::chrono::milliseconds{below(2'000)},
                                                     std::chrono::milliseconds{1 + below(2'000)})));
      } else if (wish < 8 && !answers.empty()) {
        // Some have ended by themselves meanwhile.
        if (const auto& some = answers[below(answers.size())]; some->value && !released.contains(some->value->id)) {
          user.cast(some->value->peer, std::string(below(200), 'x'));
          const auto reuse = below(3) != 0;
          released.emplace(some->value->id, reuse);
          user.release(world.supervisor(), some->value->id, reuse);
        }
      } else if (wish == 8 && !answers.empty()) {
        if (const auto& some = answers[below(answers.size())]; some->value)
          caf::anon_send_exit(some->value->peer, caf::exit_reason::kill);
      } else {
        user.end();
        ++ends[who];
        user = world.make_probe();
      }
      world.run_for(std::chrono::milliseconds{below(200)});
      check_grants();
      check_limits(world, users.front(), limits);
    }
    world.run_for(10s);
    check_grants();
    std::size_t granted = 0;
    for (std::size_t index = 0; index < answers.size(); ++index) {
      const auto& each = answers[index];
      const auto& [who, ended_before] = askers[index];
      // Whoever has ended may miss the answer.
      REQUIRE(each->count <= 1);
      if (ends[who] == ended_before)
        REQUIRE(each->count == 1);
      granted += each->value ? 1U : 0U;
    }
    REQUIRE(ids.size() == granted);
    // When nothing fails any more, each endpoint can be had within the bound.
    for (std::size_t shard = 0; shard < world.net().shard_count(); ++shard)
      world.hosts(shard).end_faults();
    world.run_for(1min);
    for (const auto& uri : uris) {
      CAPTURE(uri);
      const auto last = users.front().checkout(world.supervisor(), wanted(uri, 30s));
      world.run_for(30s);
      REQUIRE(last->value);
      const auto answer = users.front().send(last->value->peer, "still there", {.policy = when_down::fail});
      world.run_for(1s);
      REQUIRE(answer->value);
      users.front().release(world.supervisor(), last->value->id);
      world.run_now();
      ++granted;
    }
    REQUIRE(figures(world, users.front()).lease_waiters == 0);
    REQUIRE(figures(world, users.front()).leased == 0);
    REQUIRE(granted <= figures(world, users.front()).leases);
  }
}

} // namespace actorwire::test
