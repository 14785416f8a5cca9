#include "session_fixture.hpp"

#include <actorwire/messages/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using texts = std::vector<std::string>;

} // namespace

TEST_CASE(
    "a client whose session is not known any more is told which messages were delivered, may have been, and were not",
    "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.send("one");
  sides.client.send("two");
  sides.settle();
  sides.client.send("three");
  sides.lose(sides.client, 1);
  sides.cut();
  sides.client.send("four");
  sides.client.send("five");
  sides.client.machine.handle_connected();
  const auto progress = sides.client.take(frame_of({session_answer::not_known, id_of(1), 2, {}}), sides.now);
  CHECK(progress.has_moved);
  CHECK(progress.confirmed.empty());
  CHECK(sides.client.machine.state() == session_state::lost);
  CHECK(sides.client.machine.ranges() == session_ranges{{1, 2}, {3, 3}, {4, 5}});
  CHECK(sides.client.machine.sending().buffer().message_count() == 0);
  CHECK_FALSE(sides.client.machine.poll_transmit(sides.now));
  const auto refused = sides.client.machine.send(payload::copy_of("six"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text == "the session is lost");
}

TEST_CASE("a message that was sent once stays in doubt, also while it waits to be sent again", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.send("one");
  sides.lose(sides.client, 1);
  sides.cut();
  sides.connect();
  sides.cut();
  sides.client.machine.forget();
  CHECK(sides.client.machine.ranges() == session_ranges{{1, 0}, {1, 1}, {2, 1}});
}

TEST_CASE("two sides that cannot have been in one session lose it", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.send("one");
  sides.host.send("one");
  sides.settle();
  sides.cut();
  session_hello hello{id_of(1), 2, true, {1, 2, 1}};
  SECTION("the client was delivered what was never sent") {
    hello.position.delivered = 2;
  }
  SECTION("the client has forgotten what it was delivered") {
    hello.position.delivered = 0;
  }
  SECTION("the client has sent less than came") {
    hello.position.sent = 0;
    hello.position.replays_from = 1;
  }
  SECTION("the client cannot send again what is missing") {
    hello.position.sent = 2;
    hello.position.replays_from = 3;
  }
  const auto confirmed = sides.host.machine.handle_hello(hello);
  REQUIRE_FALSE(confirmed);
  CHECK(confirmed.error().code == error_code::malformed);
  CHECK(sides.host.machine.state() == session_state::lost);
  CHECK(sides.host.machine.ranges() == session_ranges{{1, 1}, {2, 1}, {2, 1}});
  CHECK_FALSE(sides.host.machine.poll_transmit(sides.now));
}

TEST_CASE("a client that is welcomed to a place where it cannot be loses the session", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.cut();
  sides.client.machine.handle_connected();
  sides.client.take(frame_of({session_answer::resumed, id_of(1), 2, {5, 1, 0}}), sides.now);
  CHECK(sides.client.machine.state() == session_state::lost);
}

TEST_CASE("a client is fenced when another goes on with its session", "[D8]") {
  pair_of_parties sides;
  sides.client.send("one");
  sides.client.machine.handle_connected();
  sides.client.take(frame_of({session_answer::superseded, id_of(1), 1, {}}), sides.now);
  CHECK(sides.client.machine.state() == session_state::fenced);
  CHECK(sides.client.machine.ranges() == session_ranges{{1, 0}, {1, 0}, {1, 1}});
}

TEST_CASE("a listener without room leaves the session of a client as it is", "[D8]") {
  pair_of_parties sides;
  sides.client.send("one");
  sides.client.machine.handle_connected();
  CHECK(sides.client.take(frame_of({session_answer::no_room, id_of(1), 1, {}}), sides.now).has_moved);
  CHECK(sides.client.machine.state() == session_state::broken);
  sides.connect();
  sides.settle();
  CHECK(sides.host.got == texts{"one"});
}

TEST_CASE("a side that finishes says goodbye when everything is delivered, in both directions", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.send("one");
  sides.client.machine.finish();
  CHECK(sides.client.machine.send(payload::copy_of("two")).error().code == error_code::draining);
  sides.client.handles = false;
  sides.host.send("three");
  sides.settle();
  CHECK(sides.client.machine.sending().is_all_delivered());
  CHECK(sides.client.machine.state() == session_state::open);
  sides.client.machine.handle_delivered(1, sides.now);
  sides.settle();
  CHECK(sides.client.machine.state() == session_state::ended);
  CHECK(sides.host.machine.state() == session_state::ended);
  CHECK(sides.client.machine.ranges() == session_ranges{{1, 1}, {2, 1}, {2, 1}});
  CHECK(sides.host.machine.ranges() == session_ranges{{1, 1}, {2, 1}, {2, 1}});
}

TEST_CASE("a goodbye tells the other side which of its messages were handled, may have been, and never will be",
          "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.handles = false;
  for (const auto* text : {"one", "two", "three", "four"})
    sides.host.send(text);
  for (auto count = 0; count < 3; ++count)
    sides.client.take(*sides.host.machine.poll_transmit(sides.now), sides.now);
  const auto late = *sides.host.machine.poll_transmit(sides.now);
  sides.client.machine.handle_delivered(1, sides.now);
  sides.client.machine.abandon();
  const auto goodbye = sides.client.machine.poll_transmit(sides.now);
  REQUIRE(goodbye);
  CHECK_FALSE(sides.client.machine.handle_frame(sides.client.machine.epoch(), late)->delivers);
  const auto progress = sides.host.take(*goodbye, sides.now);
  CHECK(progress.has_moved);
  CHECK(progress.confirmed == number_range{1, 1});
  CHECK(sides.host.machine.ranges() == session_ranges{{1, 1}, {2, 3}, {4, 4}});
  CHECK_FALSE(sides.client.machine.poll_transmit(sides.now));
}

TEST_CASE("a session that nobody wants any more ends without a connection too", "[D8]") {
  pair_of_parties sides;
  sides.client.send("one");
  sides.client.machine.abandon();
  CHECK(sides.client.machine.state() == session_state::ended);
  CHECK(sides.client.machine.ranges() == session_ranges{{1, 0}, {1, 0}, {1, 1}});
  // Once more changes nothing.
  sides.client.machine.abandon();
  sides.client.machine.forget();
  sides.client.machine.handle_disconnected(0);
  CHECK(sides.client.machine.state() == session_state::ended);
}

TEST_CASE("an end before the welcome has left says nothing", "[D8]") {
  pair_of_parties sides;
  sides.client.machine.handle_connected();
  const auto hello = parse_session_hello(0, sides.client.machine.poll_transmit(sides.now)->body.bytes());
  REQUIRE(sides.host.machine.handle_hello(*hello));
  sides.host.machine.abandon();
  CHECK_FALSE(sides.host.machine.poll_transmit(sides.now));
  CHECK(sides.host.machine.state() == session_state::ended);
}

TEST_CASE("what a listener was to finish on a connection that broke goes on with the next", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.host.send("one");
  sides.host.machine.finish();
  sides.lose(sides.host, 1);
  CHECK(sides.host.machine.check().error().code == error_code::draining);
  sides.cut();
  sides.connect();
  CHECK(sides.host.machine.check());
  sides.host.send("two");
  sides.settle();
  CHECK(sides.client.got == texts{"one", "two"});
  CHECK(sides.host.machine.state() == session_state::open);
  sides.host.machine.finish();
  sides.settle();
  CHECK(sides.client.machine.state() == session_state::ended);
}
