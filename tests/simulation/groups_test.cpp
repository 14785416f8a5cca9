// Several peers of one key.

#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

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

constexpr std::string_view server = "tcp://server:1";

acquire_options shared_by(std::uint32_t peers) {
  auto options = framed();
  options.max_per_endpoint = peers;
  return options;
}

} // namespace

TEST_CASE("a group of peers has so many connections and no more, and an acquire gets the least loaded",
          "[simulation][P1]") {
  // On several shards the load of a peer is written by another thread's shard than reads it.
  const auto shards = GENERATE(std::size_t{1}, std::size_t{3});
  simulated_system world{{.shards = shards}};
  for (std::size_t shard = 0; shard < shards; ++shard)
    world.hosts(shard).listen(server, echo_service());
  auto user = world.make_probe();
  std::vector<connection_actor> group;
  for (int count = 0; count < 3; ++count)
    group.push_back(world.acquire(server, shared_by(3)));
  world.run_for(1s);
  for (std::size_t round = 0; round < 6; ++round)
    CHECK(world.acquire(server, shared_by(3)) == group[round % 3]);
  std::size_t attempts = 0;
  for (std::size_t shard = 0; shard < shards; ++shard) {
    attempts += world.hosts(shard).attempt_count(server);
    world.hosts(shard).set_path("server", simulated_network::path_state::stalled);
  }
  CHECK(attempts == 3);
  const auto fill = [&](std::size_t index, std::size_t size) {
    user.cast(group[index], std::string(size, 'x'), {.wanted = outcome::acked});
    world.run_now();
  };
  fill(0, 3'000);
  fill(1, 1'000);
  fill(2, 2'000);
  CHECK(world.acquire(server, shared_by(3)) == group[1]);
  fill(1, 1'500);
  CHECK(world.acquire(server, shared_by(3)) == group[2]);
  fill(2, 5'000);
  CHECK(world.acquire(server, shared_by(3)) == group[1]);
  // All of it is settled: whoever was handed out least often is next, and so on in turn.
  for (std::size_t shard = 0; shard < shards; ++shard)
    world.hosts(shard).heal("server");
  world.run_for(10s);
  std::map<connection_actor, int> got;
  for (int count = 0; count < 30; ++count)
    ++got[world.acquire(server, shared_by(3))];
  CHECK(got.size() == 3);
  for (const auto& each : got)
    CHECK(each.second >= 8);
}

TEST_CASE("what a lost peer had accepted counts no more when it is settled", "[simulation][P1]") {
  simulated_system world;
  world.hosts().listen(server, deaf_service());
  auto user = world.make_probe();
  auto options = shared_by(2);
  options.transport.operation_timeout = 1s;
  options.transport.flow.queue_age = 2s;
  const auto one = world.acquire(server, options);
  const auto other = world.acquire(server, options);
  world.run_for(1s);
  user.cast(one, std::string(500'000, 'x'));
  user.cast(other, "y");
  world.run_now();
  CHECK(world.acquire(server, options) == other);
  CHECK(world.acquire(server, options) == other);
  // It stalls, is lost, and what it had is given up.
  world.run_for(20s);
  std::set<connection_actor> got;
  for (int count = 0; count < 4; ++count)
    got.insert(world.acquire(server, options));
  CHECK(got.size() == 2);
}

TEST_CASE("a peer of a group that is down is handed out only while no other is connected", "[simulation][P1]") {
  simulated_system world;
  auto user = world.make_probe();
  world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
  world.hosts().listen(server, echo_service());
  const auto slow = world.acquire(server, shared_by(2));
  const auto quick = world.acquire(server, shared_by(2));
  world.run_for(1s);
  for (int count = 0; count < 5; ++count)
    CHECK(world.acquire(server, shared_by(2)) == quick);
  user.close(quick, close_mode::abort);
  world.run_now();
  const auto fresh = world.acquire(server, shared_by(2));
  CHECK(fresh != slow);
  CHECK(fresh != quick);
}

} // namespace actorwire::test
