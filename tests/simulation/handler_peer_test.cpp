// Handlers of peers, which live through all of their connections.

#include "host_and_peer.hpp"
#include "simulated_system.hpp"
#include "story.hpp"
#include "written_handler.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

using lines = std::vector<std::string>;

constexpr std::string_view echoing = "tcp://server:1";

/// A peer of an echo that a handler serves.
struct handled_peer {
  explicit handled_peer(const acquire_options& options = framed(), std::function<void(handler_book&)> prepare = {})
    : user(world.make_probe()) {
    world.hosts().listen(echoing, echo_service());
    if (prepare)
      prepare(*book);
    peer = world.net().acquire(echoing, options, writing_in(book)).value();
    world.run_for(1s);
  }

  [[nodiscard]] const lines& told() const { return book->lines; }

  std::shared_ptr<handler_book> book = std::make_shared<handler_book>();
  simulated_system world;
  probe user;
  connection_actor peer;
};

} // namespace

TEST_CASE("the handler of a peer lives through its connections, and sends on each", "[simulation][handler]") {
  handled_peer with{framed(), [](handler_book& book) {
                      book.act = [](local_connection& to, std::string_view line) {
                        if (line.starts_with("opened"))
                          CHECK(to.send(payload::copy_of("hello " + std::string{line.substr(7)})));
                      };
                    }};
  with.world.hosts().reset_connections("server");
  with.world.run_for(5s);
  const auto is_data = [](const std::string& line) { return line.starts_with("hello") || line.starts_with("opened"); };
  lines seen;
  std::copy_if(with.told().begin(), with.told().end(), std::back_inserter(seen), is_data);
  CHECK(seen == lines{"opened 1", "hello 1", "opened 2", "hello 2"});
  CHECK(with.book->made == 1);
  with.user.close(with.peer, close_mode::flush);
  with.world.run_for(5s);
  CHECK(with.told().back() == "ended closed");
  CHECK(with.book->alive == 0);
}

TEST_CASE("a peer has one handler, and who asks for another is told so", "[simulation][handler]") {
  handled_peer with;
  const auto second = with.world.net().acquire(echoing, framed(), writing_in(with.book));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == error_code::conflicting_values);
  CHECK(with.book->made == 1);
  // Without a handler of his own, everybody may have it.
  CHECK(with.world.acquire(echoing, framed()) == with.peer);
}

TEST_CASE("a handler that is added to a connected peer hears first that it is, and takes over from who pulls",
          "[simulation][handler]") {
  simulated_system world;
  auto user = world.make_probe();
  world.hosts().listen(echoing, echo_service());
  const auto plain = world.acquire(echoing, framed());
  const auto pulled = user.receive(plain);
  world.run_for(1s);
  const auto book = std::make_shared<handler_book>();
  const auto peer = world.net().acquire(echoing, framed(), writing_in(book)).value();
  CHECK(peer == plain);
  user.cast(peer, "hello");
  world.run_for(1s);
  CHECK(book->lines == lines{"opened 1", "hello"});
  CHECK(pulled->code() == error_code::conflicting_values);
}

TEST_CASE("an exception of its handler ends a peer for good, and its supervisor makes another",
          "[simulation][handler][B9]") {
  for (const std::string_view when : {"state ready", "opened 1", "hello", "state backoff"}) {
    CAPTURE(when);
    handled_peer with{framed(), [when](handler_book& book) {
                        book.act = [when](local_connection&, std::string_view line) {
                          if (line == when)
                            throw std::runtime_error{"no good"};
                        };
                      }};
    const auto before = with.world.actor_count();
    with.user.subscribe(with.peer);
    with.user.cast(with.peer, "hello");
    with.world.run_for(1s);
    with.world.hosts().reset_connections("server");
    with.world.run_for(1min);
    CHECK(with.told().back() == "ended crashed");
    CHECK(with.book->alive == 0);
    REQUIRE(with.book->end);
    CHECK(with.book->end->text.find("no good") != std::string::npos);
    with.book->act = {};
    const auto next = with.world.net().acquire(echoing, framed(), writing_in(with.book)).value();
    CHECK(next != with.peer);
    with.user.cast(next, "again");
    with.world.run_for(1s);
    CHECK(with.told().back() == "again");
    const auto figures = with.user.get_pool_stats(with.world.supervisor());
    with.world.run_now();
    CHECK(figures->value.value().peers == 1);
    CHECK(figures->value->crashes == 0);
    CHECK(with.world.actor_count() <= std::max(before, std::size_t{5}));
  }
}

TEST_CASE("a handler that sends while there is no connection is told at once what may not wait",
          "[simulation][handler]") {
  handled_peer with;
  std::vector<std::string> outcomes;
  const auto note = [&](const result<std::uint64_t>& outcome) {
    outcomes.push_back(outcome ? std::to_string(*outcome) : to_string(outcome.error().code));
  };
  with.book->act = [&](local_connection& to, std::string_view line) {
    if (line != "state backoff")
      return;
    send_options options;
    options.policy = when_down::fail;
    note(to.send(payload::copy_of("failed"), options));
    options.policy = when_down::drop;
    note(to.send(payload::copy_of("dropped"), options));
    options.policy = when_down::queue;
    note(to.send(payload::copy_of("queued"), options));
  };
  with.world.hosts().reset_connections("server");
  with.world.run_for(5s);
  CHECK(outcomes == std::vector<std::string>{"reset", "1", "2"});
  REQUIRE(with.book->losses.size() == 1);
  CHECK(with.book->losses.front().not_sent.messages == 1);
  CHECK(with.told().back() == "queued");
}

TEST_CASE("a peer that is closed from within a callback is gone, and its handler with it", "[simulation][handler]") {
  for (const auto mode : {close_mode::abort, close_mode::flush, close_mode::drain}) {
    CAPTURE(to_string(mode));
    handled_peer with;
    with.book->act = [mode](local_connection& to, std::string_view line) {
      if (line == "hello")
        to.close(mode, 1s);
    };
    with.user.cast(with.peer, "hello");
    with.world.run_for(10s);
    CHECK(with.told().back() == "ended closed");
    CHECK(with.book->alive == 0);
    const auto figures = with.user.get_pool_stats(with.world.supervisor());
    with.world.run_now();
    CHECK(figures->value.value().peers == 0);
    CHECK(with.world.net().memory_used() == 0);
  }
}

TEST_CASE("the handler of a peer is gone when the network has ended", "[simulation][handler]") {
  handled_peer with;
  with.world.destroy_network();
  CHECK(with.book->alive == 0);
  CHECK(with.told().back().starts_with("ended"));
}

TEST_CASE("a handler hears of other streams and of datagrams only if it asks for them",
          "[simulation][handler][streams]") {
  for (const auto events : {event_mask::all, connection_handler::usual_events}) {
    const auto wants_all = events == event_mask::all;
    CAPTURE(wants_all);
    stream_host host{stream_manners::echo};
    simulated_system world;
    auto user = world.make_probe();
    world.hosts().listen(server, host.accept());
    const auto book = std::make_shared<handler_book>();
    book->act = [](local_connection& to, std::string_view line) {
      // Once, or they would throw it to each other for ever.
      if (line == "1: ping")
        CHECK(to.send(payload::copy_of("pong"), on(1)));
    };
    const auto peer = world.net().acquire(server, without_framing(), writing_in(book, events)).value();
    world.run_for(1s);
    auto& other = host.last();
    const auto opened = other.streams().open(stream_direction::bidirectional, {});
    REQUIRE(opened);
    REQUIRE(*opened == 1);
    other.streams().receive(1, 1'000);
    other.send(1, "ping");
    static_cast<void>(other.streams().send_datagram(payload::copy_of("far")));
    world.run_for(1s);
    other.finish(1);
    user.cast(peer, "main");
    world.run_for(1s);
    const auto heard = [&](std::string_view line) {
      return std::find(book->lines.begin(), book->lines.end(), line) != book->lines.end();
    };
    CHECK(heard("main"));
    CHECK(heard("stream 1") == wants_all);
    CHECK(heard("1: ping") == wants_all);
    CHECK(heard("end of 1") == wants_all);
    CHECK(heard("datagram far") == wants_all);
    CHECK(other.text[1] == (wants_all ? "pong" : ""));
  }
}

} // namespace actorwire::test
