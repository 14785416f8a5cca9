// Connections that nobody uses.

#include "host_and_peer.hpp"
#include "simulated_system.hpp"
#include "story.hpp"
#include "subscribed_peer.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string_view>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view place = "tcp://server:1";

acquire_options sleepy() {
  auto options = framed();
  options.idle_timeout = 60s;
  return options;
}

/// A peer whose connections end when nobody uses them for a minute, and whoever subscribes to it.
struct sleepy_peer : subscribed_peer {
  sleepy_peer() : subscribed_peer{sleepy(), place, echo_service()} { REQUIRE(world.hosts().open_count() == 1); }

  void fall_asleep() {
    REQUIRE(world.run_until([&] { return user.last_state() == connection_state::idle; }, 80s));
    world.run_for(1s);
    REQUIRE(world.hosts().open_count() == 0);
  }
};

} // namespace

TEST_CASE("a connection that nobody uses ends in order, and the peer is idle and not dialled", "[simulation][P5][S1]") {
  sleepy_peer here;
  const auto began = here.world.now();
  here.fall_asleep();
  CHECK(here.world.now() - began >= 59s);
  const auto last = here.user.all<state_changed>().back();
  CHECK(last.from == connection_state::ready);
  CHECK(last.reason.code == error_code::idle_timeout);
  const auto attempts = here.world.hosts().attempt_count(place);
  here.world.run_for(24h);
  CHECK(here.world.hosts().attempt_count(place) == attempts);
  CHECK(here.user.last_state() == connection_state::idle);
  CHECK(here.figures().losses == 0);
  CHECK(here.user.count<data_lost>() == 0);
  check_story(here.user.notes(), here.snapshot->value.value());
}

TEST_CASE("whatever is wanted of a peer that rests has it connect, and nothing is lost", "[simulation][P5][D1][D7]") {
  sleepy_peer here;
  here.fall_asleep();
  SECTION("a message") {
    const auto answer = here.user.send(here.peer, "are you there");
    here.world.run_for(1s);
    CHECK(answer->value.value().result == outcome::written);
    CHECK(here.user.text() == "are you there");
  }
  SECTION("a message that may not wait, which is told why, and the next one goes") {
    const send_options at_once{.policy = when_down::fail};
    const auto first = here.user.send(here.peer, "too early", at_once);
    here.world.run_for(1s);
    CHECK(first->code() == error_code::idle_timeout);
    const auto second = here.user.send(here.peer, "in time", at_once);
    here.world.run_for(1s);
    CHECK(second->value.value().result == outcome::written);
    CHECK(here.user.text() == "in time");
  }
  SECTION("a batch") {
    const auto answer = here.user.send_batch(here.peer, {"a", "b"});
    here.world.run_for(1s);
    CHECK(answer->value);
    CHECK(here.user.text() == "ab");
  }
  SECTION("to be connected") {
    const auto answer = here.user.connect(here.peer);
    here.world.run_for(1s);
    CHECK(answer->value.value().generation == 2);
  }
  SECTION("another acquire") {
    CHECK(here.world.acquire(place, sleepy()) == here.peer);
    here.world.run_for(1s);
  }
  SECTION("a subscription") {
    auto other = here.world.make_probe();
    static_cast<void>(other.subscribe(here.peer));
    here.world.run_for(1s);
  }
  CHECK(here.user.last_state() == connection_state::ready);
  CHECK(here.world.hosts().open_count() == 1);
  CHECK(here.user.count<opened>() == 2);
  here.fall_asleep();
  check_story(here.user.notes(), here.snapshot->value.value());
}

TEST_CASE("a pull has a peer that rests connect, and keeps the connection", "[simulation][P5]") {
  sleepy_peer here;
  here.user.unsubscribe(here.peer);
  here.world.run_for(90s);
  REQUIRE(here.world.hosts().open_count() == 0);
  const auto answer = here.user.receive(here.peer);
  here.world.run_for(10min);
  CHECK(answer->count == 0);
  CHECK(here.world.hosts().open_count() == 1);
}

TEST_CASE("what goes in either direction keeps a connection, and so does what is still to be acknowledged",
          "[simulation][P5]") {
  sleepy_peer here;
  for (int minute = 0; minute < 10; ++minute) {
    here.user.cast(here.peer, "still in use");
    here.world.run_for(50s);
  }
  CHECK(here.user.count<opened>() == 1);
  CHECK(here.world.hosts().open_count() == 1);
  here.fall_asleep();
}

TEST_CASE("a message that meets a connection at its rest leaves by the next, once", "[simulation][P5][D1][D3]") {
  int rested = 0;
  for (auto offset = 58s + 0ms; offset < 78s; offset += 70ms) {
    CAPTURE(offset.count());
    sleepy_peer here;
    here.world.hosts().set_link({.delay = 100ms});
    here.world.run_for(offset);
    here.user.cast(here.peer, "once");
    here.world.run_for(3s);
    REQUIRE(here.user.text() == "once");
    REQUIRE(here.user.count<data_lost>() == 0);
    REQUIRE(here.user.last_state() == connection_state::ready);
    check_story(here.user.notes(), here.snapshot->value.value());
    rested += here.user.count<opened>() == 2 ? 1 : 0;
  }
  CHECK(rested > 10);
}

TEST_CASE("a connection that rests does not keep the next one waiting", "[simulation][P5][D1][D7]") {
  sleepy_peer here;
  // Nobody hears of the end, as of most lines that were idle for long.
  here.world.run_for(70s);
  here.world.hosts().partition("server");
  here.world.run_for(6s);
  here.world.hosts().heal("server");
  const auto meanwhile = here.user.get_stats(here.peer);
  here.world.run_now();
  REQUIRE(meanwhile->value.value().generation == 1);
  SECTION("a message") {
    const auto answer = here.user.send(here.peer, "next");
    here.world.run_for(2s);
    CHECK(answer->value.value().generation == 2);
    CHECK(here.user.text() == "next");
  }
  SECTION("one that may not wait") {
    const auto refused = here.user.send(here.peer, "now", {.policy = when_down::fail});
    const auto dropped = here.user.send(here.peer, "now", {.policy = when_down::drop});
    here.world.run_now();
    REQUIRE(refused->error);
    INFO(to_string(*refused->error));
    CHECK(refused->code() == error_code::idle_timeout);
    CHECK(dropped->value.value().result == outcome::not_sent);
    here.world.run_for(2s);
  }
  SECTION("who asks to be connected") {
    const auto answer = here.user.connect(here.peer);
    here.world.run_for(2s);
    CHECK(answer->value.value().generation == 2);
  }
  CHECK(here.user.last_state() == connection_state::ready);
  CHECK(here.user.count<opened>() == 2);
  check_story(here.user.notes(), here.snapshot->value.value());
}

TEST_CASE("the end of the stream of a peer that rests is told by a connection of its own", "[simulation][P5][B10]") {
  sleepy_peer here;
  here.fall_asleep();
  here.user.finish_stream(here.peer);
  here.world.run_for(2s);
  CHECK(here.user.last_state() == connection_state::closed);
  CHECK(here.figures().peers == 0);
}

TEST_CASE("a peer that may rest leaves no timer, however it ends, and whoever keeps its handle",
          "[simulation][P5][B10]") {
  simulated_system world;
  world.hosts().listen(place, echo_service());
  auto user = world.make_probe();
  world.run_for(1s);
  const auto timers = world.timer_count();
  const auto peer = world.acquire(place, sleepy());
  world.run_for(1s);
  SECTION("by an abort") {
    user.close(peer, close_mode::abort);
  }
  SECTION("in order") {
    user.close(peer, close_mode::drain);
  }
  SECTION("by an exit") {
    caf::anon_send_exit(peer, caf::exit_reason::user_shutdown);
  }
  SECTION("by a kill") {
    caf::anon_send_exit(peer, caf::exit_reason::kill);
  }
  world.run_for(1s);
  CHECK(world.timer_count() == timers);
}

TEST_CASE("a peer that rests closes at once, and leaves neither timer nor actor", "[simulation][P5][B10]") {
  simulated_system world;
  world.hosts().listen(place, echo_service());
  auto user = world.make_probe();
  world.run_for(1s);
  const auto timers = world.timer_count();
  const auto actors = world.actor_count();
  {
    auto peer = world.acquire(place, sleepy());
    world.run_for(2min);
    REQUIRE(world.hosts().open_count() == 0);
    const auto answer = user.close(peer, close_mode::drain);
    world.run_for(1s);
    CHECK(answer->value.value().complete);
  }
  world.run_for(1s);
  CHECK(world.timer_count() == timers);
  CHECK(world.actor_count() == actors);
}

} // namespace actorwire::test
