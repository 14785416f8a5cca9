// Events for a subscriber that does not get round to them.

#include "host_and_peer.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>

using namespace std::chrono_literals;

namespace actorwire::test {

TEST_CASE("figures are not sent to who is not done with the last ones", "[simulation][S5]") {
  simulated_system world;
  world.hosts().listen("tcp://server:1", echo_service());
  auto user = world.make_probe();
  const auto peer = world.acquire("tcp://server:1", framed());
  user.stream_stats(peer, 10ms);
  world.run_for(1s);
  CHECK(user.count<stats>() == 100);
  user.get_busy();
  world.run_for(10min);
  CHECK(user.count<stats>() == 101);
  user.catch_up();
  world.run_for(1s);
  CHECK(user.count<stats>() == 201);
  SECTION("and who ends meanwhile is forgotten") {
    user.get_busy();
    world.run_for(1s);
    const auto timers = world.timer_count();
    user.end();
    world.run_for(1s);
    CHECK(world.timer_count() < timers);
  }
  SECTION("and who asks for them anew gets them, whatever it owes") {
    user.get_busy();
    world.run_for(1s);
    const auto before = user.count<stats>();
    user.stream_stats(peer, 20ms);
    world.run_for(1s);
    CHECK(user.count<stats>() == before + 1);
  }
}

} // namespace actorwire::test
