// How leases end: by time, with their owner, with their peer, and with everything.

#include "borrower.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

} // namespace

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

} // namespace actorwire::test
