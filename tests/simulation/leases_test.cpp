// Peers that are lent: who gets them, and who waits.

#include "borrower.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

} // namespace

TEST_CASE("a lent peer is nobody else's, and never the answer to an acquire", "[simulation][P2]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  auto other = world.make_probe();
  const auto shared = world.acquire(server, framed());
  const auto one = borrow(world, user);
  const auto two = borrow(world, other);
  CHECK(one.id != two.id);
  CHECK(one.peer != two.peer);
  CHECK(one.peer != shared);
  CHECK(two.peer != shared);
  CHECK(world.acquire(server, framed()) == shared);
  const auto answer = user.send(one.peer, "mine");
  world.run_for(1s);
  CHECK(answer->value.value().result == outcome::written);
  CHECK(figures(world, user).leased == 2);
  CHECK(figures(world, user).leases == 2);
  CHECK(figures(world, user).peers == 3);
}

TEST_CASE("a peer that is given back is lent again as it was, with nothing of its last owner left",
          "[simulation][P2]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  auto other = world.make_probe();
  const auto first = borrow(world, user);
  user.subscribe(first.peer);
  user.send(first.peer, "one");
  world.run_for(1s);
  CHECK(user.text() == "one");
  const auto given_back = user.release(world.supervisor(), first.id);
  world.run_now();
  REQUIRE(given_back->value);
  const auto second = borrow(world, other);
  CHECK(second.peer == first.peer);
  CHECK(second.id != first.id);
  other.subscribe(second.peer);
  other.send(second.peer, "two");
  world.run_for(1s);
  CHECK(other.text() == "two");
  CHECK(user.text() == "one");
  CHECK(world.hosts().attempt_count(server) == 1);
}

TEST_CASE("whoever waits for data on a lent peer hears that it was given back", "[simulation][P2][D2]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  const auto mine = borrow(world, user);
  const auto waiting = user.receive(mine.peer);
  world.run_now();
  REQUIRE(waiting->count == 0);
  user.release(world.supervisor(), mine.id);
  world.run_now();
  CHECK(waiting->code() == error_code::lease_ended);
}

TEST_CASE("a lease that is given back twice is an error, and the next owner keeps its peer", "[simulation][P2]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  auto other = world.make_probe();
  const auto first = borrow(world, user);
  user.release(world.supervisor(), first.id);
  const auto second = borrow(world, other);
  const auto again = user.release(world.supervisor(), first.id);
  const auto never = user.release(world.supervisor(), 4'711);
  world.run_now();
  CHECK(again->code() == error_code::invalid_value);
  CHECK(never->code() == error_code::invalid_value);
  CHECK(figures(world, user).leased == 1);
  const auto answer = other.send(second.peer, "still mine");
  world.run_for(1s);
  CHECK(answer->value);
}

TEST_CASE("a peer that is not to be used again is closed after what was accepted was sent", "[simulation][P2]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto mine = borrow(world, user);
  const auto last = user.send(mine.peer, "half of an exchange");
  const auto given_back = user.release(world.supervisor(), mine.id, false);
  world.run_for(1s);
  CHECK(given_back->value);
  CHECK(last->value.value().result == outcome::written);
  CHECK(figures(world, user).peers == 0);
  CHECK(borrow(world, user).peer != mine.peer);
}

TEST_CASE("who comes first is served first, and nobody waits while a peer is free", "[simulation][P2][P3]") {
  simulated_system world{{.pool = {.max_leased = 2}}};
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  std::vector<answer_to<lease>> answers;
  for (int number = 0; number < 10; ++number)
    answers.push_back(user.checkout(world.supervisor(), wanted()));
  world.run_for(1s);
  CHECK(world.hosts().attempt_count(server) == 2);
  for (std::size_t served = 2; served <= answers.size(); ++served) {
    const auto pending = std::ranges::count(answers, 0U, [](const auto& each) { return each->count; });
    REQUIRE(pending == static_cast<std::ptrdiff_t>(answers.size() - served));
    for (std::size_t index = 0; index < answers.size(); ++index)
      CHECK(answers[index]->count == (index < served ? 1 : 0));
    if (served == answers.size())
      break;
    user.release(world.supervisor(), answers[served - 2]->value.value().id);
    world.run_now();
  }
  CHECK(world.hosts().attempt_count(server) == 2);
}

TEST_CASE("a checkout whose time is over is told why there was none, and what went wrong last",
          "[simulation][P3][D2]") {
  simulated_system world{{.pool = {.max_connections = 3, .max_leased = 2}}};
  auto user = world.make_probe();
  const auto ask = [&](std::string_view uri, when_down policy = when_down::queue) {
    auto request = wanted(uri, 5s);
    request.policy = policy;
    return user.checkout(world.supervisor(), request);
  };
  SECTION("all peers that may be made are lent") {
    world.hosts().listen(server, echo_service());
    borrow(world, user);
    borrow(world, user);
    const auto late = ask(server);
    world.run_for(5s - 1ms);
    CHECK(late->count == 0);
    world.run_for(1ms);
    CHECK(late->code() == error_code::pool_exhausted);
    CHECK(late->error.value().text.find("max_leased = 2") != std::string::npos);
  }
  SECTION("the pool is full") {
    world.acquire("tcp://a:1");
    world.acquire("tcp://b:1");
    world.acquire("tcp://c:1");
    const auto late = ask(server);
    world.run_for(5s);
    CHECK(late->code() == error_code::pool_exhausted);
    CHECK(late->error.value().text.find("max_connections = 3") != std::string::npos);
  }
  SECTION("none is connected") {
    world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
    const auto early = ask(server);
    world.run_for(5s);
    CHECK(early->code() == error_code::not_connected);
    const auto late = ask(server);
    world.run_for(5s);
    CHECK(late->count == 1);
  }
  SECTION("the attempts fail, and the breaker opens") {
    auto request = wanted(server, 150ms);
    const auto early = user.checkout(world.supervisor(), request);
    world.run_for(150ms);
    CHECK(early->code() == error_code::not_connected);
    INFO(early->error.value().text);
    CHECK(early->error.value().text.find("connection refused") != std::string::npos);
    world.run_for(10s);
    const auto late = ask(server);
    const auto impatient = ask(server, when_down::fail);
    world.run_now();
    CHECK(late->count == 0);
    CHECK(impatient->code() == error_code::breaker_open);
    CHECK(impatient->error.value().text.find("connection refused") != std::string::npos);
    world.run_for(5s);
    CHECK(late->code() == error_code::breaker_open);
    world.hosts().listen(server, echo_service());
    world.run_for(5s);
    const auto lucky = ask(server, when_down::fail);
    world.run_now();
    CHECK(lucky->value);
  }
  SECTION("the peer gives up") {
    auto request = wanted(server, 30s);
    request.options.reconnection.max_attempts = 2;
    const auto hopeless = user.checkout(world.supervisor(), request);
    world.run_for(5s);
    CHECK(hopeless->code() == error_code::attempts_exhausted);
    CHECK(figures(world, user).peers == 0);
  }
  SECTION("the supervisor closes") {
    const auto waiting = ask(server);
    world.run_for(1s);
    user.close(world.supervisor(), close_mode::drain);
    const auto late = ask(server);
    world.run_now();
    CHECK(waiting->code() == error_code::draining);
    CHECK((late->code() == error_code::draining || late->code() == error_code::closed));
  }
  SECTION("it is not valid") {
    auto request = wanted();
    request.hold = 0ms;
    const auto refused = user.checkout(world.supervisor(), request);
    world.run_now();
    CHECK(refused->code() == error_code::invalid_value);
  }
}

TEST_CASE("a checkout that does not want to wait is told as soon as all peers are down, another goes on to wait",
          "[simulation][P3][P4][D7]") {
  simulated_system world{{.pool = {.max_leased = 1}}};
  auto user = world.make_probe();
  auto request = wanted(server, 30s);
  request.policy = when_down::fail;
  const auto began = world.now();
  SECTION("its first attempt fails") {
    const auto hasty = user.checkout(world.supervisor(), request);
    const auto patient = user.checkout(world.supervisor(), wanted(server, 5s));
    world.run_for(50ms);
    CHECK(hasty->code() == error_code::not_connected);
    CHECK(hasty->error.value().text.find("connection refused") != std::string::npos);
    CHECK(patient->count == 0);
    world.hosts().listen(server, echo_service());
    world.run_for(5s);
    CHECK(patient->value);
  }
  SECTION("the one that is lent is lost, and comes back") {
    world.hosts().listen(server, echo_service());
    auto owner = world.make_probe();
    const auto mine = borrow(world, owner);
    const auto hasty = user.checkout(world.supervisor(), request);
    world.run_for(1s);
    CHECK(hasty->count == 0);
    world.hosts().reset_connections("server");
    world.run_for(10ms);
    CHECK(hasty->error);
    world.run_for(5s);
    const auto later = user.checkout(world.supervisor(), request);
    world.run_for(1s);
    CHECK(later->count == 0);
    owner.release(world.supervisor(), mine.id);
    world.run_for(1s);
    CHECK(later->value);
  }
  SECTION("peers of others open the breaker") {
    // Its connections live as long as the service.
    const auto service = echo_service();
    world.hosts().listen(server, service);
    const auto mine = borrow(world, user);
    const auto hasty = user.checkout(world.supervisor(), request);
    world.run_now();
    world.hosts().stop_listening(server);
    auto options = framed();
    for (std::uint32_t number = 0; number < 6; ++number) {
      options.transport.flow.queue_messages = 100 + number;
      world.acquire(server, options);
    }
    REQUIRE(world.run_until([&] { return figures(world, user).open_breakers == 1; }));
    world.run_now();
    CHECK(hasty->code() == error_code::breaker_open);
    CHECK(world.now() - began < 5s);
  }
}

TEST_CASE("peers that were given back and have not closed yet count in max_leased", "[simulation][P1][P2]") {
  simulated_system world{{.pool = {.max_leased = 2}}};
  world.hosts().listen(server, deaf_service());
  auto user = world.make_probe();
  const auto one = borrow(world, user);
  const auto two = borrow(world, user);
  for (const auto& each : {one, two}) {
    user.cast(each.peer, std::string(200'000, 'x'));
    user.release(world.supervisor(), each.id, false);
  }
  const auto next = user.checkout(world.supervisor(), wanted(server, 5s));
  world.run_for(4s);
  CHECK(next->count == 0);
  CHECK(world.hosts().attempt_count(server) == 2);
  CHECK(figures(world, user).leasable == 0);
  world.run_for(1s);
  CHECK(next->code() == error_code::pool_exhausted);
  CHECK(next->error.value().text.find("2 of them about to close") != std::string::npos);
  // They are cut when their close has taken too long.
  world.run_for(1min);
  CHECK(borrow(world, user).peer != one.peer);
}

TEST_CASE("min_idle peers are connected before they are asked for, as long as somebody comes now and then",
          "[simulation][P1][P5]") {
  simulated_system world{{.pool = {.max_leased = 4, .min_idle = 2, .lease_idle_timeout = 1min}}};
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  auto request = wanted(server, 0ms);
  const auto mine = borrow(world, user);
  world.run_for(1s);
  CHECK(figures(world, user).leased == 1);
  CHECK(figures(world, user).leasable == 2);
  CHECK(figures(world, user).ready == 3);
  for (int minute = 0; minute < 5; ++minute) {
    const auto now = user.checkout(world.supervisor(), request);
    world.run_now();
    user.release(world.supervisor(), now->value.value().id);
    world.run_for(50s);
  }
  CHECK(figures(world, user).leasable >= 2);
  user.release(world.supervisor(), mine.id);
  world.run_for(1min + 1s);
  CHECK(figures(world, user).peers == 0);
  CHECK(figures(world, user).losses == 0);
}

TEST_CASE("a supervisor that closes makes no more peers to keep them free", "[simulation][P5][B10]") {
  simulated_system world{{.pool = {.max_leased = 4, .min_idle = 2}}};
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  borrow(world, user);
  world.run_for(1s);
  const auto attempts = world.hosts().attempt_count(server);
  REQUIRE(attempts == 3);
  user.close(world.supervisor(), close_mode::drain, 10s);
  world.run_for(15s);
  CHECK(world.hosts().attempt_count(server) == attempts);
  CHECK(world.hosts().open_count() == 0);
}

TEST_CASE("one checkout more than may wait is refused at once", "[simulation][P3][B10]") {
  simulated_system world;
  auto user = world.make_probe();
  std::vector<answer_to<lease>> answers;
  for (int number = 0; number < 1'024; ++number)
    answers.push_back(user.checkout(world.supervisor(), wanted()));
  const auto one_more = user.checkout(world.supervisor(), wanted());
  world.run_now();
  CHECK(one_more->code() == error_code::pool_exhausted);
  CHECK(figures(world, user).lease_waiters == 1'024);
  world.run_for(31s);
  CHECK(std::ranges::all_of(answers, [](const auto& each) { return each->count == 1; }));
  CHECK(figures(world, user).lease_waiters == 0);
}

} // namespace actorwire::test
