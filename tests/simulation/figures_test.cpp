// What is told of each connection of a peer, and who is sent figures at an interval.

#include "cared_for_peer.hpp"
#include "entrance.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

stats figures_of(cared_for_peer& with) {
  const auto answer = with.user.get_stats(with.peer);
  with.world.run_now();
  return answer->value.value();
}

/// What the dialler's transports took, by connections that were established.
std::vector<std::uint64_t> bytes_taken(simulated_system& world) {
  std::vector<std::uint64_t> all;
  for (const auto* each : world.hosts().records())
    if (each->was_established)
      all.push_back(each->taken_from_dialler);
  return all;
}

} // namespace

TEST_CASE("what each connection has counted adds up, at its end, to what its peer has", "[simulation][H5][random]") {
  const test_seed seed;
  auto chance = seed.engine();
  cared_for_peer with{framed(), {.seed = seed.value()}};
  with.world.hosts().stop_listening(cared_for_server);
  with.world.hosts().listen(cared_for_server, echo_service());
  CHECK(figures_of(with).last_generation == generation_stats{});
  // The connections of a server that is gone are lost.
  REQUIRE(with.reach(connection_state::backoff));
  REQUIRE(with.reach(connection_state::ready));
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (std::uint64_t generation = 2; generation <= 25; ++generation) {
    const auto began = with.world.now();
    for (auto count = chance() % 20; count > 0; --count)
      with.user.cast(with.peer, std::string(chance() % 3'000, 'x'));
    with.world.run_for(std::chrono::milliseconds{chance() % 300});
    const auto during = figures_of(with);
    REQUIRE(during.present_generation.generation == generation);
    CHECK(during.last_generation.generation == generation - 1);
    CHECK(during.present_generation.bytes_sent + sent == during.transport.bytes_sent);
    CHECK(during.present_generation.bytes_received + received == during.transport.bytes_received);
    CHECK(during.present_generation.lived >= with.world.now() - began);
    with.world.hosts().reset_connections("server");
    REQUIRE(with.reach(connection_state::backoff));
    const auto at_end = figures_of(with);
    CHECK(at_end.present_generation == generation_stats{});
    REQUIRE(at_end.last_generation.generation == generation);
    CHECK(at_end.last_generation.lived >= during.present_generation.lived);
    sent += at_end.last_generation.bytes_sent;
    received += at_end.last_generation.bytes_received;
    CHECK(at_end.transport.bytes_sent == sent);
    CHECK(at_end.transport.bytes_received == received);
    CHECK(at_end.last_generation.bytes_sent == bytes_taken(with.world).at(generation - 1));
    REQUIRE(with.reach(connection_state::ready));
  }
  CHECK(sent > 0);
  CHECK(received > 0);
}

TEST_CASE("a connection that was replaced has counted for itself, and so has one that was closed",
          "[simulation][H5][P5]") {
  auto options = framed();
  options.max_lifetime = 10s;
  cared_for_peer with{options};
  std::uint64_t sent = 0;
  for (std::uint64_t generation = 1; generation <= 5; ++generation) {
    with.user.cast(with.peer, std::string(generation * 100, 'x'));
    REQUIRE(with.world.run_until([&] { return figures_of(with).present_generation.generation == generation + 1; }));
    const auto told = figures_of(with);
    REQUIRE(told.last_generation.generation == generation);
    CHECK(told.last_generation.bytes_sent >= generation * 100);
    CHECK(told.last_generation.lived >= 9s);
    CHECK(told.last_generation.lived <= 11s + 100ms);
    CHECK(told.present_generation.lived <= 100ms);
    sent += told.last_generation.bytes_sent;
    CHECK(told.present_generation.bytes_sent + sent == told.transport.bytes_sent);
  }
  with.user.close(with.peer, close_mode::drain);
  with.world.run_for(1s);
  const auto totals = with.user.get_pool_totals(with.world.supervisor());
  with.world.run_for(1ms);
  CHECK(totals->value.value().bytes_sent == sent);
}

TEST_CASE("a supervisor sends its figures at the interval that is asked for, until that is 0", "[simulation]") {
  simulated_system world;
  world.hosts().listen("tcp://server:1", sink_service());
  auto user = world.make_probe();
  user.stream_stats(world.supervisor(), 100ms);
  world.run_for(1s);
  CHECK(user.count<pool_stats>() == 10);
  CHECK(user.all<pool_stats>().back() == pool_stats{});
  world.acquire("tcp://server:1", framed());
  world.run_for(1s);
  CHECK(user.count<pool_stats>() == 20);
  CHECK(user.all<pool_stats>().back().ready == 1);
  // In place of the earlier interval, and no more often than every 10 ms.
  user.stream_stats(world.supervisor(), 1ms);
  world.run_for(1s);
  CHECK(user.count<pool_stats>() == 120);
  user.stream_stats(world.supervisor(), 0ms);
  world.run_for(1min);
  CHECK(user.count<pool_stats>() == 120);
}

TEST_CASE("a listener sends its figures at the interval that is asked for, until that is 0", "[simulation]") {
  diary told;
  entrance here{told.keep()};
  auto user = here.world.make_probe();
  user.stream_stats(here.handle(), 100ms);
  const auto visitor = here.knock("192.0.2.7");
  here.world.run_for(1s);
  CHECK(user.count<listener_stats>() == 10);
  CHECK(user.all<listener_stats>().back().open == 1);
  here.hang_up(visitor);
  here.world.run_for(100ms);
  CHECK(user.all<listener_stats>().back().open == 0);
  CHECK(user.all<listener_stats>().back().accepted == 1);
  user.stream_stats(here.handle(), 0ms);
  const auto before = user.count<listener_stats>();
  here.world.run_for(1min);
  CHECK(user.count<listener_stats>() == before);
}

TEST_CASE("whoever does not get done with the figures of a pool or listener has one message of them",
          "[simulation][S5]") {
  diary told;
  entrance here{told.keep()};
  auto user = here.world.make_probe();
  user.get_busy();
  user.stream_stats(here.world.supervisor(), 10ms);
  user.stream_stats(here.handle(), 10ms);
  here.world.run_for(1min);
  CHECK(user.count<pool_stats>() == 1);
  CHECK(user.count<listener_stats>() == 1);
  // A further request changes the interval, and nothing else.
  for (int count = 0; count < 100; ++count) {
    user.stream_stats(here.world.supervisor(), 20ms);
    user.stream_stats(here.handle(), 20ms);
    here.world.run_for(30ms);
  }
  CHECK(user.count<pool_stats>() == 1);
  CHECK(user.count<listener_stats>() == 1);
  user.catch_up();
  here.world.run_for(1s);
  CHECK(user.count<pool_stats>() >= 50);
  CHECK(user.count<listener_stats>() >= 50);
}

TEST_CASE("nobody is sent figures of a pool or listener after he has ended, and no timer is left", "[simulation][S5]") {
  diary told;
  entrance here{told.keep()};
  auto user = here.world.make_probe();
  auto other = here.world.make_probe();
  const auto timers = here.world.timer_count();
  const auto is_subscriber = GENERATE(true, false);
  if (is_subscriber)
    user.subscribe_to_pool(here.world.supervisor());
  user.stream_stats(here.world.supervisor(), 10ms);
  user.stream_stats(here.handle(), 10ms);
  other.stream_stats(here.world.supervisor(), 10ms);
  here.world.run_for(1s);
  CHECK(here.world.timer_count() == timers + 3);
  user.end();
  here.world.run_for(1s);
  CHECK(here.world.timer_count() == timers + 1);
  CHECK(user.count<pool_stats>() <= 100);
  CHECK(user.count<listener_stats>() <= 100);
  CHECK(other.count<pool_stats>() == 200);
  other.stream_stats(here.world.supervisor(), 0ms);
  here.world.run_for(1s);
  CHECK(here.world.timer_count() == timers);
}

TEST_CASE("a subscription and figures of one actor end one by one", "[simulation][S5]") {
  simulated_system world;
  auto user = world.make_probe();
  user.subscribe_to_pool(world.supervisor());
  user.stream_stats(world.supervisor(), 100ms);
  world.run_for(1s);
  user.stream_stats(world.supervisor(), 0ms);
  world.acquire("tcp://other:1");
  world.run_for(1s);
  CHECK(user.count<pool_stats>() == 10);
  CHECK(user.count<pool_event>() >= 1);
  user.stream_stats(world.supervisor(), 100ms);
  user.run([at = world.supervisor()](caf::event_based_actor* self) { tell(self, at, actorwire::unsubscribe{}); });
  world.run_for(1s);
  CHECK(user.count<pool_stats>() == 20);
  // It is still watched.
  const auto timers = world.timer_count();
  user.end();
  world.run_for(1s);
  CHECK(world.timer_count() < timers);
}

} // namespace actorwire::test
