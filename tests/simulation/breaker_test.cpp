// What programs see of an endpoint that many of their peers cannot reach.

#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

/// Options that make a peer of their own.
acquire_options variant(std::uint32_t number) {
  auto options = framed();
  options.transport.flow.queue_messages = 100 + number;
  return options;
}

std::vector<connection_actor> acquire_many(simulated_system& world, std::uint32_t count) {
  std::vector<connection_actor> peers;
  for (std::uint32_t number = 0; number < count; ++number)
    peers.push_back(world.acquire(server, variant(number)));
  return peers;
}

} // namespace

TEST_CASE("while a breaker is open, attempts to its endpoint come one by one, a delay apart", "[simulation][P4]") {
  simulated_system world;
  auto user = world.make_probe();
  user.subscribe_to_pool(world.supervisor());
  acquire_many(world, 30);
  world.run_for(1min);
  CHECK(count(user, pool_change::breaker_opened) == 1);
  CHECK(count(user, pool_change::breaker_closed) == 0);
  const auto events = user.all<pool_event>();
  const auto opened = std::ranges::find(events, pool_change::breaker_opened, &pool_event::change);
  CHECK(opened->source == 0);
  CHECK(to_string(opened->remote) == server);
  CHECK(opened->reason.code == error_code::refused);
  CHECK(figures(world, user).open_breakers == 1);
  CHECK(figures(world, user).waiting == 30);
  std::vector<time_point> times;
  for (const auto* record : world.hosts().records())
    times.push_back(record->began);
  // Those that were on their way when it opened, those that followed the first that failed, and then the probes: 100 ms less
  // the jitter apart, at least.
  REQUIRE(times.size() > 40);
  for (auto index = std::size_t{pool_limits{}.max_connecting + pool_limits{}.breaker_failures}; index < times.size();
       ++index)
    CHECK(times[index] - times[index - 1] >= 80ms);
}

TEST_CASE("when the host of an open breaker is back, one peer finds it and all others follow",
          "[simulation][P4][B11]") {
  simulated_system world{{.pool = {.reconnects_per_second = 1'000, .reconnect_burst = 100}}};
  auto user = world.make_probe();
  user.subscribe_to_pool(world.supervisor());
  const auto peers = acquire_many(world, 30);
  world.run_for(1min);
  REQUIRE(figures(world, user).open_breakers == 1);
  world.hosts().listen(server, echo_service());
  // The longest delay with its jitter.
  world.run_for(1'200ms + 500ms);
  CHECK(figures(world, user).ready == 30);
  CHECK(figures(world, user).open_breakers == 0);
  CHECK(figures(world, user).breaker_openings == 1);
  CHECK(count(user, pool_change::breaker_closed) == 1);
  for (const auto& peer : peers) {
    const auto answer = user.send(peer, "still there");
    world.run_for(100ms);
    CHECK(answer->value);
  }
}

TEST_CASE("a message that may not wait is told of the open breaker and of the last failure, another waits",
          "[simulation][P4][D7]") {
  simulated_system world;
  auto user = world.make_probe();
  const auto peers = acquire_many(world, 10);
  world.run_for(10s);
  REQUIRE(figures(world, user).open_breakers == 1);
  const auto newcomer = world.acquire(server, variant(10));
  world.run_now();
  const auto refused = user.send(newcomer, "now or never", {.policy = when_down::fail});
  const auto dropped = user.send(newcomer, "if you can", {.policy = when_down::drop});
  const auto patient = user.send(newcomer, "when you can");
  const auto old = user.send(peers.front(), "now or never", {.policy = when_down::fail});
  world.run_now();
  REQUIRE(refused->error);
  CHECK(refused->error->code == error_code::breaker_open);
  CHECK(refused->error->kind == error_kind::connection);
  CHECK(refused->error->retryable);
  INFO(refused->error->text);
  CHECK(refused->error->text.starts_with("the breaker of tcp://server:1 is open after "));
  CHECK(refused->error->text.find("connection refused") != std::string::npos);
  CHECK(dropped->value.value().result == outcome::not_sent);
  CHECK(old->code() == error_code::breaker_open);
  CHECK(patient->count == 0);
  const auto all = user.list(world.supervisor());
  world.run_now();
  CHECK(all->value.value().back().is_held_back);
  CHECK(all->value->back().last_error.code == error_code::none);
  world.hosts().listen(server, echo_service());
  world.run_for(5s);
  CHECK(patient->value.value().result == outcome::written);
}

TEST_CASE("a peer that a breaker holds back still says what it failed of itself", "[simulation][P4][S3]") {
  simulated_system world;
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  world.run_for(10s);
  REQUIRE(figures(world, user).open_breakers == 1);
  const auto state = user.get_state(peer);
  const auto all = user.list(world.supervisor());
  world.run_now();
  CHECK(state->value.value().last_error.code == error_code::refused);
  CHECK(state->value->is_held_back);
  CHECK(all->value.value().front().last_error.code == error_code::refused);
  CHECK(all->value->front().is_held_back);
  world.hosts().listen(server, echo_service());
  world.run_for(2s);
  const auto later = user.get_state(peer);
  world.run_now();
  CHECK(later->value.value().state == connection_state::ready);
  CHECK_FALSE(later->value->is_held_back);
}

TEST_CASE("a message that may not wait is not told of a breaker that has closed", "[simulation][P4][D7]") {
  // So that most still wait for the gate when the breaker closes.
  simulated_system world{{.pool = {.reconnects_per_second = 1.0, .reconnect_burst = 1}}};
  auto user = world.make_probe();
  const auto peers = acquire_many(world, 30);
  world.run_for(1min);
  REQUIRE(figures(world, user).open_breakers == 1);
  world.hosts().listen(server, echo_service());
  REQUIRE(world.run_until([&] { return figures(world, user).open_breakers == 0; }));
  world.run_for(10ms);
  REQUIRE(figures(world, user).waiting > 0);
  std::size_t refused = 0;
  for (const auto& peer : peers) {
    const auto answer = user.send(peer, "now or never", {.policy = when_down::fail});
    world.run_now();
    CHECK(answer->code() != error_code::breaker_open);
    refused += answer->error ? 1U : 0U;
  }
  CHECK(refused > 0);
}

TEST_CASE("a reset of one peer lets all peers of its endpoint try again", "[simulation][P4]") {
  simulated_system world{{.pool = {.reconnects_per_second = 1'000, .reconnect_burst = 100}}};
  auto user = world.make_probe();
  acquire_many(world, 20);
  world.run_for(1min);
  REQUIRE(figures(world, user).open_breakers == 1);
  const auto before = world.hosts().attempt_count(server);
  world.hosts().listen(server, echo_service());
  user.reset(world.supervisor(), 1);
  world.run_for(100ms);
  CHECK(world.hosts().attempt_count(server) >= before + 15);
  CHECK(figures(world, user).open_breakers == 0);
}

TEST_CASE("peers that close, crash or are killed while a breaker is open hold up nobody behind it",
          "[simulation][P4][B9][B10]") {
  simulated_system world;
  auto user = world.make_probe();
  auto peers = acquire_many(world, 40);
  world.run_for(5s);
  REQUIRE(figures(world, user).open_breakers == 1);
  // Whoever is probe, candidate or parked now.
  for (std::size_t index = 0; index < 20; ++index) {
    if (index % 3 == 0)
      user.close(peers[index], close_mode::abort);
    else if (index % 3 == 1)
      user.close(peers[index], close_mode::drain);
    else
      caf::anon_send_exit(peers[index], caf::exit_reason::kill);
    world.run_for(37ms);
  }
  world.run_for(1s);
  CHECK(figures(world, user).peers == 20);
  CHECK(figures(world, user).waiting + figures(world, user).connecting == 20);
  world.transports().crash_in(transport_call::connect, 3);
  world.run_for(10s);
  world.hosts().listen(server, echo_service());
  world.run_for(20s);
  CHECK(figures(world, user).ready == 20);
}

} // namespace actorwire::test
