// Peers of several endpoints.

#include "simulated_system.hpp"
#include "story.hpp"
#include "stream_host.hpp"

#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view quick = "quic://server:1";
constexpr std::string_view sure = "tls://server:1";
constexpr std::string_view either = "quic://server:1, tls://server:1";

/// A server that is there by QUIC and by TLS, and a peer of both.
struct race_world {
  race_world() : user(world.make_probe()) {
    for (const auto uri : {quick, sure})
      world.hosts().listen(uri, echo_service());
  }

  void dial(const acquire_options& options = framed()) {
    peer = world.acquire(either, options);
    snapshot = user.subscribe(peer);
    world.run_now();
  }

  /// Loses the connection, and waits for the next; returns how long that took from when the peer began to dial.
  duration reconnect() {
    const auto generations = user.count<opened>();
    world.hosts().reset_connections("server");
    REQUIRE(world.run_until([&] { return user.count<opened>() > generations; }));
    time_point began;
    for (const auto& each : user.notes())
      if (const auto* changed = std::get_if<state_changed>(&each.what);
          changed != nullptr && changed->to == connection_state::resolving)
        began = each.when;
    return world.now() - began;
  }

  void plan(std::string_view uri, attempt_answer answer) { world.hosts().plan_next(uri, {.answer = answer}); }
  [[nodiscard]] std::size_t attempts(std::string_view uri) { return world.hosts().attempt_count(uri); }
  [[nodiscard]] std::string carried_by() { return actorwire::to_string(user.all<opened>().back().info.carried_by); }

  simulated_system world;
  probe user;
  connection_actor peer;
  answer_to<connection_status> snapshot;
};

/// A network in which nothing answers to QUIC, from now on.
void block_udp(race_world& here) {
  for (int count = 0; count < 100; ++count)
    here.plan(quick, attempt_answer::ignore);
}

} // namespace

TEST_CASE("a peer of several endpoints says which of them carries it", "[simulation]") {
  const auto is_quick = GENERATE(true, false);
  race_world here;
  if (!is_quick)
    here.plan(quick, attempt_answer::refuse);
  here.dial();
  CHECK(here.snapshot->value.value().info.carried_by.host.empty());
  here.world.run_for(1s);
  CHECK(here.carried_by() == (is_quick ? quick : sure));
  const auto state = here.user.get_state(here.peer);
  const auto figures = here.user.get_stats(here.peer);
  here.world.run_now();
  CHECK(actorwire::to_string(state->value.value().info.remote) == quick);
  CHECK(actorwire::to_string(state->value.value().info.carried_by) == (is_quick ? quick : sure));
  CHECK(std::holds_alternative<quic_metrics>(figures->value.value().transport.metrics) == is_quick);
  check_story(here.user.notes(), here.snapshot->value.value());
}

TEST_CASE("a peer of one endpoint says that this one carries it", "[simulation]") {
  race_world here;
  const auto peer = here.world.acquire(sure, framed());
  const auto info = here.user.connect(peer);
  here.world.run_for(1s);
  CHECK(info->value.value().carried_by == info->value.value().remote);
}

TEST_CASE("what connects by an alternative says nothing of the first endpoint, whose breaker stays open",
          "[simulation][P4]") {
  race_world here;
  here.world.hosts().stop_listening(quick);
  auto lone = framed();
  for (std::uint32_t number = 0; number < 5; ++number) {
    lone.transport.flow.queue_messages = 100 + number;
    here.world.acquire(quick, lone);
  }
  const auto figures = [&] {
    const auto answer = here.user.get_pool_stats(here.world.supervisor());
    here.world.run_now();
    return answer->value.value();
  };
  here.world.run_for(10s);
  REQUIRE(figures().open_breakers == 1);
  here.dial();
  here.world.run_for(10s);
  CHECK(here.carried_by() == sure);
  CHECK(figures().open_breakers == 1);
  CHECK(figures().breaker_openings == 1);
  CHECK(figures().ready == 1);
  here.world.hosts().listen(quick, echo_service());
  here.world.run_for(5s);
  CHECK(figures().open_breakers == 0);
  CHECK(figures().ready == 6);
}

TEST_CASE("what is sent while endpoints race arrives once, by the one that wins", "[simulation][D3][D4]") {
  race_world here;
  here.plan(quick, GENERATE(attempt_answer::accept, attempt_answer::ignore, attempt_answer::refuse));
  here.world.hosts().set_link({.delay = GENERATE(1ms, 100ms)});
  here.dial();
  const auto outcome = here.user.send(here.peer, "once");
  here.world.run_for(10s);
  CHECK(outcome->value);
  CHECK(here.user.text() == "once");
  CHECK(here.world.hosts().arrived_at(quick).size() + here.world.hosts().arrived_at(sure).size() == 8);
  CHECK(here.world.hosts().open_count() == 1);
}

TEST_CASE("what won instead of QUIC is tried first at the next attempts, and QUIC is found again after 10 minutes",
          "[simulation]") {
  race_world here;
  block_udp(here);
  here.dial();
  here.world.run_for(1s);
  REQUIRE(here.carried_by() == sure);
  REQUIRE(here.attempts(quick) == 1);
  const auto began = here.world.now();
  while (here.world.now() < began + 9min) {
    CHECK(here.reconnect() == 4ms);
    CHECK(here.carried_by() == sure);
    here.world.run_for(1min);
  }
  CHECK(here.attempts(quick) == 1);
  here.world.run_for(2min);
  CHECK(here.reconnect() == 254ms);
  CHECK(here.attempts(quick) == 2);
  CHECK(here.reconnect() == 4ms);
  check_story(here.user.notes(), here.snapshot->value.value());
}

TEST_CASE("a remembered winner that fails lets QUIC go at once, and is preferred no longer", "[simulation]") {
  race_world here;
  here.plan(quick, attempt_answer::refuse);
  here.dial();
  here.world.run_for(1s);
  REQUIRE(here.carried_by() == sure);
  here.plan(sure, attempt_answer::refuse);
  CHECK(here.reconnect() == 6ms);
  CHECK(here.carried_by() == quick);
  const auto tried = here.attempts(sure);
  CHECK(here.reconnect() == 4ms);
  CHECK(here.carried_by() == quick);
  CHECK(here.attempts(sure) == tried);
}

TEST_CASE("after an attempt at which all endpoints failed, they are tried in the order of preference", "[simulation]") {
  race_world here;
  here.plan(quick, attempt_answer::refuse);
  here.dial();
  here.world.run_for(1s);
  REQUIRE(here.carried_by() == sure);
  here.plan(sure, attempt_answer::refuse);
  here.plan(quick, attempt_answer::refuse);
  here.reconnect();
  CHECK(here.carried_by() == quick);
  CHECK(here.attempts(sure) == 2);
}

TEST_CASE("an attempt at which all endpoints fail is one attempt, and its reason names each", "[simulation][B3][S3]") {
  race_world here;
  here.world.hosts().stop_listening(quick);
  here.plan(sure, attempt_answer::unknown_name);
  here.dial();
  REQUIRE(here.world.run_until([&] { return here.user.last_state() == connection_state::backoff; }));
  const auto told = here.user.all<state_changed>().back();
  CHECK(told.reason.code == error_code::refused);
  CHECK(told.reason.text.find("quic://server:1: connection refused") != std::string::npos);
  CHECK(told.reason.text.find("tls://server:1: name or service not known") != std::string::npos);
  CHECK(told.attempt == 1);
  const auto figures = here.user.get_pool_stats(here.world.supervisor());
  here.world.run_now();
  CHECK(figures->value.value().attempts == 1);
  here.world.run_for(10s);
  CHECK(here.user.last_state() == connection_state::ready);
  check_story(here.user.notes(), here.snapshot->value.value());
}

TEST_CASE("a close while endpoints race is answered, and leaves nothing behind", "[simulation][B10]") {
  race_world here;
  const auto actors = here.world.actor_count();
  const auto timers = here.world.timer_count();
  block_udp(here);
  here.plan(sure, attempt_answer::ignore);
  const auto mode = GENERATE(close_mode::drain, close_mode::flush, close_mode::abort);
  const auto when = GENERATE(0ms, 100ms, 250ms, 300ms);
  here.dial();
  here.world.run_for(when);
  const auto closed = here.user.close(here.peer, mode);
  here.world.run_now();
  REQUIRE(closed->count == 1);
  CHECK(closed->value);
  here.peer = nullptr;
  here.world.run_for(1min);
  CHECK(here.user.last_state() == connection_state::closed);
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.world.actor_count() == actors);
  CHECK(here.world.timer_count() == timers);
  check_story(here.user.notes(), here.snapshot->value.value());
}

TEST_CASE("the end of the network while endpoints race hangs nowhere", "[simulation][B10]") {
  race_world here;
  block_udp(here);
  here.plan(sure, attempt_answer::ignore);
  here.dial();
  here.user.cast(here.peer, "never");
  here.world.run_for(GENERATE(0ms, 100ms, 300ms));
  here.world.destroy_network();
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.world.hosts().arrived_at(quick).empty());
}

TEST_CASE("a peer that was killed while endpoints race leaves nothing behind", "[simulation][P2]") {
  race_world here;
  const auto timers = here.world.timer_count();
  block_udp(here);
  here.plan(sure, attempt_answer::ignore);
  here.dial();
  here.world.run_for(GENERATE(100ms, 300ms));
  caf::anon_send_exit(here.peer, caf::exit_reason::kill);
  here.peer = nullptr;
  here.world.run_for(1min);
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.world.timer_count() == timers);
}

TEST_CASE("streams and datagrams are there while QUIC carries, and unsupported while TLS does", "[simulation]") {
  const auto is_quick = GENERATE(true, false);
  stream_host host;
  race_world here;
  here.world.hosts().listen(quick, host.accept());
  if (!is_quick)
    block_udp(here);
  here.dial();
  const auto early = here.user.open_stream(here.peer);
  here.world.run_now();
  CHECK(early->code() == error_code::not_connected);
  here.world.run_for(1s);
  const auto stream = here.user.open_stream(here.peer);
  const auto datagram = here.user.send_datagram(here.peer, "small");
  here.world.run_for(1s);
  if (!is_quick) {
    CHECK(stream->code() == error_code::unsupported);
    CHECK(datagram->code() == error_code::unsupported);
    return;
  }
  REQUIRE(stream->value);
  CHECK(datagram->value.value().result == datagram_outcome::written);
  send_options by;
  by.stream = stream->value->stream;
  here.user.cast(here.peer, "on a stream", by);
  here.world.run_for(1s);
  CHECK(here.user.text(by.stream) == "on a stream");
  // On the next generation, which TLS carries, its number is worth nothing.
  block_udp(here);
  here.reconnect();
  CHECK(here.carried_by() == sure);
  const auto late = here.user.open_stream(here.peer);
  here.world.run_now();
  CHECK(late->code() == error_code::unsupported);
}

TEST_CASE("the same endpoints in the same order are the same peer, others are another", "[simulation][P1]") {
  race_world here;
  const auto first = here.world.acquire(either, framed());
  CHECK(here.world.acquire("quic://server:1,tls://server:1", framed()) == first);
  CHECK(here.world.acquire("tls://server:1, quic://server:1", framed()) != first);
  CHECK(here.world.acquire(quick, framed()) != first);
  here.world.run_for(1s);
  CHECK(here.world.hosts().open_count() == 3);
}

TEST_CASE("alternatives that cannot be connected to are refused", "[simulation]") {
  race_world here;
  const auto asked = here.user.acquire(here.world.supervisor(), "quic://server:1, tls://server:0");
  here.world.run_now();
  CHECK(asked->code() == error_code::invalid_value);
  CHECK(here.attempts(quick) == 0);
}

} // namespace actorwire::test
