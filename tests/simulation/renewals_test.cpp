// Connections that are replaced by others before they end.

#include "host_and_peer.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view place = "tcp://server:1";

acquire_options mortal(std::chrono::milliseconds lifetime = 10s) {
  auto options = framed();
  options.max_lifetime = lifetime;
  return options;
}

/// A peer whose connections last 10 s, and whoever subscribes to it.
struct mortal_peer {
  explicit mortal_peer(const acquire_options& options = mortal(), std::string_view uri = place,
                       simulated_network::accept_function what = echo_service())
    : service(std::move(what)), user(world.make_probe()) {
    world.hosts().listen(uri, service);
    user.subscribe_to_pool(world.supervisor());
    peer = world.acquire(uri, options);
    snapshot = user.subscribe(peer);
    world.run_for(1s);
  }

  pool_stats figures() {
    const auto answer = user.get_pool_stats(world.supervisor());
    world.run_now();
    return answer->value.value();
  }

  /// Runs until the server has accepted the replacement, while the old connection is still there.
  void await_replacement() {
    REQUIRE(world.run_until([&] { return world.hosts().open_count() == 2; }));
  }

  void check_was_always_ready() {
    check_story(user.notes(), snapshot->value.value());
    auto all = user.all<state_changed>();
    while (!all.empty() && all.front().to != connection_state::ready)
      all.erase(all.begin());
    CHECK(all.size() == 1);
    CHECK(user.last_state() == connection_state::ready);
    const auto now = figures();
    CHECK(now.losses == 0);
    CHECK(now.crashes == 0);
    CHECK(now.connects == user.count<opened>());
    CHECK(now.renewals + 1 == user.count<opened>());
  }

  /// Its connections live as long as it does, whether it listens or not.
  simulated_network::accept_function service;
  simulated_system world;
  probe user;
  connection_actor peer;
  answer_to<connection_status> snapshot;
};

} // namespace

TEST_CASE("a peer whose connections are renewed is ready all the time, and loses no message, nor their order",
          "[simulation][P5][D1][D3][D5][S1][S2]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = GENERATE(1ms, 80ms), .segment_size_max = 7});
  const send_options at_once{.policy = when_down::fail, .wanted = GENERATE(outcome::written, outcome::acked)};
  std::string sent;
  std::vector<answer_to<actorwire::sent>> answers;
  for (int number = 0; number < 3'000; ++number) {
    const auto text = "<" + std::to_string(number) + ">";
    sent += text;
    answers.push_back(here.user.send(here.peer, text, at_once));
    here.world.run_for(20ms);
    const auto state = here.user.get_state(here.peer);
    here.world.run_now();
    REQUIRE(state->value.value().state == connection_state::ready);
  }
  here.world.run_for(1s);
  for (const auto& each : answers)
    REQUIRE(each->value.value().result == at_once.wanted);
  CHECK(here.user.text() == sent);
  CHECK(here.user.count<opened>() >= 6);
  CHECK(here.user.count<data_lost>() == 0);
  here.check_was_always_ready();
  const auto stats = here.user.get_stats(here.peer);
  here.world.run_now();
  CHECK(stats->value.value().transport.reconnect_count == here.figures().renewals);
  CHECK(adds_up(stats->value->delivery));
}

TEST_CASE("a connection that cannot be replaced stays, and is replaced when another can be had",
          "[simulation][P5][P4]") {
  mortal_peer here;
  here.world.hosts().stop_listening(place);
  for (int second = 0; second < 60; ++second) {
    const auto answer = here.user.send(here.peer, "still there", {.policy = when_down::fail});
    here.world.run_for(1s);
    REQUIRE(answer->value);
  }
  CHECK(here.user.count<opened>() == 1);
  CHECK(here.world.hosts().attempt_count(place) > 30);
  CHECK(here.figures().open_breakers == 0);
  CHECK(here.figures().breaker_openings == 0);
  here.world.hosts().listen(place, here.service);
  here.world.run_for(2s);
  CHECK(here.user.count<opened>() == 2);
  here.check_was_always_ready();
  CHECK(here.world.hosts().open_count() == 1);
}

TEST_CASE("an old connection that does not end is cut after operation_timeout, and what waited leaves by the next",
          "[simulation][P5][D1]") {
  mortal_peer here{mortal(), place, deaf_service()};
  // Behind what the server does not read it does not see the end.
  here.user.cast(here.peer, "never read");
  here.await_replacement();
  here.world.run_for(5ms);
  const auto answer = here.user.send(here.peer, "behind all others");
  here.world.run_for(9s);
  CHECK(answer->count == 0);
  CHECK(here.user.count<opened>() == 1);
  here.world.run_for(1s + 10ms);
  CHECK(answer->value.value().result == outcome::written);
  CHECK(answer->value->generation == 2);
  CHECK(here.world.hosts().open_count() == 1);
  here.check_was_always_ready();
}

TEST_CASE("a connection that is lost while another is dialled is a loss like every other", "[simulation][P5][B3]") {
  mortal_peer here;
  here.world.hosts().plan_next(place, {.answer = attempt_answer::ignore});
  REQUIRE(here.world.run_until([&] { return here.world.hosts().attempt_count(place) == 2; }));
  here.world.hosts().reset_connections("server");
  here.world.run_for(3s);
  check_story(here.user.notes(), here.snapshot->value.value());
  CHECK(here.user.last_state() == connection_state::ready);
  CHECK(here.user.count<opened>() == 2);
  CHECK(here.figures().losses == 1);
  CHECK(here.figures().renewals == 0);
  CHECK(here.figures().connecting == 0);
  CHECK(here.world.hosts().open_count() == 1);
}

TEST_CASE("when both the old connection and its replacement are lost the peer dials anew", "[simulation][P5][B11]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = 100ms});
  here.await_replacement();
  here.world.run_for(GENERATE(0ms, 50ms, 150ms, 250ms));
  const auto answer = here.user.send(here.peer, "once more");
  here.world.run_now();
  here.world.hosts().reset_connections("server");
  here.world.run_for(5s);
  check_story(here.user.notes(), here.snapshot->value.value());
  CHECK(here.user.last_state() == connection_state::ready);
  CHECK(answer->count == 1);
  CHECK(here.world.hosts().open_count() == 1);
  const auto next = here.user.send(here.peer, "and on", {.policy = when_down::fail});
  here.world.run_for(1s);
  CHECK(next->value);
}

TEST_CASE("what waits for a replacement is sent before a peer closes, and nothing is left of either connection",
          "[simulation][P5][B10][D1]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = 100ms});
  here.await_replacement();
  // The replacement hears of its end of the handshake.
  here.world.run_for(GENERATE(0ms, 100ms, 150ms));
  const auto answer = here.user.send(here.peer, "the last one", {.wanted = outcome::acked});
  const auto report = here.user.close(here.peer, GENERATE(close_mode::drain, close_mode::flush, close_mode::abort));
  here.world.run_for(10s);
  REQUIRE(report->value);
  CHECK(adds_up(report->value->delivery));
  CHECK(answer->count == 1);
  if (answer->value)
    CHECK(here.world.hosts().arrived_at(place).find("the last one") != std::string::npos);
  else
    CHECK(here.world.hosts().arrived_at(place).find("the last one") == std::string::npos);
  CHECK(here.user.last_state() == connection_state::closed);
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.figures().peers == 0);
  CHECK(here.figures().connecting == 0);
}

TEST_CASE("a close in order sends by the replacement what the old connection takes no more", "[simulation][P5][D1]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = 100ms});
  here.await_replacement();
  here.world.run_for(150ms);
  const auto answer = here.user.send(here.peer, "the last one", {.wanted = outcome::acked});
  here.world.run_now();
  REQUIRE(answer->count == 0);
  if (GENERATE(true, false))
    here.user.close(here.peer, GENERATE(close_mode::drain, close_mode::flush));
  else
    here.user.finish_stream(here.peer);
  here.world.run_for(10s);
  CHECK(answer->value.value().result == outcome::acked);
  CHECK(answer->value->generation == 2);
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.figures().peers == 0);
}

TEST_CASE("whoever waits for data goes on to wait on the next connection", "[simulation][P5][D2]") {
  auto options = mortal();
  options.transport.allow_half_open = GENERATE(true, false);
  simulated_system world;
  world.hosts().listen(place, echo_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(place, options);
  world.run_for(1s);
  const auto waiting = user.receive(peer);
  world.run_for(15s);
  REQUIRE(waiting->count == 0);
  user.send(peer, "hello");
  world.run_for(1s);
  CHECK(waiting->value.value().generation == 2);
  CHECK(waiting->value->body.size() == 5);
}

TEST_CASE("a replacement that crashes is neither a crash of the peer nor a loss", "[simulation][P5][B9]") {
  mortal_peer here;
  const auto call = GENERATE(transport_call::create, transport_call::init, transport_call::connect);
  here.world.transports().crash_in(call, 3);
  here.world.run_for(14s);
  CHECK(here.world.transports().crash_count() == 3);
  CHECK(here.user.count<opened>() == 2);
  here.check_was_always_ready();
}

TEST_CASE("a peer that is killed while it is renewed leaves nothing", "[simulation][P5][B10]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = 100ms});
  here.await_replacement();
  here.world.run_for(GENERATE(0ms, 150ms));
  caf::anon_send_exit(here.peer, caf::exit_reason::kill);
  here.world.run_for(1min);
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.figures().peers == 0);
  CHECK(here.figures().connecting == 0);
}

TEST_CASE("a lent peer is renewed while it is lent, for the same owner", "[simulation][P5][P2]") {
  simulated_system world;
  world.hosts().listen(place, echo_service());
  auto user = world.make_probe();
  const auto answer =
      user.checkout(world.supervisor(), {parse_endpoint(place).value(), mortal(), {}, 30s, std::chrono::minutes{5}});
  world.run_for(1s);
  const auto mine = answer->value.value();
  user.subscribe(mine.peer);
  world.run_for(1min);
  CHECK(user.count<opened>() >= 5);
  CHECK(user.count<state_changed>() == 0);
  const auto given_back = user.release(world.supervisor(), mine.id);
  world.run_now();
  CHECK(given_back->value);
}

TEST_CASE("a renewed QUIC connection tells of no stream before its time, and its streams end in order",
          "[simulation][P5][S2]") {
  auto options = over_quic();
  options.max_lifetime = 10s;
  host_and_peer here{options};
  const auto snapshot = here.user.subscribe(here.peer);
  here.world.run_now();
  for (int second = 0; second < 60; ++second) {
    const auto opened = here.user.open_stream(here.peer);
    here.world.run_for(100ms);
    if (opened->value) {
      here.user.send(here.peer, "on a stream", on(opened->value->stream));
      here.world.run_for(100ms);
      here.user.finish_stream(here.peer, opened->value->stream);
    }
    const auto answer = here.user.send(here.peer, "on stream 0", {.policy = when_down::fail});
    here.world.run_for(800ms);
    CHECK(answer->value);
  }
  check_story(here.user.notes(), snapshot->value.value());
  CHECK(here.user.count<opened>() >= 5);
  CHECK(here.user.count<state_changed>() == 0);
  CHECK(here.figures().delivery.maybe_sent.messages == 0);
}

} // namespace actorwire::test
