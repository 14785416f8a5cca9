// Leases in random stories.

#include "borrower.hpp"
#include "seed.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

TEST_CASE("in any random story of leases each checkout is answered once, and no peer is lent twice",
          "[simulation][P1][P2][P3][D2]") {
  const test_seed seed;
  for (std::uint32_t round = 0; round < 10; ++round) {
    CAPTURE(round);
    auto engine = seed.engine(round);
    const auto below = [&engine](std::uint64_t bound) { return engine() % bound; };
    simulated_system world{{.seed = engine(),
                            .pool = {.max_connections = static_cast<std::uint32_t>(2 + below(6)),
                                     .max_leased = static_cast<std::uint32_t>(1 + below(3)),
                                     .lease_idle_timeout = std::chrono::milliseconds{below(5'000)}},
                            .shards = 1 + below(2)}};
    const std::vector<std::string> uris{"tcp://a:1", "tcp://b:1", "tcp://c:1"};
    for (std::size_t shard = 0; shard < world.net().shard_count(); ++shard)
      for (const auto& uri : uris)
        world.hosts(shard).listen(uri, echo_service());
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
      const auto wish = below(10);
      if (wish < 5) {
        askers.emplace_back(who, ends[who]);
        answers.push_back(
            user.checkout(world.supervisor(), wanted(uris[below(uris.size())], std::chrono::milliseconds{below(2'000)},
                                                     std::chrono::milliseconds{1 + below(2'000)})));
      } else if (wish < 8 && !answers.empty()) {
        // Some have ended by themselves meanwhile.
        if (const auto& some = answers[below(answers.size())]; some->value && !released.contains(some->value->id)) {
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
      const auto now = figures(world, users.front());
      REQUIRE(now.peers <= 7);
      REQUIRE(now.leased + now.leasable <= now.peers);
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
    REQUIRE(figures(world, users.front()).lease_waiters == 0);
    REQUIRE(figures(world, users.front()).leased == 0);
    REQUIRE(granted <= figures(world, users.front()).leases);
  }
}

} // namespace actorwire::test
