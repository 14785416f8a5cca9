// Handlers in the shard: what they are told, what they may do meanwhile, and what becomes of them.

#include "served_host.hpp"
#include "session_ends.hpp"
#include "simulated_system.hpp"
#include "story.hpp"
#include "written_handler.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

using lines = std::vector<std::string>;

constexpr std::string_view here = "tcp://here:1";

/// A listener whose clients are served by handlers, and a peer that is its client.
struct handled_client {
  explicit handled_client(const acquire_options& options = framed(), std::string_view uri = here,
                          event_mask events = connection_handler::usual_events)
    : user(world.make_probe()), listener(handle_at(world, user, uri, writing_in(book, events), options.transport)) {
    peer = world.acquire(uri, options);
    user.subscribe(peer);
    world.run_for(1s);
  }

  void say(std::string_view text, stream_id stream = 0) {
    send_options options;
    options.stream = stream;
    user.cast(peer, text, options);
    world.run_for(100ms);
  }

  [[nodiscard]] const lines& told() const { return book->lines; }
  [[nodiscard]] std::ptrdiff_t count(std::string_view line) const {
    return std::count(told().begin(), told().end(), line);
  }

  std::shared_ptr<handler_book> book = std::make_shared<handler_book>();
  simulated_system world;
  probe user;
  listener_actor listener;
  connection_actor peer;
};

/// The options of a client that dials once.
acquire_options once() {
  auto options = framed();
  options.reconnection.max_attempts = 1;
  return options;
}

acquire_options numbered() {
  auto options = framed();
  options.transport.framing.mode = framing_mode::numbered;
  return options;
}

/// Whoever sends more than a byte is told of back-pressure.
acquire_options soon_pressed(acquire_options options) {
  options.transport.flow.low_water = 1;
  options.transport.flow.high_water = 2;
  return options;
}

void send_text(local_connection& to, std::string_view text) {
  CHECK(to.send(payload::copy_of(text)));
}

/// Has the handler do something in the callback that writes `when`. For that of back-pressure it answers what comes.
void act_when(handled_client& with, std::string_view when, std::function<void(local_connection&)> what) {
  with.book->act = [when, what = std::move(what)](local_connection& to, std::string_view line) {
    if (line == "hello" && when == "pressure")
      send_text(to, "some");
    if (line == when)
      what(to);
  };
}

} // namespace

TEST_CASE("a handler hears of its connection from the beginning to the end, and of nothing after it",
          "[simulation][handler]") {
  handled_client with{once()};
  with.book->act = [](local_connection& to, std::string_view line) {
    if (line == "hello")
      send_text(to, "welcome");
    if (line == "end of 0")
      send_text(to, "farewell");
  };
  with.say("hello");
  CHECK(with.user.text() == "welcome");
  with.user.finish_stream(with.peer);
  with.world.run_for(10s);
  CHECK(with.told() == lines{"state ready", "opened 1", "hello", "end of 0", "state closed", "ended peer_closed"});
  CHECK(with.user.text() == "welcomefarewell");
  CHECK(with.book->made == 1);
  CHECK(with.book->alive == 0);
  CHECK(with.book->destroyed_on == std::this_thread::get_id());
  with.world.run_for(1min);
  CHECK(with.told().size() == 6);
}

TEST_CASE("who subscribes to a connection that has a handler gets the same", "[simulation][handler]") {
  handled_client with;
  auto other = with.world.make_probe();
  connection_actor client;
  with.book->act = [&](local_connection& to, std::string_view line) {
    if (line == "first")
      client = to.actor();
  };
  with.say("first");
  other.subscribe(client);
  with.world.run_now();
  with.say("second");
  with.user.close(with.peer, close_mode::drain);
  with.world.run_for(10s);
  CHECK(other.text() == "second");
  CHECK(other.count<peer_closing>() == 1);
  CHECK(other.last_state() == connection_state::closed);
  CHECK(with.count("second") == 1);
  CHECK(with.count("end of 0") == 1);
  CHECK(with.book->alive == 0);
}

TEST_CASE("who is slow beside a handler holds it up, too", "[simulation][handler]") {
  auto options = framed();
  options.transport.flow.read_credit = 1'000;
  handled_client with{options};
  auto other = with.world.make_probe();
  connection_actor client;
  with.book->act = [&](local_connection& to, std::string_view) { client = to.actor(); };
  with.say("first");
  other.subscribe(client, event_mask::data);
  with.world.run_now();
  other.get_busy();
  for (int count = 0; count < 20; ++count)
    with.say(std::string(200, 'x'));
  const auto text = std::string(200, 'x');
  CHECK(with.count(text) < 10);
  CHECK(with.count(text) == static_cast<std::ptrdiff_t>(other.count<received>()));
  other.catch_up();
  with.world.run_for(1s);
  CHECK(with.count(text) == 20);
}

TEST_CASE("a message leaves before the flush that a handler asks for behind it", "[simulation][handler]") {
  handled_client with{once()};
  with.book->act = [](local_connection& to, std::string_view line) {
    if (line != "quit")
      return;
    send_text(to, "last");
    to.close(close_mode::flush);
    CHECK(to.status().state == connection_state::ready);
  };
  with.say("quit");
  with.world.run_for(10s);
  CHECK(with.user.text() == "last");
  CHECK(with.told().back() == "ended closed");
  CHECK(with.book->alive == 0);
}

TEST_CASE("a handler may abort its connection from within each callback, and no callback follows but the last",
          "[simulation][handler]") {
  const std::string_view when = GENERATE("opened 1", "state ready", "hello", "end of 0", "pressure");
  CAPTURE(when);
  const auto options = soon_pressed(once());
  handled_client with{options};
  // The listener of the fixture has served that client already: this is for the next.
  with.book->lines.clear();
  act_when(with, when, [](local_connection& to) { to.close(close_mode::abort); });
  auto other = framed();
  other.reconnection.max_attempts = 1;
  other.transport.flow = options.transport.flow;
  other.transport.operation_timeout += 1ms;
  const auto second = with.world.acquire(here, other);
  with.user.cast(second, "hello");
  with.world.run_for(100ms);
  with.user.finish_stream(second);
  with.world.run_for(1min);
  REQUIRE(with.count(when) == 1);
  REQUIRE_FALSE(with.told().empty());
  CHECK(with.told().back() == "ended closed");
  CHECK(with.count("ended closed") == 1);
  CHECK(with.book->made == 2);
  CHECK(with.book->alive == 1);
}

TEST_CASE("behind an abort a handler gets no message more, not even of those that are here", "[simulation][handler]") {
  handled_client with{once()};
  with.book->act = [](local_connection& to, std::string_view line) {
    if (line == "hello") {
      to.close(close_mode::abort);
      to.close(close_mode::abort);
    }
  };
  with.user.cast(with.peer, "hello");
  with.user.cast(with.peer, "more");
  with.world.run_for(1min);
  CHECK(with.count("hello") == 1);
  CHECK(with.count("more") == 0);
  CHECK(with.told().back().starts_with("ended"));
  CHECK(with.book->alive == 0);
}

TEST_CASE("what happens while a handler is made is told to it, as far as it wants to hear of it",
          "[simulation][handler]") {
  const auto events = GENERATE(connection_handler::usual_events, event_mask::data);
  const auto options = soon_pressed(framed());
  auto book = std::make_shared<handler_book>();
  book->begin = [](local_connection& to) { send_text(to, "from the beginning"); };
  simulated_system world;
  auto user = world.make_probe();
  const auto listener = handle_at(world, user, here, writing_in(book, events), options.transport);
  const auto peer = world.acquire(here, options);
  user.subscribe(peer);
  world.run_for(1s);
  CHECK(user.text() == "from the beginning");
  const auto wanted = events == event_mask::data ? 0 : 1;
  CHECK(std::count(book->lines.begin(), book->lines.end(), "pressure") == wanted);
  CHECK(std::count(book->lines.begin(), book->lines.end(), "no pressure") == wanted);
  CHECK(std::count(book->lines.begin(), book->lines.end(), "opened 1") == wanted);
}

TEST_CASE("a handler to which a flood of small messages comes lets others have their turn", "[simulation][handler]") {
  auto options = framed();
  options.transport.flow.read_credit = std::size_t{64} << 10U;
  handled_client with{options};
  std::size_t seen = 0;
  const auto other = spawn_beside(with.peer, [&](caf::event_based_actor*) -> caf::behavior {
    return {[&](std::int32_t) { seen = with.told().size(); }};
  });
  with.book->lines.clear();
  with.book->act = [&](local_connection&, std::string_view) {
    if (with.told().size() == 1)
      anonymous_tell(other, std::int32_t{1});
  };
  for (int count = 0; count < 2'000; ++count)
    with.user.cast(with.peer, "m");
  with.world.run_for(1s);
  CHECK(with.count("m") == 2'000);
  // 128 bytes for each beside its own.
  CHECK(seen >= 1);
  CHECK(seen <= 520);
}

TEST_CASE("an exception that leaves a callback ends its connection and says why, and nothing else",
          "[simulation][handler]") {
  const std::string_view when = GENERATE("opened 1", "state ready", "hello", "end of 0", "pressure");
  CAPTURE(when);
  const auto options = soon_pressed(once());
  handled_client with{options};
  with.book->lines.clear();
  act_when(with, when, [](local_connection&) { throw std::runtime_error{"no good"}; });
  auto other = options;
  other.transport.operation_timeout += 1ms;
  const auto second = with.world.acquire(here, other);
  with.user.cast(second, "hello");
  with.user.cast(second, "never comes");
  with.world.run_for(100ms);
  with.user.finish_stream(second);
  with.world.run_for(1min);
  REQUIRE(with.count(when) == 1);
  CHECK(with.told().back() == "ended crashed");
  // Behind the one that has failed there is no other callback.
  REQUIRE(with.told().size() >= 2);
  CHECK(with.told()[with.told().size() - 2] == when);
  REQUIRE(with.book->end);
  CHECK(with.book->end->text.find("no good") != std::string::npos);
  CHECK(with.book->alive == 1);
  // The first client is there as before.
  with.book->act = {};
  with.say("still here");
  CHECK(with.told().back() == "still here");
}

TEST_CASE("a handler that cannot be made ends its connection", "[simulation][handler]") {
  const auto throws = GENERATE(false, true);
  simulated_system world;
  auto user = world.make_probe();
  const auto listener = handle_at(
      world, user, here,
      [throws](local_connection) -> std::unique_ptr<connection_handler> {
        if (throws)
          throw std::runtime_error{"not today"};
        return nullptr;
      },
      framed().transport);
  const auto actors = world.actor_count();
  const auto peer = world.acquire(here, once());
  user.subscribe(peer);
  world.run_for(10s);
  CHECK(user.count<opened>() >= 1);
  user.close(peer, close_mode::abort);
  world.run_for(10s);
  CHECK(world.actor_count() == actors);
  CHECK(world.net().memory_used() == 0);
}

TEST_CASE("what throws at the end changes nothing but the reason of the actor", "[simulation][handler]") {
  handled_client with{once()};
  with.book->act = [&](local_connection& to, std::string_view line) {
    if (line == "hello")
      to.close(close_mode::flush);
    if (line.starts_with("ended")) {
      const auto refused = to.send(payload::copy_of("too late"));
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == error_code::closed);
      to.finish();
      to.close();
      to.resume_reading();
      throw std::runtime_error{"too late"};
    }
  };
  const auto actors = with.world.actor_count();
  with.say("hello");
  with.world.run_for(10s);
  CHECK(with.told().back() == "ended closed");
  CHECK(with.book->alive == 0);
  CHECK(with.world.actor_count() < actors);
}

TEST_CASE("a message is refused while the handler's connection closes, and is its to keep", "[simulation][handler]") {
  handled_client with;
  auto text = payload::copy_of("kept");
  std::vector<error_code> codes;
  with.book->act = [&](local_connection& to, std::string_view line) {
    if (line == "finish")
      to.finish();
    if (line == "finish" || line == "state draining")
      if (const auto refused = to.send(std::move(text)); !refused)
        codes.push_back(refused.error().code);
    if (line == "finish")
      to.close(close_mode::drain);
  };
  with.say("finish");
  CHECK(codes == std::vector{error_code::closed, error_code::draining});
  CHECK(text.text() == "kept");
  CHECK(with.book->losses.empty());
}

TEST_CASE("paused, a handler gets no message more, not even of those that are here, until it reads again",
          "[simulation][handler]") {
  handled_client with;
  local_connection* paused = nullptr;
  with.book->act = [&](local_connection& to, std::string_view line) {
    if (line == "1" || line == "3") {
      to.pause_reading();
      paused = &to;
    }
  };
  with.user.cast_batch(with.peer, {"1", "2", "3", "4"});
  with.world.run_for(10s);
  REQUIRE(with.told().back() == "1");
  // From outside of a callback, but on the shard.
  const auto go_on = [&] {
    with.user.run([&](caf::event_based_actor*) { paused->resume_reading(); });
    with.world.run_for(1s);
  };
  go_on();
  REQUIRE(with.told().back() == "3");
  go_on();
  CHECK(with.told() == lines{"state ready", "opened 1", "1", "2", "3", "4"});
}

TEST_CASE("back-pressure is told before the next message, so that a handler can stop in time",
          "[simulation][handler]") {
  auto options = framed();
  options.transport.flow.low_water = 1;
  options.transport.flow.high_water = 100;
  handled_client with{options};
  const std::string text(150, 'x');
  with.book->act = [&](local_connection& to, std::string_view line) {
    if (line == text)
      send_text(to, text);
    if (line == "pressure")
      to.pause_reading();
    if (line == "no pressure")
      to.resume_reading();
  };
  with.user.cast_batch(with.peer, {text, text, text});
  with.world.run_for(1s);
  CHECK(with.told()
        == lines{"state ready", "opened 1", text, "pressure", "no pressure", text, "pressure", "no pressure", text,
                 "pressure", "no pressure"});
  CHECK(with.user.text() == text + text + text);
}

TEST_CASE("an echo whose client does not read holds no more than its limits, and loses nothing",
          "[simulation][handler][F1]") {
  constexpr std::size_t high_water = 20'000;
  simulated_system world;
  auto user = world.make_probe();
  auto options = framed();
  options.transport.flow.high_water = high_water;
  options.transport.flow.low_water = high_water / 4;
  options.transport.flow.read_credit = 10'000;
  options.transport.operation_timeout = 1h;
  const auto listener = handle_at(world, user, here, make_echoing, options.transport);
  auto of_client = options;
  of_client.transport.flow.queue_messages = 10'000;
  of_client.transport.flow.write_limit = of_client.transport.flow.queue_bytes = std::size_t{8} << 20U;
  const auto peer = world.acquire(here, of_client);
  world.run_for(1s);
  std::string all;
  for (int count = 0; count < 4'000; ++count) {
    const auto text = std::to_string(count) + std::string(1'000, 'x');
    all += text;
    user.cast(peer, text);
  }
  // What the client keeps is its own; the rest is on the way, or in the echo.
  for (int second = 0; second < 100; ++second) {
    world.run_for(1s);
    const auto figures = user.get_stats(peer);
    world.run_now();
    const auto kept = figures->value.value().delivery.pending.bytes;
    // Two windows of the network, what either side reads ahead, and what the echo has accepted.
    REQUIRE(all.size() - kept <= 2 * (64U << 10U) + 2 * 10'000 + high_water + 3'000);
  }
  user.subscribe(peer, event_mask::data);
  world.run_for(10min);
  CHECK(user.text() == all);
}

TEST_CASE("a handler of a session that throws confirms nothing of what it was given then, and ends the session",
          "[simulation][handler][D8]") {
  handled_client with{in_session()};
  with.book->act = [](local_connection&, std::string_view line) {
    if (line == "c2")
      throw std::runtime_error{"no good"};
  };
  const auto first = with.user.send(with.peer, "c1");
  with.world.run_for(1s);
  const auto second = with.user.send(with.peer, "c2");
  with.world.run_for(1min);
  CHECK(first->value.value().result == outcome::confirmed);
  CHECK(with.count("c1") == 1);
  CHECK(with.count("c2") == 1);
  CHECK(second->count == 1);
  CHECK((!second->value || second->value->result == outcome::maybe_sent));
}

TEST_CASE("a handler of a session is given each message once, and confirms it by returning",
          "[simulation][handler][D8]") {
  handled_client with{in_session()};
  with.book->act = [](local_connection& to, std::string_view line) {
    if (line.starts_with("c"))
      send_text(to, "s" + std::string{line.substr(1)});
  };
  const auto first = with.user.send(with.peer, "c1");
  with.world.run_for(1s);
  with.world.hosts().partition("here");
  const auto second = with.user.send(with.peer, "c2");
  with.world.run_for(1s);
  with.world.hosts().reset_connections("here");
  with.world.hosts().heal("here");
  with.world.run_for(1min);
  CHECK(first->value.value().result == outcome::confirmed);
  CHECK(second->value.value().result == outcome::confirmed);
  CHECK(with.count("c1") == 1);
  CHECK(with.count("c2") == 1);
  CHECK(with.count("session") == 1);
  CHECK(with.count("resumed") == 1);
  CHECK(with.user.text() == "s1s2");
  CHECK(with.book->made == 2);
  CHECK(with.book->alive == 1);
}

TEST_CASE("a call reaches the handler, which answers it through the actor", "[simulation][handler]") {
  handled_client with{numbered()};
  with.book->act = [](local_connection& to, std::string_view line) {
    if (line.starts_with("call"))
      anonymous_tell(to.actor(), actorwire::answer{to.status().info.generation, 0, 1, payload::copy_of("42")});
  };
  const auto asked = with.user.call(with.peer, "what is it?");
  with.world.run_for(1s);
  REQUIRE(with.told().back() == "call 1 what is it?");
  REQUIRE(asked->value);
  CHECK(asked->value->body.text() == "42");
}

} // namespace actorwire::test
