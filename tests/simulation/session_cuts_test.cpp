// Connections of a session that break, at every place and by chance: nothing is lost, nothing comes twice, all in order.

#include "seed.hpp"
#include "session_ends.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

TEST_CASE("a connection that breaks at any byte costs no message of its session, and repeats none",
          "[simulation][D8]") {
  const auto sender = GENERATE(side::dialler, side::listener);
  const auto what = GENERATE(connection_fault::kind::reset, connection_fault::kind::vanish);
  // Greetings take 63 bytes, and a message 15.
  for (std::uint64_t after = 0; after < 160; after += 3) {
    CAPTURE(after, sender == side::dialler, what == connection_fault::kind::reset);
    auto options = in_session();
    options.transport.keepalive_interval = 1s;
    options.transport.keepalive_timeout = 1s;
    options.transport.operation_timeout = 2s;
    session_ends with{options};
    with.world.hosts().reset_connections("server");
    connection_plan plan;
    plan.fault = connection_fault{what, sender, after};
    with.world.hosts().plan_next(session_host, plan);
    std::vector<answer_to<sent>> told;
    std::size_t said_by_server = 0;
    for (const auto& text : numbered_texts("c", 6)) {
      told.push_back(with.user.send(with.peer, text));
      with.world.run_for(100ms);
      with.say_back("s" + std::to_string(++said_by_server));
      with.world.run_for(10ms);
    }
    with.world.run_for(60s);
    CHECK(with.heard == numbered_texts("c", 6));
    for (const auto& each : told)
      CHECK(session_ends::is_confirmed(each));
    CHECK(with.user.count<session_lost>() == 0);
    CHECK(with.lost_here.empty());
    for (const auto& each : with.said_back)
      CHECK(each.second->count == 1);
    CHECK(with.accepted_back().size() >= 5);
    CHECK(with.heard_at_peer() == with.accepted_back());
    const auto totals = with.totals();
    CHECK(totals.confirmed.messages == 6);
    CHECK(adds_up(totals));
  }
}

TEST_CASE("a connection that breaks before both sides have greeted has failed in its handshake",
          "[simulation][D8][S3]") {
  const auto sender = GENERATE(side::dialler, side::listener);
  const auto after = GENERATE(0U, 30U, 62U);
  const auto what = GENERATE(connection_fault::kind::reset, connection_fault::kind::vanish);
  CAPTURE(sender == side::dialler, after, what == connection_fault::kind::reset);
  auto options = in_session();
  options.transport.keepalive_interval = 1s;
  options.transport.keepalive_timeout = 1s;
  session_ends with{options};
  with.world.run_for(1s);
  REQUIRE(with.user.last_state() == connection_state::ready);
  with.world.hosts().plan_next(session_host, {.fault = connection_fault{what, sender, after}});
  with.world.hosts().reset_connections("server");
  with.world.run_for(10s);
  std::vector<transport_error> failures;
  for (const auto& change : with.user.all<state_changed>())
    if (change.to == connection_state::backoff)
      failures.push_back(change.reason);
  REQUIRE(failures.size() == 2);
  CHECK(failures.front().where == phase::established);
  CHECK(failures.back().where == phase::handshake);
  CHECK(with.user.last_state() == connection_state::ready);
}

TEST_CASE("a session whose connection is renewed takes what is not to wait for another", "[simulation][D7][D8][P5]") {
  const auto policy = GENERATE(when_down::fail, when_down::drop);
  auto options = in_session();
  options.max_lifetime = 2s;
  session_ends with{options};
  REQUIRE(with.world.run_until([&] { return with.user.count<session_opened>() == 1; }));
  std::vector<answer_to<sent>> told;
  while (with.user.count<session_opened>() < 3 && told.size() < 20'000) {
    told.push_back(with.user.send(with.peer, std::to_string(told.size()), {.policy = policy}));
    const auto status = with.user.get_state(with.peer);
    with.world.run_for(500us);
    REQUIRE(status->value.value().state == connection_state::ready);
  }
  with.world.run_for(1s);
  CHECK(with.heard.size() == told.size());
  for (const auto& each : told)
    REQUIRE(session_ends::is_confirmed(each));
  CHECK(with.user.all<session_opened>().back().resumed);
  CHECK(with.user.all<state_changed>().back().to == connection_state::ready);
  CHECK(with.user.all<state_changed>().back().generation == 1);
}

TEST_CASE("a session whose connection is renewed closes in order while the next one is greeted, too",
          "[simulation][D8][P5]") {
  const auto mode = GENERATE(close_mode::drain, close_mode::flush);
  auto options = in_session();
  options.max_lifetime = 2s;
  session_ends with{options};
  // The other side has greeted, and that is on its way.
  REQUIRE(with.world.run_until([&] { return with.clients.size() == 2; }));
  REQUIRE(with.user.count<session_opened>() == 1);
  const auto told = with.user.close(with.peer, mode);
  with.world.run_for(5s);
  CHECK(told->value.value().complete);
  CHECK(with.user.count<session_opened>() == 2);
  std::vector<error_code> ends;
  for (const auto& change : with.changes)
    if (change.to == connection_state::closed)
      ends.push_back(change.reason.code);
  CHECK(ends == std::vector{error_code::peer_closed, error_code::peer_closed});
}

TEST_CASE("whatever becomes of connections, each message of a session is delivered once and in order",
          "[simulation][D8]") {
  const test_seed seed;
  const auto rounds = seed_count(80);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    std::mt19937_64 random{seed.value() + round};
    const auto below = [&random](std::uint64_t bound) { return random() % bound; };
    auto options = in_session();
    options.transport.keepalive_interval = 1s;
    options.transport.keepalive_timeout = 1s;
    options.transport.operation_timeout = 2s;
    options.transport.session.replay_messages = static_cast<std::uint32_t>(1 + below(40));
    options.transport.session.ack_messages = static_cast<std::uint32_t>(1 + below(10));
    if (below(2) == 0)
      options.max_lifetime = 2s;
    simulated_system_options of_world;
    of_world.seed = random();
    of_world.pool.crash_limit = 1'000;
    session_ends with{options, {}, of_world};
    chance_settings chances;
    chances.reset = 40;
    chances.vanish = 20;
    chances.refuse = 10;
    chances.fault_after_max = 2'000;
    chances.send_size_max = below(2) == 0 ? 0 : 100;
    chances.lateness_max = 5ms;
    with.world.hosts().plan_by_chance(chances);
    with.world.hosts().reset_connections("server");
    std::vector<std::string> said;
    std::vector<answer_to<sent>> told;
    for (int step = 0; step < 300; ++step) {
      const auto text = std::to_string(step) + std::string(below(200), 'x');
      if (below(3) > 0) {
        told.push_back(with.user.send(with.peer, text));
        said.push_back(text);
      } else {
        with.say_back(text);
      }
      if (below(50) == 0)
        with.world.transports().crash_in(below(2) == 0 ? transport_call::send : transport_call::receive);
      with.world.run_for(std::chrono::milliseconds{below(100)});
    }
    with.world.transports().stop_crashing();
    with.world.hosts().end_faults();
    with.world.run_for(120s);
    std::vector<std::string> confirmed;
    for (std::size_t index = 0; index < told.size(); ++index) {
      REQUIRE(told[index]->count == 1);
      if (session_ends::is_confirmed(told[index]))
        confirmed.push_back(said[index]);
      else
        CHECK(told[index]->code() == error_code::would_block);
    }
    CHECK(with.heard == confirmed);
    CHECK(confirmed.size() > 5);
    for (const auto& each : with.said_back)
      CHECK(each.second->count == 1);
    CHECK(with.accepted_back().size() > 5);
    CHECK(with.heard_at_peer() == with.accepted_back());
    CHECK(with.user.count<session_lost>() == 0);
    CHECK(with.lost_here.empty());
    CHECK(adds_up(with.totals()));
    CHECK(with.totals().pending == tally{});
  }
}

} // namespace actorwire::test
