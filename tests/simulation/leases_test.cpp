// Peers that are lent: who gets them, and what happens when they do not come back.

#include "seed.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

actorwire::checkout wanted(std::string_view uri = server, std::chrono::milliseconds wait = 30s,
                           std::chrono::milliseconds hold = 5min) {
  return {parse_endpoint(uri).value(), framed(), {}, wait, hold};
}

pool_stats figures(simulated_system& world, probe& asker) {
  const auto answer = asker.get_pool_stats(world.supervisor());
  world.run_now();
  return answer->value.value();
}

/// Asks for a lease and runs until it is there.
lease borrow(simulated_system& world, probe& owner, actorwire::checkout request = wanted()) {
  const auto answer = owner.checkout(world.supervisor(), std::move(request));
  if (!world.run_until([&] { return answer->count > 0; }) || !answer->value)
    throw std::runtime_error{"no lease"};
  return *answer->value;
}

std::ptrdiff_t count(const probe& user, pool_change what) {
  const auto events = user.all<pool_event>();
  return std::ranges::count(events, what, &pool_event::change);
}

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

TEST_CASE("a lease that is held for too long is taken back: its peer closes and tells its owner why",
          "[simulation][P2][P3]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  auto observer = world.make_probe();
  observer.subscribe_to_pool(world.supervisor());
  const auto mine = borrow(world, user, wanted(server, 30s, 10s));
  user.subscribe(mine.peer);
  world.run_for(10s - 1s);
  CHECK(user.last_state() != connection_state::closed);
  world.run_for(1s + 1ms);
  CHECK(user.last_state() == connection_state::closed);
  CHECK(user.all<state_changed>().back().reason.code == error_code::lease_ended);
  CHECK(count(observer, pool_change::lease_taken_back) == 1);
  CHECK(count(observer, pool_change::removed) == 1);
  const auto late = user.release(world.supervisor(), mine.id);
  const auto useless = user.send(mine.peer, "too late");
  world.run_now();
  CHECK(late->code() == error_code::invalid_value);
  CHECK(useless->error);
  CHECK(figures(world, user).leases_taken_back == 1);
  CHECK(figures(world, user).peers == 0);
}

TEST_CASE("the end of an owner gives its peer and its place in the line to others", "[simulation][P2][S5]") {
  simulated_system world{{.pool = {.max_leased = 1}}};
  world.hosts().listen(server, echo_service());
  auto owner = world.make_probe();
  auto impatient = world.make_probe();
  auto user = world.make_probe();
  const auto theirs = borrow(world, owner);
  impatient.checkout(world.supervisor(), wanted());
  const auto answer = user.checkout(world.supervisor(), wanted());
  world.run_for(1s);
  impatient.end();
  world.run_now();
  CHECK(figures(world, user).lease_waiters == 1);
  owner.end();
  world.run_for(1s);
  REQUIRE(answer->value);
  CHECK(answer->value->peer != theirs.peer);
  CHECK(figures(world, user).leases_taken_back == 1);
  CHECK(figures(world, user).peers == 1);
}

TEST_CASE("a lent peer whose connection is lost is dialled again for its owner", "[simulation][P2]") {
  simulated_system world{{.pool = {.max_leased = 1}}};
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto mine = borrow(world, user);
  user.subscribe(mine.peer);
  world.hosts().reset_connections("server");
  world.run_for(10ms);
  const auto answer = user.send(mine.peer, "once more");
  const auto other = user.checkout(world.supervisor(), wanted());
  world.run_for(1min);
  CHECK(answer->count == 1);
  CHECK(user.last_state() == connection_state::ready);
  CHECK(other->code() == error_code::pool_exhausted);
}

TEST_CASE("a lent peer that its owner closes ends the lease, and makes room for another", "[simulation][P2]") {
  simulated_system world{{.pool = {.max_leased = 1}}};
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto mine = borrow(world, user);
  const auto next = user.checkout(world.supervisor(), wanted());
  switch (GENERATE(0, 1, 2, 3)) {
    case 0:
      user.close(mine.peer, close_mode::abort);
      break;
    case 1:
      user.close(mine.peer, close_mode::drain);
      break;
    case 2:
      user.finish_stream(mine.peer);
      break;
    default:
      caf::anon_send_exit(mine.peer, caf::exit_reason::kill);
      break;
  }
  world.run_for(1s);
  REQUIRE(next->value);
  CHECK(next->value->peer != mine.peer);
  const auto late = user.release(world.supervisor(), mine.id);
  world.run_now();
  CHECK(late->code() == error_code::invalid_value);
}

TEST_CASE("a peer that closes when it is given back is lent to nobody any more", "[simulation][P2]") {
  simulated_system world{{.pool = {.max_leased = 1}, .shards = GENERATE(std::size_t{1}, std::size_t{2})}};
  for (std::size_t shard = 0; shard < world.net().shard_count(); ++shard)
    world.hosts(shard).listen(server, echo_service());
  auto user = world.make_probe();
  const auto mine = borrow(world, user);
  const auto next = user.checkout(world.supervisor(), wanted());
  world.run_now();
  const auto at = world.supervisor();
  if (GENERATE(true, false))
    user.run([=](caf::event_based_actor* self) {
      tell(self, mine.peer, actorwire::close{close_mode::drain});
      tell(self, at, actorwire::release{mine.id, true});
    });
  else
    user.run([=](caf::event_based_actor* self) {
      tell(self, mine.peer, actorwire::finish_stream{});
      tell(self, at, actorwire::release{mine.id, true});
    });
  world.run_for(1s);
  REQUIRE(next->value);
  CHECK(next->value->peer != mine.peer);
  const auto answer = user.send(next->value->peer, "mine");
  world.run_for(1s);
  CHECK(answer->value);
  CHECK(figures(world, user).leased == 1);
}

TEST_CASE("a peer that nobody wants for long is closed in order", "[simulation][P5]") {
  simulated_system world{{.pool = {.lease_idle_timeout = 1min}}};
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto mine = borrow(world, user);
  user.release(world.supervisor(), mine.id);
  world.run_for(59s);
  CHECK(figures(world, user).leasable == 1);
  world.run_for(2s);
  CHECK(figures(world, user).peers == 0);
  CHECK(figures(world, user).losses == 0);
}

TEST_CASE("whoever tells of a lease or a peer that is no more, and does not ask, lives on", "[simulation]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto mine = borrow(world, user, wanted(server, 30s, 10s));
  const auto other = borrow(world, user, wanted(server, 30s, 5min));
  world.run_for(11s);
  REQUIRE(figures(world, user).leases_taken_back == 1);
  const auto at = world.supervisor();
  SECTION("a lease that was taken back") {
    user.run([=](caf::event_based_actor* self) { tell(self, at, actorwire::release{mine.id, true}); });
  }
  SECTION("a reset") {
    user.reset(at, 4'711);
  }
  SECTION("a policy") {
    user.set_policy(at, 4'711, {});
  }
  SECTION("a policy that is not valid") {
    user.set_policy(at, 4'711, {.jitter = 7.0});
  }
  SECTION("a look-up") {
    user.run([=](caf::event_based_actor* self) { tell(self, at, actorwire::lookup{4'711}); });
  }
  SECTION("an acquire") {
    user.run([=](caf::event_based_actor* self) { tell(self, at, actorwire::acquire{}); });
  }
  world.run_for(1s);
  // Its end would have given back what it has.
  CHECK(figures(world, user).leased == 1);
  CHECK(figures(world, user).leases_taken_back == 1);
  const auto given_back = user.release(world.supervisor(), other.id);
  world.run_now();
  CHECK(given_back->value);
}

TEST_CASE("a lease and a subscription of one actor end one by one", "[simulation][S5]") {
  simulated_system world;
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  user.subscribe_to_pool(world.supervisor());
  const auto mine = borrow(world, user);
  user.release(world.supervisor(), mine.id);
  world.run_now();
  const auto heard = user.count<pool_event>();
  world.acquire("tcp://other:1");
  world.run_now();
  CHECK(user.count<pool_event>() == heard + 1);
  const auto again = borrow(world, user);
  user.run([at = world.supervisor()](caf::event_based_actor* self) { tell(self, at, actorwire::unsubscribe{}); });
  world.run_now();
  // It is still watched as an owner.
  user.end();
  world.run_for(1s);
  auto other = world.make_probe();
  CHECK(figures(world, other).leases_taken_back == 1);
  static_cast<void>(again);
}

TEST_CASE("the end of the supervisor or of the network answers every checkout", "[simulation][B10][D2]") {
  simulated_system world{{.pool = {.max_leased = 1}}};
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  borrow(world, user);
  const auto waiting = user.checkout(world.supervisor(), wanted(server, 24h));
  const auto dialling = user.checkout(world.supervisor(), wanted("tcp://nobody:1", 24h));
  world.run_for(1s);
  REQUIRE(waiting->count == 0);
  if (GENERATE(true, false))
    caf::anon_send_exit(world.supervisor(), caf::exit_reason::user_shutdown);
  else
    user.close(world.supervisor(), close_mode::abort);
  world.run_for(1s);
  CHECK(waiting->count == 1);
  CHECK(dialling->count == 1);
  CHECK(waiting->error);
  CHECK(dialling->error);
}

TEST_CASE("in any random story of leases each checkout is answered once, and no peer is lent twice",
          "[simulation][P1][P2][P3][D2]") {
  const test_seed seed;
  for (std::uint32_t round = 0; round < 10; ++round) {
    CAPTURE(round);
    auto engine = seed.engine(round);
    const auto below = [&engine](std::uint64_t bound) { return engine() % bound; };
    simulated_system world{{.seed = engine(),
                            .pool = {.max_connections = static_cast<std::uint32_t>(2 + below(6)),
                                     .max_leased = static_cast<std::uint32_t>(1 + below(3)),
                                     .lease_idle_timeout = std::chrono::milliseconds{below(5'000)}},
                            .shards = 1 + below(2)}};
    const std::vector<std::string> uris{"tcp://a:1", "tcp://b:1", "tcp://c:1"};
    for (std::size_t shard = 0; shard < world.net().shard_count(); ++shard)
      for (const auto& uri : uris)
        world.hosts(shard).listen(uri, echo_service());
    std::vector<probe> users;
    for (int number = 0; number < 4; ++number)
      users.push_back(world.make_probe());
    std::vector<answer_to<lease>> answers;
    /// Who asked, and how often that user had been replaced by another then.
    std::vector<std::pair<std::size_t, std::size_t>> askers;
    std::vector<std::size_t> ends(users.size());
    /// Those that were given back, and whether their peers may be lent again.
    std::map<lease_id, bool> released;
    std::map<caf::actor_id, lease_id> last_lease_of;
    std::set<lease_id> ids;
    const auto check_grants = [&] {
      std::map<lease_id, caf::actor_id> fresh;
      for (const auto& each : answers)
        if (each->value && ids.insert(each->value->id).second)
          fresh.emplace(each->value->id, each->value->peer.id());
      for (const auto& [id, peer] : fresh) {
        // Every other lease of the peer has ended before, in the one way after which it may be lent again.
        if (const auto known = last_lease_of.find(peer); known != last_lease_of.end()) {
          const auto ended = released.find(known->second);
          REQUIRE(ended != released.end());
          REQUIRE(ended->second);
        }
        last_lease_of[peer] = id;
      }
    };
    for (int step = 0; step < 200; ++step) {
      const auto who = below(users.size());
      auto& user = users[who];
      const auto wish = below(10);
      if (wish < 5) {
        askers.emplace_back(who, ends[who]);
        answers.push_back(
            user.checkout(world.supervisor(), wanted(uris[below(uris.size())], std::chrono::milliseconds{below(2'000)},
                                                     std::chrono::milliseconds{1 + below(2'000)})));
      } else if (wish < 8 && !answers.empty()) {
        // Some have ended by themselves meanwhile.
        if (const auto& some = answers[below(answers.size())]; some->value && !released.contains(some->value->id)) {
          const auto reuse = below(3) != 0;
          released.emplace(some->value->id, reuse);
          user.release(world.supervisor(), some->value->id, reuse);
        }
      } else if (wish == 8 && !answers.empty()) {
        if (const auto& some = answers[below(answers.size())]; some->value)
          caf::anon_send_exit(some->value->peer, caf::exit_reason::kill);
      } else {
        user.end();
        ++ends[who];
        user = world.make_probe();
      }
      world.run_for(std::chrono::milliseconds{below(200)});
      check_grants();
      const auto now = figures(world, users.front());
      REQUIRE(now.peers <= 7);
      REQUIRE(now.leased + now.leasable <= now.peers);
    }
    world.run_for(10s);
    check_grants();
    std::size_t granted = 0;
    for (std::size_t index = 0; index < answers.size(); ++index) {
      const auto& each = answers[index];
      const auto& [who, ended_before] = askers[index];
      // Whoever has ended may miss the answer.
      REQUIRE(each->count <= 1);
      if (ends[who] == ended_before)
        REQUIRE(each->count == 1);
      granted += each->value ? 1U : 0U;
    }
    REQUIRE(ids.size() == granted);
    REQUIRE(figures(world, users.front()).lease_waiters == 0);
    REQUIRE(figures(world, users.front()).leased == 0);
    REQUIRE(granted <= figures(world, users.front()).leases);
  }
}

} // namespace actorwire::test
