#include "simulated_system.hpp"
#include "story.hpp"
#include "ways_into_states.hpp"

#include <actorwire/actors/errors.hpp>

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";
constexpr std::array all_modes{close_mode::abort, close_mode::flush, close_mode::drain};

/// A peer with every kind of request open that can be open, however it ends.
class busy_peer {
public:
  busy_peer(simulated_system& world, connection_actor what)
    : user(world.make_probe()), peer(std::move(what)), pool(world.supervisor()) {
    user.subscribe(peer, event_mask::state | event_mask::loss | event_mask::backpressure);
    world.run_now();
    for (int count = 0; count < 3; ++count)
      speak(0);
    connects.push_back(user.connect(peer));
    pulls.push_back(user.receive(peer));
    ask();
    world.run_for(10ms);
    // Only an established connection of QUIC has another stream.
    for (const auto& each : streams)
      if (each->value) {
        speak(each->value->stream);
        pulls.push_back(user.receive(peer, {}, each->value->stream));
        ++stream_count;
      }
    world.run_for(10ms);
  }

  /// What is answered at once, unless the peer ends meanwhile.
  void ask() {
    figures.push_back(user.get_stats(peer));
    states.push_back(user.get_state(peer));
    health.push_back(user.get_health(peer));
    totals.push_back(user.get_pool_totals(pool));
    streams.push_back(user.open_stream(peer));
    speak(0);
  }

  /// Requests that do not have exactly one answer.
  [[nodiscard]] std::size_t badly_answered() const {
    std::size_t bad = 0;
    const auto check = [&bad](const auto& answers) {
      for (const auto& each : answers)
        bad += each->count == 1 && each->value.has_value() != each->error.has_value() ? 0U : 1U;
    };
    check(sends);
    check(connects);
    check(pulls);
    check(figures);
    check(states);
    check(closes);
    check(calls);
    check(batches);
    check(health);
    check(totals);
    check(streams);
    return bad;
  }

  probe user;
  connection_actor peer;
  supervisor_actor pool;
  std::size_t stream_count = 0;
  std::vector<answer_to<sent>> sends;
  std::vector<answer_to<connection_info>> connects;
  std::vector<answer_to<received>> pulls;
  std::vector<answer_to<stats>> figures;
  std::vector<answer_to<connection_status>> states;
  std::vector<answer_to<close_report>> closes;
  std::vector<answer_to<answered>> calls;
  std::vector<answer_to<batch_sent>> batches;
  std::vector<answer_to<health_report>> health;
  std::vector<answer_to<pool_totals>> totals;
  std::vector<answer_to<stream_opened>> streams;

private:
  /// Says something on a stream in every way.
  void speak(stream_id stream) {
    const std::string text(30'000, 'x');
    send_options how{.stream = stream};
    user.cast(peer, "nobody waits for this", how);
    calls.push_back(user.call(peer, text, how, 1h));
    for (const auto wanted : {outcome::written, outcome::acked}) {
      how.wanted = wanted;
      sends.push_back(user.send(peer, text, how));
      batches.push_back(user.send_batch(peer, {text, text}, how));
    }
  }
};

/// A connection with other streams than 0.
void keep_streams_open(simulated_system& world, acquire_options& options) {
  options.transport.protocol_settings = quic_config{};
  options.transport.operation_timeout = 1h;
  world.hosts().listen("quic://server:1", deaf_service(options.transport));
}

acquire_options roomy() {
  auto options = framed();
  options.transport.flow.queue_age = 1h;
  return options;
}

} // namespace

TEST_CASE("a close in any state is answered within its time and leaves nothing behind", "[simulation][B10][D2]") {
  for (const auto& way : ways_into_states)
    for (const auto mode : all_modes) {
      CAPTURE(name_of(way.state), name_of(mode));
      simulated_system world{{.pool = one_attempt_at_a_time()}};
      auto user = world.make_probe();
      auto options = roomy();
      way.prepare(world, options);
      world.run_now();
      const auto actors = world.actor_count();
      const auto timers = world.timer_count();
      const auto memory = world.net().memory_used();
      {
        const auto peer = way.go(world, user, options);
        const auto begin = user.send(peer, "what waits when the close comes");
        world.run_now();
        const auto state = user.get_state(peer);
        world.run_now();
        REQUIRE(state->value);
        REQUIRE(state->value->state == way.state);

        const auto asked_at = world.now();
        const auto closed = user.close(peer, mode, 2s);
        REQUIRE(world.run_until([&] { return closed->count > 0; }, 2s));
        CHECK(world.now() - asked_at <= 2s);
        REQUIRE(closed->value);
        CHECK(adds_up(closed->value->delivery));
        CHECK(closed->value->delivery.pending == tally{});
        world.run_now();
        CHECK(begin->count == 1);
        CHECK(closed->count == 1);
      }
      // The connection actor goes when its transport has said its last word, which may come late.
      world.run_for(1s);
      CHECK(world.actor_count() == actors);
      world.hosts().crash("server", simulated_network::crash_kind::process);
      world.run_for(1min);
      CHECK(world.timer_count() == timers);
      CHECK(world.net().memory_used() == memory);
    }
}

TEST_CASE("a second close speeds up the first, and both are answered", "[simulation][B10][D2]") {
  simulated_system world;
  world.hosts().listen(server, deaf_service());
  auto user = world.make_probe();
  auto options = framed();
  options.transport.operation_timeout = 1h;
  const auto peer = world.acquire(server, options);
  world.run_for(1s);
  user.cast(peer, std::string(200'000, 'x'));
  const auto slow = user.close(peer, close_mode::drain, 1h);
  world.run_for(1min);
  REQUIRE(slow->count == 0);
  const auto quick = user.close(peer, close_mode::abort, 1h);
  world.run_now();
  CHECK(slow->value);
  CHECK(quick->value);
}

TEST_CASE("whoever asks for a close at the moment when another is answered is answered too", "[simulation][B10][D2]") {
  for (const auto asks_pool : {false, true}) {
    CAPTURE(asks_pool);
    auto first = 0;
    auto second = 0;
    simulated_system world;
    world.hosts().listen(server, sink_service());
    const auto peer = world.acquire(server, roomy());
    world.run_for(1s);
    const auto pool = world.net().supervisor();
    world.net().spawn_on_shard(0, [&, pool](caf::event_based_actor* self) -> caf::behavior {
      const auto count_second = [&second](auto answer) {
        std::move(answer).then([&second](const close_report&) { ++second; }, [&second](caf::error&) { ++second; });
      };
      ask(self, peer, caf::infinite, close{close_mode::drain, 30s})
          .then(
              [&, self, pool, count_second](const close_report&) {
                ++first;
                if (asks_pool)
                  count_second(ask(self, pool, caf::infinite, close{close_mode::flush, 2s}));
                else
                  count_second(ask(self, peer, caf::infinite, close{close_mode::flush, 2s}));
              },
              [](caf::error&) {});
      return {[](int) {}};
    });
    world.run_for(1min);
    CHECK(first == 1);
    CHECK(second == 1);
  }
}

TEST_CASE("a drain of a network whose clock stands still aborts what is not over at once, and reports all of it",
          "[simulation][B10]") {
  simulated_system world;
  world.hosts().listen(server, deaf_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, roomy());
  const auto away = world.acquire("tcp://nobody:1", roomy());
  world.run_for(1s);
  user.cast(peer, std::string(200'000, 'x'));
  user.cast(away, "waits");
  world.run_now();
  const auto report = world.net().drain(1h);
  CHECK_FALSE(report.complete);
  CHECK(report.delivery.accepted == tally{2, 200'005});
  CHECK(report.delivery.pending == tally{});
  CHECK(adds_up(report.delivery));
  CHECK(world.net().acquire(server).error().code == error_code::closed);
  CHECK(world.net().drain(1h) == close_report{{}, true});
  CHECK(world.net().memory_used() == 0);
}

TEST_CASE("a close that is told and not asked is carried out, and answered to nobody", "[simulation][B10]") {
  for (const auto& way : ways_into_states)
    for (const auto mode : all_modes) {
      CAPTURE(name_of(way.state), name_of(mode));
      auto reports = 0;
      simulated_system world{{.pool = one_attempt_at_a_time()}};
      auto watcher = world.make_probe();
      auto options = roomy();
      way.prepare(world, options);
      const auto peer = way.go(world, watcher, options);
      watcher.subscribe(peer, event_mask::state);
      const auto teller = world.net().spawn_on_shard(0, [&](caf::event_based_actor* self) -> caf::behavior {
        tell(self, peer, close{mode, 2s});
        return {
            [&](const close_report&) { ++reports; },
            [&](caf::error&) { ++reports; },
        };
      });
      world.run_now();
      // Whoever asks meanwhile is answered, and alone.
      const auto asked = watcher.close(peer, mode, 2s);
      world.run_for(2s);
      CHECK(watcher.last_state().value_or(connection_state::closed) == connection_state::closed);
      CHECK(asked->count == 1);
      CHECK(reports == 0);
      caf::anon_send_exit(teller, caf::exit_reason::user_shutdown);
      world.run_now();
    }
}

TEST_CASE("a close that waits for a connection ends when the attempt fails or its actor crashes",
          "[simulation][B9][B10]") {
  for (const auto where : {transport_call::create, transport_call::init, transport_call::connect}) {
    CAPTURE(static_cast<int>(where));
    simulated_system world;
    world.transports().crash_in(where);
    auto user = world.make_probe();
    // The close overtakes the news of the crash: it is asked for as soon as the peer is there.
    unsigned answers = 0;
    user.run([&](caf::event_based_actor* self) {
      ask(self, world.supervisor(), caf::infinite, acquire{parse_endpoint(server).value(), framed()})
          .then([self, &answers](const connection_actor& peer) {
            ask(self, peer, caf::infinite, close{close_mode::drain, 1h}).then([&answers](const close_report&) {
              ++answers;
            });
          });
    });
    world.run_for(1s);
    CHECK(answers == 1);
  }
}

TEST_CASE("every request gets exactly one answer, whatever ends the peer", "[simulation][D2]") {
  using ending = void (*)(simulated_system&, busy_peer&);
  const std::array<std::pair<std::string_view, ending>, 8> endings{{
      {"close abort",
       [](simulated_system&, busy_peer& on) { on.closes.push_back(on.user.close(on.peer, close_mode::abort)); }},
      {"close flush",
       [](simulated_system&, busy_peer& on) { on.closes.push_back(on.user.close(on.peer, close_mode::flush)); }},
      {"close drain",
       [](simulated_system&, busy_peer& on) { on.closes.push_back(on.user.close(on.peer, close_mode::drain)); }},
      {"exit", [](simulated_system&, busy_peer& on) { caf::anon_send_exit(on.peer, caf::exit_reason::user_shutdown); }},
      {"kill", [](simulated_system&, busy_peer& on) { caf::anon_send_exit(on.peer, caf::exit_reason::kill); }},
      {"close of the supervisor",
       [](simulated_system& world, busy_peer& on) {
         on.closes.push_back(on.user.close(world.supervisor(), close_mode::drain, 10s));
       }},
      {"kill of the supervisor",
       [](simulated_system& world, busy_peer&) { caf::anon_send_exit(world.supervisor(), caf::exit_reason::kill); }},
      {"crashes beyond the limit",
       [](simulated_system& world, busy_peer& on) {
         world.transports().crash_in(transport_call::send, 1'000);
         world.transports().crash_in(transport_call::connect, 1'000);
         on.user.cast(on.peer, "wakes the crash up");
         world.run_for(1min);
         // A pull waits for data as long as the peer lives.
         on.closes.push_back(on.user.close(on.peer, close_mode::abort));
       }},
  }};
  std::vector all_ways(ways_into_states.begin(), ways_into_states.end());
  all_ways.push_back({connection_state::ready, "quic://server:1", keep_streams_open, 1s});
  for (const auto& way : all_ways)
    for (const auto& [name, end] : endings) {
      CAPTURE(name_of(way.state), way.uri, name);
      simulated_system world{{.pool = one_attempt_at_a_time()}};
      auto user = world.make_probe();
      auto options = roomy();
      options.transport.framing.mode = framing_mode::numbered;
      way.prepare(world, options);
      const auto peer = way.go(world, user, options);
      busy_peer busy{world, peer};
      CHECK((busy.stream_count > 0) == (way.prepare == keep_streams_open));
      busy.ask();
      end(world, busy);
      busy.ask();
      world.run_for(2min);
      CHECK(busy.badly_answered() == 0);
    }
}

TEST_CASE("a request that comes after the end is answered too", "[simulation][D2]") {
  simulated_system world;
  const auto peer = world.acquire(server, framed());
  auto user = world.make_probe();
  user.close(peer, close_mode::abort);
  world.run_now();
  const auto message = user.send(peer, "too late");
  const auto state = user.get_state(peer);
  const auto again = user.close(peer, close_mode::abort);
  world.run_now();
  CHECK(message->error);
  CHECK(state->error);
  CHECK(again->error);
}

TEST_CASE("the end of the network answers every request and hangs nowhere", "[simulation][D2][B10]") {
  for (const auto& way : ways_into_states) {
    CAPTURE(name_of(way.state));
    simulated_system world{{.pool = one_attempt_at_a_time()}};
    auto user = world.make_probe();
    auto options = roomy();
    way.prepare(world, options);
    const auto peer = way.go(world, user, options);
    // One that lives elsewhere sees the answers after the shards are gone. The time is for a defect only.
    caf::scoped_actor self{world.actors()};
    auto message = ask(self.operator->(), peer, 10s,
                       send{payload::copy_of(std::string(200'000, 'x')), {.wanted = outcome::acked}});
    auto pull = ask(self.operator->(), peer, 10s, receive{});
    world.run_now();
    world.destroy_network();
    const auto check = [](const caf::error& reason) { CHECK(reason != caf::sec::request_timeout); };
    std::move(pull).receive([](const received&) { FAIL_CHECK("nothing was sent"); }, check);
    std::move(message).receive([](const sent& known) { CHECK(known.result == outcome::maybe_sent); }, check);
  }
}

} // namespace actorwire::test
