// Events for a subscriber that does not get round to them.

#include "host_and_peer.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

/// Those that a subscriber is told of at once when it has caught up: `events_missed`, and the latest of each kind.
constexpr std::size_t caught_up_max = 7;

/// A peer that dials a host which is not there, over and over.
acquire_options restless() {
  auto options = framed();
  options.reconnection.base_delay = options.reconnection.max_delay = 10ms;
  options.reconnection.on_permanent = permanent_error_policy::keep_trying;
  return options;
}

std::uint64_t missed_by(const probe& user) {
  std::uint64_t sum = 0;
  for (const auto& each : user.all<events_missed>())
    sum += each.count;
  return sum;
}

} // namespace

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

TEST_CASE("who does not get round to its events holds so many, and hears how many it missed", "[simulation][S4][S5]") {
  simulated_system world{
      {.pool = {.reconnects_per_second = 1'000'000, .reconnect_burst = 1'000'000, .breaker_failures = 0}}};
  auto user = world.make_probe();
  auto other = world.make_probe();
  const auto peer = world.acquire("tcp://nobody:1", restless());
  const auto began = user.subscribe(peer, event_mask::state);
  other.subscribe(peer, event_mask::state);
  user.get_busy();
  world.run_for(60s);
  CHECK(user.count<state_changed>() == events_owed_max);
  CHECK(other.count<state_changed>() > 2 * events_owed_max);
  CHECK(other.count<events_missed>() == 0);

  user.catch_up();
  world.run_now();
  REQUIRE(user.count<events_missed>() == 1);
  CHECK(user.all<state_changed>().back() == other.all<state_changed>().back());
  CHECK(user.count<state_changed>() == events_owed_max + 1);
  CHECK(events_owed_max + missed_by(user) == other.count<state_changed>());
  CHECK(user.all<events_missed>().back().source == began->value.value().info.id);

  // From there on it hears of everything again.
  world.run_for(1s);
  CHECK(user.count<events_missed>() == 1);
  CHECK(user.count<state_changed>() + missed_by(user) - 1 == other.count<state_changed>());
}

TEST_CASE("the end is told however much is owed", "[simulation][S4][S5]") {
  simulated_system world{
      {.pool = {.reconnects_per_second = 1'000'000, .reconnect_burst = 1'000'000, .breaker_failures = 0}}};
  auto user = world.make_probe();
  auto other = world.make_probe();
  const auto peer = world.acquire("tcp://nobody:1", restless());
  user.subscribe(peer);
  user.get_busy();
  world.run_for(60s);
  REQUIRE(user.count<state_changed>() == events_owed_max);
  SECTION("that of the peer") {
    other.close(peer, close_mode::abort);
    world.run_for(1s);
    CHECK(user.last_state() == connection_state::closed);
  }
  SECTION("and that of the subscription") {
    user.unsubscribe(peer);
    world.run_for(1s);
    CHECK(user.count<state_changed>() == events_owed_max + 1);
  }
  CHECK(user.count<events_missed>() == 1);
  CHECK(user.notes().size() <= events_owed_max + caught_up_max);
}

TEST_CASE("of what was lost nothing is missed, however late it is told", "[simulation][S5][D1]") {
  constexpr std::size_t count = 3'000;
  simulated_system world;
  auto user = world.make_probe();
  auto other = world.make_probe();
  const auto peer = world.acquire("tcp://nobody:1", framed());
  user.subscribe(peer, event_mask::loss);
  world.run_for(1s);
  user.get_busy();
  for (std::size_t number = 0; number < count; ++number) {
    other.cast(peer, "12345", {.policy = when_down::drop});
    world.run_now();
  }
  CHECK(user.count<data_lost>() == events_owed_max);
  user.catch_up();
  world.run_for(1s);
  tally sum;
  for (const auto& each : user.all<data_lost>())
    sum += each.not_sent;
  CHECK(sum == tally{count, 5 * count});
  CHECK(user.count<data_lost>() == events_owed_max + 1);
  CHECK(missed_by(user) == count - events_owed_max);
}

TEST_CASE("who does not get round to the events of a pool holds no more than may be owed", "[simulation][S5]") {
  constexpr std::size_t count = 1'500;
  simulated_system world;
  auto user = world.make_probe();
  auto other = world.make_probe();
  user.subscribe_to_pool(world.supervisor());
  world.run_now();
  user.get_busy();
  for (std::size_t number = 0; number < count; ++number) {
    const auto peer = world.acquire("tcp://server:" + std::to_string(1 + number), framed());
    other.close(peer, close_mode::abort);
    world.run_now();
  }
  CHECK(user.count<pool_event>() == events_owed_max);
  user.catch_up();
  world.run_now();
  REQUIRE(user.count<events_missed>() == 1);
  CHECK(user.all<events_missed>().front().source == 0);
  CHECK(missed_by(user) >= 2 * count - events_owed_max);
  REQUIRE(user.count<pool_event>() == events_owed_max + 1);
  const auto last = user.all<pool_event>().back();
  CHECK(last.change == pool_change::removed);
  CHECK(last.remote.port == count);
}

TEST_CASE("a peer that opens and ends streams waits for who is to hear of them, and all of it arrives",
          "[simulation][streams][S5]") {
  constexpr std::size_t count = 5'000;
  host_and_peer with{over_quic(), stream_manners::sink};
  with.user.subscribe(with.peer, event_mask::streams);
  with.world.run_now();
  with.user.get_busy();
  std::set<stream_id> opened;
  const auto open_all = [&] {
    while (opened.size() < count) {
      const auto next = with.host.last().streams().open(stream_direction::unidirectional, {});
      if (!next)
        break;
      opened.insert(*next);
      // Every other one is empty.
      if (opened.size() % 2 == 0)
        with.host.last().send(*next, std::string("\x00\x00\x00\x01x", 5));
      with.host.last().finish(*next);
    }
    with.world.run_for(10ms);
  };
  for (int round = 0; round < 1'000; ++round)
    open_all();
  const auto open_max = std::get<quic_config>(over_quic().transport.protocol_settings).max_streams;
  CHECK(opened.size() <= events_owed_max / 2 + open_max);
  CHECK(with.user.notes().size() - with.user.count<received>() <= events_owed_max);

  with.user.catch_up();
  for (int round = 0; round < 1'000 && opened.size() < count; ++round)
    open_all();
  with.world.run_for(1s);
  CHECK(opened.size() == count);
  std::set<stream_id> told;
  for (const auto& each : with.user.all<stream_opened>())
    told.insert(each.stream);
  CHECK(told == opened);
  CHECK(with.user.text() == std::string(count / 2, 'x'));
  CHECK(with.user.count<peer_closing>() == count);
  CHECK(with.user.count<stream_closed>() == count);
  CHECK(with.user.count<events_missed>() == 0);
}

} // namespace actorwire::test
