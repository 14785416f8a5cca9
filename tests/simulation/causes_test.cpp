// Whoever is told that something cannot be had, or came too late, is told what went wrong before.

#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

bool says(const transport_error& reason, std::string_view words) {
  INFO(reason.text);
  return reason.text.find(words) != std::string::npos;
}

actorwire::checkout wanted(std::chrono::milliseconds wait) {
  actorwire::checkout request{parse_endpoint(server).value(), framed(), {}};
  request.wait = wait;
  return request;
}

} // namespace

TEST_CASE("what waits too long for a connection is told why there is none", "[simulation][D6][D7]") {
  simulated_system world;
  auto user = world.make_probe();
  SECTION("the attempts fail") {
    const auto peer = world.acquire(server, framed());
    user.subscribe(peer);
    const auto brief = user.send(peer, "brief", {.ttl = 300ms});
    const auto aged = user.send(peer, "aged");
    world.run_for(1min);
    REQUIRE(brief->code() == error_code::expired);
    CHECK(says(*brief->error, "not connected, the last failure: "));
    CHECK(says(*brief->error, "connection refused"));
    REQUIRE(aged->code() == error_code::expired);
    CHECK(says(*aged->error, "connection refused"));
    for (const auto& lost : user.all<data_lost>())
      CHECK(says(lost.why, "connection refused"));
    CHECK(user.count<data_lost>() == 2);
  }
  SECTION("the breaker of the endpoint holds the peer back") {
    auto options = framed();
    for (std::uint32_t number = 0; number < 6; ++number) {
      options.transport.flow.queue_messages = 100 + number;
      world.acquire(server, options);
    }
    world.run_for(1min);
    const auto peer = world.acquire(server, framed());
    const auto brief = user.send(peer, "brief", {.ttl = 1ms});
    world.run_for(1ms);
    REQUIRE(brief->code() == error_code::expired);
    CHECK(says(*brief->error, "breaker"));
    CHECK(says(*brief->error, "connection refused"));
  }
  SECTION("there was no attempt that failed") {
    world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
    const auto peer = world.acquire(server, framed());
    const auto brief = user.send(peer, "brief", {.ttl = 300ms});
    world.run_for(1s);
    REQUIRE(brief->code() == error_code::expired);
    CHECK(says(*brief->error, "not connected yet"));
  }
  SECTION("the connection is there, and takes nothing") {
    world.hosts().plan_next(server, refusing());
    world.hosts().listen(server, deaf_service());
    const auto peer = world.acquire(server, framed());
    world.run_for(5s);
    user.cast(peer, std::string(200'000, 'x'));
    const auto brief = user.send(peer, "brief", {.ttl = 300ms});
    world.run_for(1s);
    REQUIRE(brief->code() == error_code::expired);
    CHECK_FALSE(says(*brief->error, "not connected"));
  }
}

TEST_CASE("whoever sends to a peer that closes without a connection is told why it has none", "[simulation][D7]") {
  simulated_system world;
  auto user = world.make_probe();
  world.hosts().plan_next(server, refusing());
  world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
  const auto peer = world.acquire(server, framed());
  user.cast(peer, "waits");
  // Its second attempt is under way.
  world.run_for(1s);
  user.close(peer, close_mode::drain, 1h);
  const auto late = user.send(peer, "late");
  world.run_now();
  REQUIRE(late->code() == error_code::draining);
  CHECK(says(*late->error, "connection refused"));
}

TEST_CASE("whoever gets no peer since all are lent is told when those are down, and why", "[simulation][P3][D7]") {
  simulated_system world{{.pool = {.max_leased = 2}}};
  // Its connections live as long as the service.
  const auto service = echo_service();
  world.hosts().listen(server, service);
  auto owner = world.make_probe();
  auto user = world.make_probe();
  for (int count = 0; count < 2; ++count) {
    const auto mine = owner.checkout(world.supervisor(), wanted(5s));
    world.run_for(1s);
    REQUIRE(mine->value);
  }
  SECTION("they are connected") {
    const auto late = user.checkout(world.supervisor(), wanted(5s));
    world.run_for(5s);
    REQUIRE(late->code() == error_code::pool_exhausted);
    CHECK_FALSE(says(*late->error, "not connected"));
  }
  SECTION("they were lost, and the attempts fail") {
    world.hosts().stop_listening(server);
    const auto late = user.checkout(world.supervisor(), wanted(100ms));
    world.hosts().reset_connections("server");
    world.run_for(100ms);
    REQUIRE(late->code() == error_code::pool_exhausted);
    CHECK(says(*late->error, "max_leased = 2"));
    CHECK(says(*late->error, "2 of them are not connected, the last failure: "));
  }
  SECTION("the breaker is open") {
    world.hosts().stop_listening(server);
    world.hosts().reset_connections("server");
    world.run_for(1min);
    const auto late = user.checkout(world.supervisor(), wanted(1ms));
    world.run_for(1ms);
    REQUIRE(late->code() == error_code::pool_exhausted);
    CHECK(says(*late->error, "breaker"));
    CHECK(says(*late->error, "connection refused"));
  }
}

TEST_CASE("whoever is turned away since too many wait is told of the breaker that they wait for", "[simulation][P3]") {
  simulated_system world;
  auto user = world.make_probe();
  for (int number = 0; number < 1'024; ++number)
    user.checkout(world.supervisor(), wanted(1h));
  world.run_for(1min);
  const auto one_more = user.checkout(world.supervisor(), wanted(1h));
  world.run_now();
  REQUIRE(one_more->code() == error_code::pool_exhausted);
  CHECK(says(*one_more->error, "1024 checkouts wait already"));
  CHECK(says(*one_more->error, "connection refused"));
}

} // namespace actorwire::test
