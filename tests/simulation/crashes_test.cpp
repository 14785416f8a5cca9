// What a crash ends, and what it does not.

#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string_view>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

} // namespace

TEST_CASE("a crash of the connection actor does not shorten the delay", "[simulation][B2][B7]") {
  simulated_system world{{.pool = {.crash_limit = 1'000}}};
  world.hosts().listen(server, sink_service());
  world.transports().crash_in(transport_call::send, 1'000);
  auto user = world.make_probe();
  auto options = framed();
  options.transport.flow.queue_age = 1h;
  const auto peer = world.acquire(server, options);
  user.cast(peer, "what makes it crash");
  world.run_for(10s);
  const auto times = dial_times(world);
  REQUIRE(times.size() > 3);
  for (std::size_t index = 2; index < times.size(); ++index)
    CHECK(times[index] - times[index - 1] >= 80ms);
}

TEST_CASE("losses of the transport never count as crashes", "[simulation][B7]") {
  simulated_system world{{.pool = {.crash_limit = 0}}};
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  for (int count = 0; count < 50; ++count) {
    world.run_for(2s);
    world.hosts().reset_connections("server");
  }
  const auto figures = user.get_pool_stats(world.supervisor());
  world.run_for(5s);
  CHECK(figures->value.value().losses >= 49);
  CHECK(figures->value->crashes == 0);
  CHECK(state_of(world, user, peer) == connection_state::ready);
}

TEST_CASE("crashes never count as attempts", "[simulation][B7]") {
  simulated_system world;
  auto user = world.make_probe();
  auto options = framed();
  options.reconnection.max_attempts = 3;
  world.transports().crash_in(transport_call::connect, 5);
  const auto peer = world.acquire(server, options);
  user.subscribe(peer);
  world.run_for(1min);
  // Five crashes are healed, then three refusals exhaust the attempts.
  CHECK(world.hosts().attempt_count(server) == 3);
  REQUIRE(user.last_state() == connection_state::failed);
  CHECK(user.all<state_changed>().back().reason.code == error_code::attempts_exhausted);
}

TEST_CASE("a connection that crashes over and over fails alone", "[simulation][B8]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  world.hosts().listen("tcp://bad:1", echo_service());
  auto user = world.make_probe();
  auto events = world.make_probe();
  events.subscribe_to_pool(world.supervisor());
  const auto sibling = world.acquire(server, framed());
  user.subscribe(sibling);
  world.run_for(1s);
  const auto told = user.notes().size();
  world.transports().crash_in(transport_call::connect, 1'000, "bad");
  auto bad_user = world.make_probe();
  const auto bad = world.acquire("tcp://bad:1", framed());
  bad_user.subscribe(bad);
  world.run_for(20s);
  REQUIRE(bad_user.last_state() == connection_state::failed);
  CHECK(bad_user.all<state_changed>().back().reason.code == error_code::crash_limit);
  CHECK(count(events, pool_change::crash_restart) == 5);
  CHECK(count(events, pool_change::gave_up) == 1);
  CHECK(user.notes().size() == told);
  user.send(sibling, "as if nothing had happened");
  world.run_for(1s);
  CHECK(user.text() == "as if nothing had happened");
}

TEST_CASE("as many crashes as the limit are healed", "[simulation][B8]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  world.transports().crash_in(transport_call::connect, 5);
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  world.run_for(20s);
  CHECK(state_of(world, user, peer) == connection_state::ready);
}

TEST_CASE("a connection actor that crashes anywhere ends alone, and the peer gets another", "[simulation][B9]") {
  for (const auto where : {transport_call::create, transport_call::init, transport_call::connect, transport_call::send,
                           transport_call::receive}) {
    CAPTURE(static_cast<int>(where));
    simulated_system world;
    world.hosts().listen(server, echo_service());
    world.hosts().listen("tcp://other:1", echo_service());
    auto user = world.make_probe();
    auto other_user = world.make_probe();
    const auto other = world.acquire("tcp://other:1", framed());
    other_user.subscribe(other);
    world.run_for(1s);
    const auto told = other_user.notes().size();
    const auto actors = world.actor_count();

    world.transports().crash_in(where);
    const auto peer = world.acquire(server, framed());
    user.subscribe(peer);
    user.cast(peer, "survives");
    world.run_for(10s);
    const auto figures = user.get_pool_stats(world.supervisor());
    world.run_now();
    CHECK(figures->value.value().crashes == 1);
    CHECK(user.last_state() == connection_state::ready);
    CHECK(user.text() == "survives");
    CHECK(other_user.notes().size() == told);
    // The peer and one connection actor; the crashed one is gone.
    CHECK(world.actor_count() == actors + 2);
  }
}

TEST_CASE("whichever handler of a peer calls a transport that throws, only the connection ends", "[simulation][B9]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  world.run_for(1s);
  // A subscriber lets the peer read; that it does so from its own message handling must not matter.
  world.transports().crash_in(transport_call::receive);
  user.subscribe(peer);
  world.run_for(1s);
  const auto state = user.get_state(peer);
  world.run_for(1s);
  REQUIRE(state->value);
  world.transports().crash_in(transport_call::send);
  user.cast(peer, "pulls the trigger");
  user.close(peer, close_mode::drain, 10s);
  world.run_for(20s);
  CHECK(user.last_state() == connection_state::closed);
}

TEST_CASE("a subscriber that fails over an event ends alone", "[simulation][B9][S5]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  user.subscribe(peer);
  world.run_now();
  const auto actors = world.actor_count();
  world.net().spawn_on_shard(0, [peer](caf::event_based_actor* self) -> caf::behavior {
    tell(self, peer, subscribe{event_mask::data});
    return {
        [](const connection_status&) {},
        [](const received&) { throw std::runtime_error{"a defect of the subscriber"}; },
    };
  });
  for (int count = 0; count < 3; ++count) {
    user.cast(peer, "a message");
    world.run_for(1s);
  }
  CHECK(user.text() == "a messagea messagea message");
  // The failed subscriber is gone, and nobody else.
  CHECK(world.actor_count() == actors);
}

TEST_CASE("an error that somebody sends to an actor of the library changes nothing", "[simulation][B9]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  user.subscribe(peer);
  user.run([peer, supervisor = world.supervisor()](caf::event_based_actor* self) {
    for (const auto& target : {caf::actor_cast<caf::actor>(peer), caf::actor_cast<caf::actor>(supervisor)})
      tell(self, target, caf::make_error(caf::sec::runtime_error));
  });
  world.run_for(1s);
  world.hosts().reset_connections("server");
  world.run_for(5s);
  CHECK(user.last_state() == connection_state::ready);
  CHECK(user.count<opened>() == 2);
}

} // namespace actorwire::test
