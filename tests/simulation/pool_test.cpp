#include "simulated_system.hpp"
#include "story.hpp"

#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

} // namespace

TEST_CASE("concurrent acquires of one key get one peer and dial once", "[simulation][P1]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  std::vector<probe> users;
  std::vector<answer_to<connection_actor>> answers;
  for (int count = 0; count < 20; ++count) {
    users.push_back(world.make_probe());
    answers.push_back(users.back().acquire(world.supervisor(), server, framed()));
  }
  world.run_for(1s);
  for (const auto& each : answers) {
    REQUIRE(each->value);
    CHECK(*each->value == *answers.front()->value);
  }
  CHECK(world.hosts().attempt_count(server) == 1);
}

TEST_CASE("an acquire beyond max_connections is refused until a peer has gone", "[simulation][P1]") {
  simulated_system world{{.pool = {.max_connections = 2}}};
  auto user = world.make_probe();
  const auto first = world.acquire("tcp://a:1");
  world.acquire("tcp://b:1");
  const auto refused = user.acquire(world.supervisor(), "tcp://c:1");
  const auto known = user.acquire(world.supervisor(), "tcp://a:1");
  world.run_now();
  CHECK(refused->code() == error_code::pool_exhausted);
  REQUIRE(known->value);
  CHECK(*known->value == first);
  user.close(first, close_mode::abort);
  world.run_now();
  CHECK_NOTHROW(world.acquire("tcp://c:1"));
}

TEST_CASE("a closed peer acquired again is a new one", "[simulation][P2]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  const auto first = world.acquire(server, framed());
  world.run_for(1s);
  user.close(first, close_mode::drain);
  world.run_for(1s);
  const auto second = world.acquire(server, framed());
  CHECK(first != second);
  const auto answer = user.send(second, "to the new one");
  world.run_for(1s);
  CHECK(answer->value);
  CHECK(world.hosts().attempt_count(server) == 2);
}

TEST_CASE("a peer that still drains is not handed out again", "[simulation][P2]") {
  simulated_system world;
  world.hosts().listen(server, deaf_service());
  auto user = world.make_probe();
  const auto first = world.acquire(server, framed());
  world.run_for(1s);
  user.cast(first, std::string(200'000, 'x'));
  const auto closed = user.close(first, close_mode::drain, 1min);
  world.run_for(1s);
  REQUIRE(closed->count == 0);
  const auto second = world.acquire(server, framed());
  CHECK(first != second);
  world.run_for(2min);
  CHECK(closed->value);
  const auto state = user.get_state(second);
  world.run_now();
  CHECK(state->value.value().state == connection_state::ready);
}

TEST_CASE("a peer that finishes its stream is not handed out again, and still delivers what it has",
          "[simulation][P2][D5]") {
  simulated_system world;
  auto user = world.make_probe();
  const auto first = world.acquire(server, framed());
  user.subscribe(first);
  user.cast(first, "first and last");
  // While it dials, or waits for its next attempt.
  world.run_for(GENERATE(0ms, 50ms));
  user.finish_stream(first);
  world.run_now();
  const auto second = world.acquire(server, framed());
  CHECK(first != second);
  CHECK(world.acquire(server, framed()) == second);
  world.hosts().listen(server, echo_service());
  const auto answer = user.send(second, "to the new one");
  world.run_for(10s);
  CHECK(answer->value);
  CHECK(user.last_state() == connection_state::closed);
  CHECK(user.text() == "first and last");
  CHECK(world.acquire(server, framed()) == second);
}

TEST_CASE("a peer that is closed or killed leaves the pool, counts as no crash, and its key names a new one",
          "[simulation][P2][B7][B9]") {
  using ending = void (*)(probe&, const connection_actor&);
  const std::array<ending, 5> endings{
      [](probe& user, const connection_actor& peer) { user.close(peer, close_mode::abort); },
      [](probe& user, const connection_actor& peer) { user.close(peer, close_mode::flush); },
      [](probe& user, const connection_actor& peer) { user.close(peer, close_mode::drain); },
      [](probe&, const connection_actor& peer) { caf::anon_send_exit(peer, caf::exit_reason::user_shutdown); },
      [](probe&, const connection_actor& peer) { caf::anon_send_exit(peer, caf::exit_reason::kill); },
  };
  for (const auto answer : {attempt_answer::accept, attempt_answer::ignore})
    for (const auto& end : endings) {
      CAPTURE(static_cast<int>(answer), &end - endings.data());
      simulated_system world;
      world.hosts().plan_next(server, {.answer = answer});
      world.hosts().listen(server, sink_service());
      auto user = world.make_probe();
      user.subscribe_to_pool(world.supervisor());
      const auto first = world.acquire(server, framed());
      world.run_for(1s);
      end(user, first);
      world.run_for(31s);
      INFO(to_string(user.notes()));
      REQUIRE(user.count<pool_event>() == 2);
      CHECK(user.all<pool_event>().front().change == pool_change::added);
      CHECK(user.all<pool_event>().back().change == pool_change::removed);
      const auto figures = user.get_pool_stats(world.supervisor());
      world.run_now();
      CHECK(figures->value.value().crashes == 0);
      CHECK(figures->value->peers == 0);
      CHECK(figures->value->connecting == 0);
      CHECK(world.hosts().open_count() == 0);
      CHECK(world.acquire(server, framed()) != first);
    }
}

TEST_CASE("a subscriber to the pool hears each event once, however often it subscribes", "[simulation][P1]") {
  simulated_system world;
  auto user = world.make_probe();
  user.subscribe_to_pool(world.supervisor());
  user.subscribe_to_pool(world.supervisor());
  world.acquire(server);
  world.run_now();
  CHECK(user.count<pool_event>() == 1);
}

TEST_CASE("peers are found by their id, and listed with their state", "[simulation][P1]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  const auto other = world.acquire("tcp://nobody:1", framed());
  world.run_for(50ms);
  const auto all = user.list(world.supervisor());
  world.run_now();
  REQUIRE(all->value.value().size() == 2);
  CHECK(all->value->at(0).state == connection_state::ready);
  CHECK(all->value->at(1).state == connection_state::backoff);
  const auto found = user.lookup(world.supervisor(), all->value->at(1).info.id);
  const auto missing = user.lookup(world.supervisor(), 12'345);
  world.run_now();
  CHECK(found->value.value() == other);
  CHECK(missing->code() == error_code::invalid_value);
}

} // namespace actorwire::test
