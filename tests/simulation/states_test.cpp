#include "echoes.hpp"
#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"
#include "ways_into_states.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

/// A peer that somebody watches from its first state on.
struct watched_peer {
  explicit watched_peer(simulated_system& where, const acquire_options& options = framed())
    : world(where), watcher(where.make_probe()), peer(where.acquire(server, options)) {
    const auto answer = watcher.subscribe(peer);
    world.run_now();
    snapshot = answer->value.value();
  }

  bool reach(connection_state wanted) {
    return world.run_until([&] { return watcher.last_state() == wanted; });
  }

  simulated_system& world;
  probe watcher;
  connection_actor peer;
  connection_status snapshot;
};

} // namespace

TEST_CASE("a peer goes through every state of a life and tells each step with its reason", "[simulation][S1][S3]") {
  simulated_system world;
  world.hosts().plan_next(server, refusing());
  world.hosts().plan_next(server, resetting(10));
  world.hosts().listen(server, sink_service());
  watched_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  with.watcher.cast(with.peer, "more than ten bytes");
  REQUIRE(with.reach(connection_state::backoff));
  REQUIRE(with.reach(connection_state::ready));
  const auto closed = with.watcher.close(with.peer, close_mode::drain);
  REQUIRE(with.reach(connection_state::closed));
  world.run_for(1min);

  CHECK(closed->value);
  std::string path;
  for (const auto& change : with.watcher.all<state_changed>())
    path.append(name_of(change.to)).append(" ");
  CHECK(path == "backoff resolving connecting ready backoff resolving connecting ready draining closed ");
  check_story(with.watcher.notes(), with.snapshot);
}

TEST_CASE("a late subscriber gets a snapshot and every state that follows it", "[simulation][S1]") {
  for (const auto late : {0ms, 1ms, 2ms, 3ms, 50ms, 150ms, 1000ms}) {
    CAPTURE(late.count());
    simulated_system world;
    for (int count = 0; count < 3; ++count)
      world.hosts().plan_next(server, refusing());
    world.hosts().listen(server, sink_service());
    const auto peer = world.acquire(server, framed());
    world.run_for(late);
    auto watcher = world.make_probe();
    const auto snapshot = watcher.subscribe(peer);
    world.run_for(5s);
    world.hosts().reset_connections("server");
    world.run_for(5s);
    REQUIRE(snapshot->value);
    CHECK(watcher.last_state() == connection_state::ready);
    check_story(watcher.notes(), *snapshot->value);
  }
}

TEST_CASE("nothing follows closed", "[simulation][S1]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  watched_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  with.watcher.close(with.peer, close_mode::abort);
  world.run_now();
  REQUIRE(with.watcher.last_state() == connection_state::closed);
  const auto told = with.watcher.notes().size();
  with.watcher.cast(with.peer, "late");
  world.hosts().reset_connections("server");
  world.run_for(1min);
  CHECK(with.watcher.notes().size() == told);
}

TEST_CASE("each generation is told once, and nothing of an older one comes after it", "[simulation][S2]") {
  simulated_system world;
  // Whatever the transport says comes so late that the peer may long be elsewhere.
  for (int count = 0; count < 5; ++count)
    world.hosts().plan_next(server, {.fault = connection_fault{connection_fault::kind::reset, side::listener, 100},
                                     .lateness = 300ms});
  world.hosts().listen(server, echo_service());
  watched_peer with{world};
  for (int count = 0; count < 200; ++count) {
    auto text = std::to_string(count);
    with.watcher.send(with.peer, std::string(3 - text.size(), '0') + text + ": a message of thirty-two bytes");
    world.run_for(100ms);
  }
  world.run_for(10s);
  // The last connection is a sound one.
  CHECK(with.watcher.count<opened>() == 6);
  CHECK(with.watcher.all<opened>().back().info.generation == with.watcher.count<opened>());
  CHECK(with.watcher.count<receipt>() == 200);
  check_story(with.watcher.notes(), with.snapshot);
  // Nor does any come under the name of a newer one.
  CHECK(with.watcher.count<received>() > 20);
  check_echoes(with.watcher, world.hosts(), {parse_endpoint(server).value()});
}

TEST_CASE("a transport that was given up is not heard any more", "[simulation][S2]") {
  for (const auto lateness : {0ms, 1ms, 10ms, 100ms}) {
    CAPTURE(lateness.count());
    simulated_system world;
    world.hosts().plan_next(server, {.lateness = lateness});
    world.hosts().listen(server, echo_service());
    watched_peer with{world};
    REQUIRE(with.reach(connection_state::ready));
    with.watcher.send(with.peer, "echo of this is on its way when the peer closes");
    world.run_for(1ms);
    with.watcher.close(with.peer, close_mode::abort);
    world.run_now();
    const auto told = with.watcher.notes().size();
    const auto again = world.acquire(server, framed());
    world.run_for(1min);
    CHECK(with.watcher.notes().size() == told);
    CHECK(with.watcher.last_state() == connection_state::closed);
  }
}

TEST_CASE("every failure names its phase and code, and none repeats what was sent", "[simulation][S3]") {
  constexpr std::string_view secret = "hunter2-the-password";
  simulated_system world;
  auto options = framed();
  options.reconnection.max_attempts = 7;
  world.hosts().plan_next(server, refusing());
  world.hosts().plan_next(server, {.answer = attempt_answer::unknown_name});
  world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
  world.hosts().plan_next(server, resetting(3));
  world.hosts().plan_next(server, vanishing(30));
  world.hosts().plan_next(server, refusing());
  watched_peer with{world, options};
  world.hosts().listen(server, echo_service());
  std::vector<answer_to<sent>> answers;
  for (int count = 0; count < 120; ++count) {
    answers.push_back(with.watcher.send(with.peer, secret, {.ttl = 3s}));
    with.watcher.cast(with.peer, secret, {.policy = when_down::fail});
    world.run_for(1s);
  }
  with.watcher.send(with.peer, std::string(5'000'000, 'x').append(secret));
  world.transports().crash_in(transport_call::send, 10);
  world.run_for(2min);
  with.watcher.close(with.peer, close_mode::flush, 1s);
  world.run_for(10s);

  std::vector<phase> phases;
  for (const auto& told : with.watcher.notes()) {
    INFO(to_string(told));
    if (const auto* change = std::get_if<state_changed>(&told.what);
        change != nullptr && change->reason.code != error_code::none)
      phases.push_back(change->reason.where);
    CHECK(to_string(told).find(secret) == std::string::npos);
  }
  CHECK(std::vector(phases.begin(), phases.begin() + 5)
        == std::vector{phase::connect, phase::resolve, phase::connect, phase::established, phase::established});
  check_story(with.watcher.notes(), with.snapshot);
}

TEST_CASE("state and statistics are told in every state, at once", "[simulation][S4]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto options = framed();
  options.reconnection.max_attempts = 2;
  watched_peer with{world, options};
  const auto check = [&](connection_state expected) {
    CAPTURE(name_of(expected));
    const auto state = with.watcher.get_state(with.peer);
    const auto figures = with.watcher.get_stats(with.peer);
    world.run_now();
    REQUIRE(state->value);
    CHECK(state->value->state == expected);
    REQUIRE(figures->value);
    CHECK(figures->value->state == expected);
    CHECK(adds_up(figures->value->delivery));
  };
  check(connection_state::connecting);
  REQUIRE(with.reach(connection_state::ready));
  check(connection_state::ready);
  // A path on which nothing moves stalls whatever is written.
  world.hosts().partition("server");
  for (int count = 0; count < 100; ++count)
    with.watcher.cast(with.peer, std::string(1'000, 'x'));
  world.run_for(1s);
  check(connection_state::ready);
  REQUIRE(with.reach(connection_state::backoff));
  check(connection_state::backoff);
  REQUIRE(with.reach(connection_state::connecting));
  check(connection_state::connecting);
  REQUIRE(with.reach(connection_state::failed));
  check(connection_state::failed);
  world.hosts().heal("server");
  with.watcher.reset(world.supervisor(), with.snapshot.info.id);
  REQUIRE(with.reach(connection_state::ready));
  world.hosts().set_path("server", simulated_network::path_state::stalled);
  with.watcher.cast(with.peer, "the last one");
  with.watcher.close(with.peer, close_mode::drain, 5s);
  world.run_for(1s);
  check(connection_state::draining);
  REQUIRE(with.reach(connection_state::closed));
}

TEST_CASE("whoever asks a peer for anything about it is answered at the same instant, in each of the states",
          "[simulation][S4]") {
  for (const auto& way : ways_into_states) {
    CAPTURE(name_of(way.state));
    simulated_system world{{.pool = one_attempt_at_a_time()}};
    auto user = world.make_probe();
    auto options = framed();
    way.prepare(world, options);
    const auto peer = way.go(world, user, options);
    const auto instant = world.now();
    const auto state = user.get_state(peer);
    const auto figures = user.get_stats(peer);
    const auto health = user.get_health(peer);
    const auto all = user.list(world.supervisor());
    const auto snapshot = user.subscribe(peer);
    world.run_now();
    CHECK(world.now() == instant);
    REQUIRE(state->value);
    CHECK(state->value->state == way.state);
    REQUIRE(figures->value);
    CHECK(figures->value->state == way.state);
    CHECK(adds_up(figures->value->delivery));
    REQUIRE(health->value);
    CHECK(health->value->state == way.state);
    REQUIRE(snapshot->value);
    CHECK(snapshot->value->state == way.state);
    CHECK(std::ranges::count(all->value.value(), state->value->info.id,
                             [](const connection_status& each) { return each.info.id; })
          == 1);
    // Each that needs a reason has one.
    const auto has_reason = way.state == connection_state::degraded || way.state == connection_state::backoff
                         || way.state == connection_state::draining || way.state == connection_state::failed;
    CHECK((state->value->last_error.code != error_code::none) == has_reason);
    CHECK((state->value->next_retry > 0ms) == (way.state == connection_state::backoff));
  }
}

TEST_CASE("the time to the next attempt is what is left when somebody asks", "[simulation][S4]") {
  simulated_system world;
  auto options = framed();
  options.reconnection.base_delay = options.reconnection.max_delay = 10s;
  options.reconnection.jitter = 0;
  watched_peer with{world, options};
  REQUIRE(with.reach(connection_state::backoff));
  const auto told = with.watcher.all<state_changed>().back().next_retry;
  CHECK(told > 9s);
  for (const auto passed : {1s, 2s, 3s}) {
    world.run_for(1s);
    const auto state = with.watcher.get_state(with.peer);
    auto late = world.make_probe();
    const auto snapshot = late.subscribe(with.peer);
    const auto all = with.watcher.list(world.supervisor());
    world.run_now();
    CHECK(state->value.value().next_retry == told - passed);
    CHECK(snapshot->value.value().next_retry == told - passed);
    CHECK(all->value.value().front().next_retry == told - passed);
  }
  world.hosts().listen(server, sink_service());
  REQUIRE(with.reach(connection_state::ready));
  const auto state = with.watcher.get_state(with.peer);
  world.run_now();
  CHECK(state->value.value().next_retry == 0ms);
}

TEST_CASE("failed attempts are told while the next one is under way, and none while the connection is ready",
          "[simulation][S4]") {
  simulated_system world;
  for (int count = 0; count < 3; ++count)
    world.hosts().plan_next(server, refusing());
  world.hosts().plan_next(server, {.lateness = 100ms});
  world.hosts().listen(server, sink_service());
  watched_peer with{world};
  const auto attempts = [&] {
    const auto state = with.watcher.get_state(with.peer);
    const auto all = with.watcher.list(world.supervisor());
    world.run_now();
    CHECK(state->value.value().attempt == all->value.value().front().attempt);
    return state->value->attempt;
  };
  REQUIRE(world.run_until([&] { return world.hosts().attempt_count(server) == 4; }));
  for (const auto where : {connection_state::resolving, connection_state::connecting}) {
    REQUIRE(with.reach(where));
    CHECK(attempts() == 3);
    CHECK(with.watcher.all<state_changed>().back().attempt == 3);
  }
  REQUIRE(with.reach(connection_state::ready));
  CHECK(attempts() == 0);
  CHECK(with.watcher.all<state_changed>().back().attempt == 0);
}

TEST_CASE("nobody is told that a connection is ready that was lost", "[simulation][S4]") {
  for (const auto shards : {std::size_t{1}, std::size_t{2}}) {
    CAPTURE(shards);
    simulated_system world{{.shards = shards}};
    for (std::size_t shard = 0; shard < shards; ++shard) {
      world.hosts(shard).listen("tcp://other:1", deaf_service());
      world.hosts(shard).listen(server, deaf_service());
    }
    world.acquire("tcp://other:1", framed());
    const auto peer = world.acquire(server, framed());
    // It asks as soon as it can know of the loss, which is before the supervisor has decided what is to follow.
    std::vector<connection_status> states;
    std::vector<stats> figures;
    world.net().spawn_on_shard(shards - 1, [&, peer](caf::event_based_actor* self) -> caf::behavior {
      tell(self, peer, subscribe{event_mask::loss});
      return {
          [](const connection_status&) {},
          [&, self, peer](const data_lost&) {
            ask(self, peer, caf::infinite, get_state{}).then([&](const connection_status& now) {
              states.push_back(now);
            });
            ask(self, peer, caf::infinite, get_stats{}).then([&](const stats& now) { figures.push_back(now); });
          },
      };
    });
    auto user = world.make_probe(shards - 1);
    world.run_for(1s);
    REQUIRE(state_of(world, user, peer) == connection_state::ready);
    user.cast(peer, std::string(200'000, 'x'));
    world.run_for(1s);
    world.hosts(shards - 1).reset_connections("server");
    world.run_for(10ms);
    REQUIRE(states.size() == 1);
    CHECK(states.front().state == connection_state::backoff);
    CHECK(states.front().last_error.code == error_code::reset);
    REQUIRE(figures.size() == 1);
    CHECK(figures.front().state == connection_state::backoff);
  }
}

TEST_CASE("a subscriber that ends is forgotten, and its statistics are not sent any more", "[simulation][S5]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  watched_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  world.run_for(1s);
  const auto timers = world.timer_count();
  const auto actors = world.actor_count();
  auto other = world.make_probe();
  other.subscribe(with.peer);
  other.stream_stats(with.peer, 100ms);
  world.run_for(1s);
  CHECK(other.count<stats>() == 10);
  CHECK(world.timer_count() == timers + 1);
  other.end();
  world.run_now();
  CHECK(world.timer_count() == timers);
  CHECK(world.actor_count() == actors);
  with.watcher.send(with.peer, "still alive");
  world.run_for(1s);
  CHECK(with.watcher.text() == "still alive");
  CHECK(other.count<stats>() == 10);
}

TEST_CASE("a subscriber that ends while it owes does not hold up the others", "[simulation][S5][F1]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto options = framed();
  options.transport.flow.read_credit = 1'000;
  watched_peer with{world, options};
  auto lazy = world.make_probe();
  lazy.subscribe(with.peer, event_mask::data, credit_mode::manual);
  for (int count = 0; count < 20; ++count)
    with.watcher.cast(with.peer, std::string(100, 'x'));
  world.run_for(1s);
  REQUIRE(with.watcher.text().size() < 2'000);
  lazy.end();
  world.run_for(1s);
  CHECK(with.watcher.text().size() == 2'000);
}

TEST_CASE("an unsubscribed actor hears nothing more", "[simulation][S5]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  watched_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  with.watcher.unsubscribe(with.peer);
  world.run_now();
  const auto told = with.watcher.notes().size();
  world.hosts().reset_connections("server");
  world.run_for(1min);
  CHECK(with.watcher.notes().size() == told);
}

} // namespace actorwire::test
