// What connections say of their health, and whom they give up when.

#include "cared_for_peer.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

constexpr auto server = cared_for_server;

} // namespace

TEST_CASE("a message that waits for too long makes a ready connection degraded, until none does",
          "[simulation][S1][S3]") {
  auto options = framed();
  options.transport.flow.degraded_age = 500ms;
  options.transport.operation_timeout = 1h;
  cared_for_peer with{options};
  with.world.run_for(1min);
  CHECK(with.user.last_state() == connection_state::ready);
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  const auto begun = with.world.now();
  // More than the way takes.
  for (int count = 0; count < 20; ++count)
    with.user.cast(with.peer, std::string(10'000, 'x'));
  REQUIRE(with.reach(connection_state::degraded));
  const auto after = with.world.now() - begun;
  CHECK(after >= 500ms);
  CHECK(after <= 1s);
  const auto told = with.user.all<state_changed>().back();
  CHECK(told.reason.code == error_code::stalled);
  CHECK(told.reason.text.find("flow.degraded_age = 500 ms") != std::string::npos);
  CHECK(with.changes().back().causes == std::vector{health_cause::queue_too_old});
  CHECK(with.health().oldest_waiting >= 500ms);
  with.world.hosts().heal("server");
  const auto healed = with.world.now();
  REQUIRE(with.reach(connection_state::ready));
  CHECK(with.world.now() - healed <= 500ms / 8 + 50ms);
  CHECK(with.health().oldest_waiting == 0ms);
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("two causes come and go on their own, and the states follow the first and the last", "[simulation][S1]") {
  auto options = framed();
  options.transport.flow.degraded_age = 2s;
  options.transport.operation_timeout = 1h;
  cared_for_peer with{options};
  with.probe({1s, 300ms, 1, 0, true});
  with.asked.answer(prober::manner::badly);
  REQUIRE(with.reach(connection_state::degraded));
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  for (int count = 0; count < 20; ++count)
    with.user.cast(with.peer, std::string(10'000, 'x'));
  with.world.run_for(10s);
  CHECK(with.health().causes == std::vector{health_cause::probe_failing, health_cause::queue_too_old});
  with.asked.answer(prober::manner::well);
  with.world.run_for(2s);
  CHECK(with.health().causes == std::vector{health_cause::queue_too_old});
  CHECK(with.user.last_state() == connection_state::degraded);
  with.world.hosts().heal("server");
  REQUIRE(with.reach(connection_state::ready));
  CHECK(with.changes().size() == 4);
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("a report says how long the state, the silence and the oldest message have lasted", "[simulation][H5]") {
  cared_for_peer with;
  auto report = with.health();
  CHECK(report.source == with.snapshot.info.id);
  CHECK(report.generation == 1);
  CHECK(report.half_open_bound == half_open_bound(framed().transport, protocol::tcp));
  with.world.run_for(7s);
  report = with.health();
  CHECK(report.time_in_state == 7s);
  CHECK(report.silence >= 7s);
  CHECK(report.oldest_waiting == 0ms);
  CHECK(report.round_trip > 0us);
  with.world.hosts().crash("server", simulated_network::crash_kind::process);
  REQUIRE(with.reach(connection_state::backoff));
  with.user.cast(with.peer, "waits");
  with.world.run_for(3s);
  report = with.health();
  CHECK(report.state != connection_state::ready);
  CHECK(report.silence == 0ms);
  CHECK(report.oldest_waiting == 3s);
  with.world.hosts().restart("server");
  with.world.run_for(5s);
  with.world.hosts().stop_listening(server);
  with.world.hosts().listen(server, echo_service());
  with.world.hosts().reset_connections("server");
  REQUIRE(with.reach(connection_state::ready));
  with.world.run_for(2s);
  with.user.cast(with.peer, "hello");
  with.world.run_for(1s);
  report = with.health();
  CHECK(report.time_in_state == 3s);
  CHECK(report.silence < 1s);
}

TEST_CASE("a host that vanishes is found within the documented bound, whatever the settings are", "[simulation][H1]") {
  for (const auto& [interval, timeout] :
       {std::pair{1s, 1s}, std::pair{1s, 30s}, std::pair{15s, 20s}, std::pair{60s, 5s}})
    for (const auto uri : {"tcp://server:1", "tls://server:1", "quic://server:1"}) {
      CAPTURE(interval.count(), timeout.count(), uri);
      simulated_system world;
      auto options = framed();
      options.transport.keepalive_interval = interval;
      options.transport.keepalive_timeout = timeout;
      const auto where = parse_endpoint(uri).value();
      if (where.proto == protocol::quic)
        options.transport.protocol_settings = quic_config{.idle_timeout = 120s};
      world.hosts().listen(uri, echo_service());
      auto user = world.make_probe();
      const auto peer = world.acquire(uri, options);
      user.subscribe(peer);
      REQUIRE(world.run_until([&] { return user.last_state() == connection_state::ready; }));
      // Bytes that come prolong it, and nothing is found that is not so.
      for (int round = 0; round < 20; ++round) {
        user.cast(peer, "hello");
        world.run_for(interval / 2);
      }
      CHECK(user.last_state() == connection_state::ready);
      world.hosts().partition("server");
      const auto begun = world.now();
      REQUIRE(world.run_until([&] { return user.last_state() == connection_state::backoff; }, 1h));
      CHECK(world.now() - begun <= half_open_bound(options.transport, where.proto));
      CHECK(user.all<state_changed>().back().reason.code == error_code::keepalive_timeout);
    }
}

TEST_CASE("a program that was stopped gives nobody up for what it could not see meanwhile", "[simulation][H1]") {
  auto options = framed();
  options.transport.operation_timeout = 5s;
  cared_for_peer with{options};
  with.probe({5s, 5s, 1, 1, true});
  with.world.run_for(4s);
  SECTION("while a prober is waited for") {
    with.asked.answer(prober::manner::not_at_all);
    with.world.run_for(3s);
    REQUIRE(with.asked.asked().size() == 1);
    with.world.stop_for(1min);
    with.world.run_now();
    CHECK(with.user.last_state() == connection_state::ready);
    with.asked.answer_late(with.world, true);
    with.world.run_for(4s);
    CHECK(with.health().probe_successes == 1);
  }
  SECTION("while bytes wait") {
    with.world.hosts().set_path("server", simulated_network::path_state::stalled);
    for (int count = 0; count < 20; ++count)
      with.user.cast(with.peer, std::string(10'000, 'x'));
    with.world.run_for(4s);
    // It takes everything while nobody here looks.
    with.world.hosts().heal("server");
    with.world.stop_for(1min);
    with.world.run_for(4s);
  }
  CHECK(with.user.last_state() == connection_state::ready);
  CHECK(with.user.all<state_changed>().back().generation == 1);
}

TEST_CASE("a message gets no older while this side is stopped itself", "[simulation][H1][S1]") {
  auto options = framed();
  options.transport.flow.degraded_age = 2s;
  options.transport.operation_timeout = 1h;
  cared_for_peer with{options};
  with.world.run_for(10s);
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  for (int count = 0; count < 20; ++count)
    with.user.cast(with.peer, std::string(10'000, 'x'));
  with.world.run_for(1'500ms);
  const auto heals = GENERATE(true, false);
  if (heals)
    with.world.hosts().heal("server");
  const auto stops = GENERATE(1, 2);
  CAPTURE(heals, stops);
  for (int count = 0; count < stops; ++count) {
    with.world.stop_for(1min);
    with.world.run_for(200ms);
    // Something has to happen for it to be known that the shard runs.
    CHECK(with.health().causes.empty());
  }
  CHECK(with.changes().empty());
  with.world.run_for(5s);
  CHECK(with.user.last_state() == (heals ? connection_state::ready : connection_state::degraded));
  CHECK(with.changes().size() == (heals ? 0 : 1));
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("a peer works as ever when its clock is beyond what 32 bits count in milliseconds", "[simulation][H4]") {
  cared_for_peer with;
  with.probe({30min, 1s, 1, 3, true});
  with.world.run_for(std::chrono::hours{24 * 60});
  CHECK(with.user.last_state() == connection_state::ready);
  CHECK(with.asked.asked().size() == 2 * 24 * 60);
  CHECK(with.health().time_in_state > std::chrono::milliseconds{std::int64_t{1} << 32U});
  with.user.cast(with.peer, "still here");
  with.world.hosts().reset_connections("server");
  REQUIRE(with.reach(connection_state::ready));
  CHECK(with.user.all<opened>().back().info.generation == 2);
  with.asked.answer(prober::manner::not_at_all);
  REQUIRE(with.reach(connection_state::degraded));
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("figures only grow over reconnects, generations add up to the total, and no latency is negative",
          "[simulation][H5][random]") {
  const test_seed seed;
  auto chance = seed.engine();
  cared_for_peer with{framed(), {.seed = seed.value()}};
  with.world.hosts().stop_listening(server);
  with.world.hosts().listen(server, echo_service());
  auto last = with.user.get_stats(with.peer);
  with.world.run_now();
  for (int round = 0; round < 40; ++round) {
    for (auto count = chance() % 20; count > 0; --count)
      with.user.cast(with.peer, std::string(chance() % 3'000, 'x'));
    with.world.run_for(std::chrono::milliseconds{chance() % 300});
    if (chance() % 3 == 0)
      with.world.hosts().reset_connections("server");
    const auto next = with.user.get_stats(with.peer);
    with.world.run_now();
    const auto& before = last->value.value();
    const auto& after = next->value.value();
    CHECK(has_grown(before, after));
    CHECK(after.transport.latency >= 0us);
    CHECK(after.transport.reconnect_count == after.generation - 1);
    CHECK(with.health().round_trip >= 0us);
    last = next;
  }
  with.world.run_for(10s);
  const auto final = with.user.get_stats(with.peer);
  with.world.run_now();
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::size_t generations = 0;
  for (const auto* each : with.world.hosts().records()) {
    generations += each->was_established ? 1U : 0U;
    sent += each->taken_from_dialler;
    received += each->arrived_at_dialler.size();
  }
  const auto& all = final->value.value();
  CHECK(all.generation == generations);
  CHECK(all.transport.bytes_sent == sent);
  // What arrived with a reset behind it may not have been handed over.
  CHECK(all.transport.bytes_received <= received);
  CHECK(all.lifetime.round_trip.count() > 0);
}

} // namespace actorwire::test
