#include "session_fixture.hpp"

#include <actorwire/messages/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

using texts = std::vector<std::string>;
using ranges = std::vector<number_range>;

/// What a session makes of a frame that cannot be; it has no connection then.
std::string refusal(session& machine, const session_frame& frame) {
  const auto progress = machine.handle_frame(machine.epoch(), frame);
  REQUIRE_FALSE(progress);
  CHECK(progress.error().code == error_code::malformed);
  CHECK(machine.state() == session_state::broken);
  return progress.error().text;
}

} // namespace

// -- one connection after another ---------------------------------------------------------------------------------------

TEST_CASE("messages go both ways, in order, and are confirmed", "[D8]") {
  pair_of_parties sides;
  CHECK(sides.client.send("waits for the connection") == 1);
  sides.connect();
  CHECK(sides.client.machine.state() == session_state::open);
  CHECK_FALSE(sides.client.machine.is_resumed());
  CHECK(sides.client.send("one") == 2);
  CHECK(sides.host.send("two") == 1);
  sides.settle();
  CHECK(sides.host.got == texts{"waits for the connection", "one"});
  CHECK(sides.client.got == texts{"two"});
  CHECK(sides.client.confirmed == ranges{{1, 2}});
  CHECK(sides.host.confirmed == ranges{{1, 1}});
  CHECK(sides.client.machine.sending().is_all_delivered());
}

TEST_CASE("nothing of a client leaves before it was welcomed", "[D8]") {
  pair_of_parties sides;
  sides.client.send("one");
  const auto welcome = sides.greet();
  CHECK_FALSE(sides.client.machine.poll_transmit(sides.now));
  sides.client.take(welcome, sides.now);
  CHECK(sides.client.machine.poll_transmit(sides.now)->number == 1);
}

TEST_CASE("what was lost with a connection is sent again on the next, and what was delivered is not", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  for (const auto* text : {"one", "two", "three", "four"})
    sides.client.send(text);
  sides.host.take(*sides.client.machine.poll_transmit(sides.now), sides.now);
  sides.host.take(*sides.client.machine.poll_transmit(sides.now), sides.now);
  sides.lose(sides.client, 1);
  sides.cut();
  CHECK(sides.host.got == texts{"one", "two"});
  sides.connect();
  CHECK(sides.client.machine.is_resumed());
  CHECK(sides.host.machine.is_resumed());
  // Their acknowledgement was lost, and the welcome makes up for it.
  CHECK(sides.client.confirmed == ranges{{1, 2}});
  sides.settle();
  CHECK(sides.host.got == texts{"one", "two", "three", "four"});
  CHECK(sides.client.confirmed == ranges{{1, 2}, {3, 4}});
  CHECK(sides.host.machine.receiving().duplicates() == 0);
}

TEST_CASE("what a listener sent with a connection that was lost comes again as well", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.host.send("one");
  sides.host.send("two");
  sides.client.take(*sides.host.machine.poll_transmit(sides.now), sides.now);
  sides.lose(sides.host, 1);
  sides.cut();
  sides.connect();
  CHECK(sides.host.confirmed == ranges{{1, 1}});
  sides.settle();
  CHECK(sides.client.got == texts{"one", "two"});
}

TEST_CASE("a connection that is lost before the welcome leaves nothing behind that the next could stumble over",
          "[D8]") {
  pair_of_parties sides;
  sides.client.send("one");
  sides.greet();
  sides.host.send("two");
  sides.lose(sides.host, 1);
  sides.cut();
  CHECK(sides.client.machine.state() == session_state::broken);
  sides.connect();
  CHECK_FALSE(sides.client.machine.is_resumed());
  sides.settle();
  CHECK(sides.host.got == texts{"one"});
  CHECK(sides.client.got == texts{"two"});
}

TEST_CASE("a frame of an older connection comes to nothing", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.send("one");
  const auto late = *sides.client.machine.poll_transmit(sides.now);
  const auto old = sides.client.machine.epoch();
  sides.cut();
  CHECK_FALSE(sides.host.machine.handle_frame(old, late)->delivers);
  sides.connect();
  CHECK_FALSE(sides.host.machine.handle_frame(old, late)->delivers);
  // Nor does it count that the older one is gone.
  sides.host.machine.handle_disconnected(old);
  sides.client.machine.handle_disconnected(old);
  sides.settle();
  CHECK(sides.host.got == texts{"one"});
}

// -- acknowledgements ---------------------------------------------------------------------------------------------------

TEST_CASE("a few messages are acknowledged after a delay, many at once", "[D8]") {
  session_limits limits;
  limits.ack_messages = 3;
  limits.ack_bytes = 100;
  limits.ack_delay = 20ms;
  pair_of_parties sides{limits};
  sides.connect();
  auto& host = sides.host.machine;
  sides.host.take(data(1, "one"), sides.now);
  CHECK(host.next_timeout() == sides.now + 20ms);
  CHECK_FALSE(host.poll_transmit(sides.now));
  sides.now += 15ms;
  // The delay counts from the first.
  sides.host.take(data(2, "two"), sides.now);
  CHECK_FALSE(host.poll_transmit(sides.now + 5ms - 1ns));
  const auto delayed = host.poll_transmit(sides.now + 5ms);
  REQUIRE(delayed);
  CHECK(delayed->kind == frame_kind::acknowledge);
  CHECK(delayed->number == 2);
  CHECK_FALSE(host.next_timeout());

  for (std::uint64_t number = 3; number <= 5; ++number) {
    CHECK_FALSE(host.poll_transmit(sides.now));
    sides.host.take(data(number, "x"), sides.now);
  }
  CHECK(host.poll_transmit(sides.now)->number == 5);

  sides.host.take(data(6, std::string(100, 'x')), sides.now);
  CHECK(host.poll_transmit(sides.now)->number == 6);
}

TEST_CASE("only what the program has had is acknowledged; what it had not had comes again and is dropped", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.host.handles = false;
  for (const auto* text : {"one", "two", "three"})
    sides.client.send(text);
  sides.settle();
  CHECK(sides.host.got.size() == 3);
  CHECK(sides.client.confirmed.empty());
  sides.host.machine.handle_delivered(1, sides.now);
  sides.settle();
  CHECK(sides.client.confirmed == ranges{{1, 1}});
  sides.cut();
  sides.connect();
  // While they are on their way again the program gets to them.
  const auto second = *sides.client.machine.poll_transmit(sides.now);
  CHECK(second.number == 2);
  sides.host.machine.handle_delivered(3, sides.now);
  sides.host.take(second, sides.now);
  sides.settle();
  CHECK(sides.host.got == texts{"one", "two", "three"});
  CHECK(sides.host.machine.receiving().duplicates() == 2);
  CHECK(sides.client.confirmed == ranges{{1, 1}, {2, 3}});
}

TEST_CASE("what is acknowledged before it was sent again is not sent again", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  for (const auto* text : {"one", "two", "three"})
    sides.client.send(text);
  sides.lose(sides.client, 3);
  sides.cut();
  sides.connect();
  // The program has got to what came by the earlier connection.
  sides.client.take(acknowledgement(2), sides.now);
  CHECK(sides.client.machine.poll_transmit(sides.now)->number == 3);
  CHECK_FALSE(sides.client.machine.poll_transmit(sides.now));
  CHECK(sides.client.confirmed == ranges{{1, 2}});
}

TEST_CASE("what a program has had while nobody was connected is told with the next hello", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.handles = false;
  sides.host.send("one");
  sides.settle();
  sides.cut();
  sides.client.machine.handle_delivered(1, sides.now);
  sides.connect();
  CHECK(sides.host.confirmed == ranges{{1, 1}});
  CHECK_FALSE(sides.client.machine.next_timeout());
}

TEST_CASE("what a program has had between hello and welcome is acknowledged after all", "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.handles = false;
  sides.host.send("one");
  sides.settle();
  sides.cut();
  const auto welcome = sides.greet();
  sides.client.machine.handle_delivered(1, sides.now);
  sides.client.take(welcome, sides.now);
  sides.settle();
  CHECK(sides.host.confirmed == ranges{{1, 1}});
}

TEST_CASE("a sender whose replay buffer is full is refused until something is acknowledged", "[D8]") {
  session_limits limits;
  limits.replay_messages = 2;
  pair_of_parties sides{limits};
  sides.client.send("one");
  sides.client.send("two");
  const auto refused = sides.client.machine.send(payload::copy_of("three"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::would_block);
  sides.connect();
  sides.settle();
  CHECK(sides.client.send("three") == 3);
}

// -- what cannot be -----------------------------------------------------------------------------------------------------

TEST_CASE("a gap between messages, and an acknowledgement of what was not sent, end the connection and not the session",
          "[D8]") {
  pair_of_parties sides;
  sides.connect();
  sides.client.send("one");
  sides.lose(sides.client, 1);
  CHECK(refusal(sides.host.machine, data(2, "two")) == "message number = 2: must be 1 .. 1");
  CHECK(refusal(sides.client.machine, acknowledgement(2)) == "acknowledged number = 2: must be 0 .. 1");
  sides.connect();
  sides.settle();
  CHECK(sides.host.got == texts{"one"});
}

TEST_CASE("a frame out of its turn ends the connection", "[D8]") {
  pair_of_parties sides;
  const auto welcome = sides.greet();
  CHECK(refusal(sides.client.machine, data(1, "early"))
        == "frame kind = 0: must be that of a welcome, as the first frame of a listener");
  sides.connect();
  CHECK(refusal(sides.client.machine, welcome)
        == "frame kind = 5: must be that of data, an acknowledgement or a goodbye");
  CHECK(refusal(sides.host.machine, data(0, "nothing")) == "message number = 0: must be 1 .. 1");
  sides.connect();
  CHECK(refusal(sides.host.machine, {frame_kind::acknowledge, 0, payload::copy_of("x")})
        == "session acknowledgement: length = 1: must be 0");
  CHECK(refusal(sides.client.machine, {frame_kind::goodbye, 0, payload::copy_of(encode(session_goodbye{1}))})
        == "session goodbye: received = 1: must be at most 0");
}

TEST_CASE("a welcome that is none of this hello ends the connection", "[D8]") {
  pair_of_parties sides;
  sides.greet();
  CHECK(refusal(sides.client.machine, frame_of({session_answer::begun, id_of(2), 1, {}}))
        == "session welcome: id: must be that of the hello");
  sides.greet();
  CHECK(refusal(sides.client.machine, frame_of({session_answer::begun, id_of(1), 1, {}}))
        == "session welcome: epoch = 1: must be that of the hello, 2");
  sides.connect();
  sides.cut();
  sides.greet();
  CHECK(refusal(sides.client.machine, frame_of({session_answer::begun, id_of(1), 4, {}}))
        == "session welcome: answer = begun: must not be, since the session was begun before");
}
