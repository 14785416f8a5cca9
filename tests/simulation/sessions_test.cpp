// Sessions on connections: what the two programs are told, and that each message is delivered once, or named when it is lost.

#include "numbered_host.hpp"
#include "session_ends.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

TEST_CASE("a message of a session is confirmed when the other program has had it", "[simulation][D8]") {
  session_ends with;
  send_options options;
  options.tag = 7;
  const auto waiting = with.user.send(with.peer, "c1", options);
  with.world.run_for(1s);
  REQUIRE(with.clients.size() == 1);
  const auto ready = with.user.send_batch(with.peer, {"c2", "c3"}, {.wanted = outcome::acked});
  const auto back = with.user.send(with.clients.front(), "s1");
  with.world.run_for(1s);
  CHECK(with.heard == numbered_texts("c", 3));
  CHECK(with.heard_at_peer() == numbered_texts("s", 1));
  REQUIRE(waiting->value);
  CHECK(*waiting->value == sent{1, 1, outcome::confirmed, 7});
  REQUIRE(ready->value);
  CHECK(ready->value->results == std::vector{outcome::confirmed, outcome::confirmed});
  CHECK(session_ends::is_confirmed(back));
  const auto totals = with.totals();
  CHECK(totals.confirmed == tally{3, 6});
  CHECK(totals.accepted == totals.confirmed);
  REQUIRE(with.user.count<session_opened>() == 1);
  const auto begun = with.user.all<session_opened>().front();
  CHECK(begun.generation == 1);
  CHECK_FALSE(begun.resumed);
  CHECK(begun.replayed == 0);
  CHECK(with.opened_here.size() == 1);
  CHECK(with.user.count<session_lost>() == 0);
}

TEST_CASE("a session goes on with the next connection, and sends what is not confirmed", "[simulation][D8]") {
  session_ends with;
  with.world.run_for(1s);
  with.world.hosts().partition("server");
  const auto lost = with.user.send(with.peer, "c1");
  with.world.run_for(100ms);
  CHECK(lost->count == 0);
  with.world.hosts().reset_connections("server");
  with.world.run_for(100ms);
  const auto waiting = with.user.send(with.peer, "c2");
  with.world.hosts().heal("server");
  with.world.run_for(5s);
  CHECK(with.heard == numbered_texts("c", 2));
  CHECK(session_ends::is_confirmed(lost));
  CHECK(session_ends::is_confirmed(waiting));
  const auto openings = with.user.all<session_opened>();
  REQUIRE(openings.size() == 2);
  CHECK(openings.back().resumed);
  CHECK(openings.back().replayed == 1);
  CHECK(openings.back().generation == 2);
  REQUIRE(with.opened_here.size() == 2);
  CHECK(with.opened_here.back().resumed);
  CHECK(with.opened_here.back().source != with.opened_here.front().source);
  CHECK(with.user.count<data_lost>() == 0);
}

TEST_CASE("what a server has sent on a connection that is gone is sent again on the next, and its senders know no more",
          "[simulation][D8]") {
  session_ends with;
  with.world.run_for(1s);
  with.world.hosts().partition("server");
  const auto told = with.user.send(with.clients.front(), "s1");
  with.world.run_for(100ms);
  with.world.hosts().reset_connections("server");
  with.world.run_for(100ms);
  REQUIRE(told->value);
  CHECK(told->value->result == outcome::maybe_sent);
  with.world.hosts().heal("server");
  with.world.run_for(5s);
  REQUIRE(with.clients.size() == 2);
  const auto next = with.user.send(with.clients.back(), "s2");
  with.world.run_for(1s);
  CHECK(with.heard_at_peer() == numbered_texts("s", 2));
  CHECK(session_ends::is_confirmed(next));
  CHECK(with.opened_here.back().replayed == 1);
}

TEST_CASE("a listener that has lost its memory has the ranges told, and another session begins", "[simulation][D8]") {
  session_ends with;
  const auto had = with.user.send(with.peer, "c1");
  with.world.run_for(1s);
  CHECK(session_ends::is_confirmed(had));
  with.world.hosts().partition("server");
  const auto gone = with.user.send(with.peer, "c2");
  with.world.run_for(100ms);
  with.world.hosts().reset_connections("server");
  with.world.run_for(100ms);
  const auto waiting = with.user.send(with.peer, "c3");
  with.restart_server();
  with.world.hosts().heal("server");
  with.world.run_for(100ms);
  // The listener that ended has said so first, of what it had sent.
  REQUIRE(with.world.run_until([&] { return with.user.count<session_lost>() == 2; }));
  const auto told = with.user.all<session_lost>();
  CHECK(told.front().ranges == session_ranges{});
  CHECK((told.back().ranges == session_ranges{{1, 1}, {2, 2}, {3, 3}}));
  CHECK(told.back().reason.code == error_code::session_lost);
  CHECK(told.back().generation == 1);
  REQUIRE(gone->value);
  CHECK(gone->value->result == outcome::maybe_sent);
  CHECK(waiting->code() == error_code::session_lost);
  const auto anew = with.user.send(with.peer, "c4");
  with.world.run_for(5s);
  CHECK(session_ends::is_confirmed(anew));
  CHECK(with.heard == std::vector<std::string>{"c1", "c4"});
  CHECK_FALSE(with.user.all<session_opened>().back().resumed);
  CHECK(with.user.count<session_lost>() == 2);
  const auto totals = with.totals();
  CHECK(adds_up(totals));
  CHECK(totals.confirmed.messages == 2);
  CHECK(totals.maybe_sent.messages == 1);
  CHECK(totals.not_sent.messages == 1);
}

TEST_CASE("a session is kept for its time, and then lost at both ends", "[simulation][D8]") {
  session_book_limits limits;
  limits.keep = 2s;
  session_ends with{in_session(), limits};
  with.world.run_for(1s);
  with.world.hosts().partition("server");
  static_cast<void>(with.user.send(with.clients.front(), "s1"));
  with.world.run_for(100ms);
  with.world.hosts().reset_connections("server");
  with.world.run_for(6s);
  // The listener was subscribed to, too.
  const auto given_up = with.user.all<session_lost>();
  REQUIRE(given_up.size() == 1);
  CHECK(given_up.front().ranges == session_ranges{{1, 0}, {1, 1}, {2, 1}});
  CHECK(given_up.front().source == with.opened_here.front().source);
  with.world.hosts().heal("server");
  with.world.run_for(20s);
  const auto all = with.user.all<session_lost>();
  REQUIRE(all.size() == 2);
  CHECK(all.back().reason.code == error_code::session_lost);
  CHECK(with.user.last_state() == connection_state::ready);
  CHECK(with.heard_at_peer().empty());
}

TEST_CASE("a newer connection takes the session from an older one that has not noticed its end", "[simulation][D8]") {
  auto options = in_session();
  options.transport.keepalive_interval = 1s;
  options.transport.keepalive_timeout = 1s;
  connection_plan plan;
  plan.fault = connection_fault{connection_fault::kind::vanish, side::dialler, 250};
  auto quiet = options.transport;
  quiet.keepalive_interval = 1h;
  quiet.keepalive_timeout = 2h;
  simulated_system_options world;
  session_ends with{options, {}, world};
  // The listener of the fixture notices as fast as the peer: another one, that does not.
  with.served = quiet;
  with.restart_server();
  with.world.run_for(5s);
  with.clients.clear();
  with.changes.clear();
  with.heard.clear();
  with.world.hosts().reset_connections("server");
  with.world.hosts().plan_next(session_host, plan);
  with.world.run_for(3s);
  REQUIRE_FALSE(with.clients.empty());
  const auto older = with.clients.back();
  std::vector<answer_to<sent>> told;
  for (const auto& text : numbered_texts("c", 20))
    told.push_back(with.user.send(with.peer, text));
  with.world.run_for(30s);
  CHECK(with.heard == numbered_texts("c", 20));
  for (const auto& each : told)
    CHECK(session_ends::is_confirmed(each));
  CHECK(with.clients.size() >= 2);
  CHECK(std::ranges::any_of(with.changes, [](const state_changed& change) {
    return change.to == connection_state::closed && change.reason.code == error_code::session_fenced;
  }));
}

TEST_CASE("a slow program at the other end fills what may wait for its confirmation, and no more", "[simulation][D8]") {
  auto options = in_session();
  options.transport.session.replay_messages = 10;
  options.transport.flow.read_credit = 300;
  session_ends with{options};
  with.user.get_busy();
  with.world.run_for(1s);
  const auto& server = with.clients.front();
  std::vector<answer_to<sent>> told;
  for (const auto& text : numbered_texts("s", 40)) {
    told.push_back(with.user.send(server, text));
    with.world.run_for(100ms);
  }
  std::size_t refused = 0;
  for (const auto& each : told)
    refused += each->code() == error_code::would_block ? 1U : 0U;
  CHECK(refused > 0);
  CHECK(with.heard_at_peer().size() + 10 + refused == 40);
  with.user.catch_up();
  with.world.run_for(2s);
  std::size_t confirmed = 0;
  for (const auto& each : told)
    confirmed += session_ends::is_confirmed(each) ? 1U : 0U;
  CHECK(confirmed + refused == 40);
  CHECK(with.heard_at_peer().size() == confirmed);
}

TEST_CASE("a drain ends a session when everything is confirmed, and both sides let go of it", "[simulation][D8]") {
  session_ends with;
  std::vector<answer_to<sent>> told;
  for (const auto& text : numbered_texts("c", 5))
    told.push_back(with.user.send(with.peer, text));
  const auto from_client = GENERATE(true, false);
  with.world.run_for(1s);
  for (const auto& text : numbered_texts("d", 5))
    told.push_back(with.user.send(from_client ? with.peer : with.clients.front(), text));
  const auto report = with.user.close(from_client ? with.peer : with.clients.front(), close_mode::drain);
  with.world.run_for(from_client ? 5s : 200ms);
  for (const auto& each : told)
    CHECK(session_ends::is_confirmed(each));
  REQUIRE(report->value);
  CHECK(report->value->complete);
  CHECK(report->value->delivery.confirmed.messages == (from_client ? 10U : 5U));
  with.world.run_for(5s);
  CHECK(with.user.count<session_lost>() == 0);
  CHECK(with.lost_here.empty());
  if (from_client)
    return;
  // The peer goes on, with another session.
  const auto anew = with.user.send(with.peer, "anew");
  with.world.run_for(5s);
  CHECK(session_ends::is_confirmed(anew));
  CHECK_FALSE(with.user.all<session_opened>().back().resumed);
}

TEST_CASE("a server that has finished on a connection that broke before that was confirmed goes on with the next",
          "[simulation][D8]") {
  session_ends with;
  with.world.run_for(1s);
  with.world.hosts().partition("server");
  const auto first = with.user.send(with.clients.front(), "s1");
  with.user.finish_stream(with.clients.front());
  with.world.run_for(100ms);
  with.world.hosts().reset_connections("server");
  with.world.run_for(100ms);
  with.world.hosts().heal("server");
  REQUIRE(with.world.run_until([&] { return with.clients.size() == 2; }, 5s));
  const auto second = with.user.send(with.clients.back(), "s2");
  const auto more = with.user.send_batch(with.clients.back(), {"s3", "s4"});
  with.world.run_for(1s);
  CHECK(with.heard_at_peer() == numbered_texts("s", 4));
  CHECK(session_ends::is_confirmed(second));
  REQUIRE(more->value);
  CHECK(more->value->results == std::vector{outcome::confirmed, outcome::confirmed});
  CHECK(with.user.count<session_lost>() == 0);
  CHECK(with.user.all<session_opened>().back().resumed);
  CHECK(with.clients.size() == 2);
  // And it can finish in its turn.
  with.user.finish_stream(with.clients.back());
  with.world.run_for(100ms);
  CHECK(with.user.send(with.clients.back(), "s5")->value == std::nullopt);
  CHECK(with.lost_here.empty());
}

TEST_CASE("a close that cannot wait tells what was confirmed and what was not", "[simulation][D8]") {
  session_ends with;
  const auto had = with.user.send(with.peer, "c1");
  with.world.run_for(1s);
  with.world.hosts().partition("server");
  const auto doubtful = with.user.send(with.peer, "c2");
  with.world.run_for(10ms);
  const auto report = with.user.close(with.peer, close_mode::drain, 500ms);
  with.world.run_for(5s);
  CHECK(session_ends::is_confirmed(had));
  REQUIRE(doubtful->value);
  CHECK(doubtful->value->result == outcome::maybe_sent);
  REQUIRE(report->value);
  CHECK_FALSE(report->value->complete);
  const auto told = with.user.all<session_lost>();
  REQUIRE(told.size() == 1);
  CHECK(told.front().ranges == session_ranges{{1, 1}, {2, 2}, {3, 2}});
}

TEST_CASE("a session survives the renewal of its connections, and crashes of what carries it", "[simulation][D8]") {
  auto options = in_session();
  options.max_lifetime = 3s;
  session_ends with{options};
  std::vector<answer_to<sent>> told;
  std::size_t said = 0;
  for (const auto& text : numbered_texts("c", 200)) {
    told.push_back(with.user.send(with.peer, text));
    with.say_back("s" + std::to_string(++said));
    if (told.size() % 50 == 0)
      with.world.transports().crash_in(transport_call::send);
    with.world.run_for(100ms);
  }
  with.world.run_for(30s);
  CHECK(with.world.transports().crash_count() > 0);
  CHECK(with.heard == numbered_texts("c", 200));
  for (const auto& each : told)
    CHECK(session_ends::is_confirmed(each));
  CHECK(with.accepted_back().size() > 150);
  CHECK(with.heard_at_peer() == with.accepted_back());
  CHECK(with.user.count<session_opened>() > 4);
  CHECK(with.user.count<session_lost>() == 0);
}

TEST_CASE("options that a session cannot keep are refused", "[simulation][D8]") {
  session_ends with;
  with.world.run_for(1s);
  const auto mortal = with.user.send(with.peer, "x", {.ttl = 1s});
  const auto called = with.user.call(with.peer, "x");
  const auto large = with.user.send(with.peer, std::string((4U << 20U) + 1, 'x'));
  const auto many = with.user.send_batch(with.peer, std::vector<std::string>(1'025, "x"));
  with.world.run_for(1s);
  CHECK(many->code() == error_code::message_too_large);
  CHECK(mortal->code() == error_code::unsupported);
  CHECK(called->code() == error_code::unsupported);
  CHECK(large->code() == error_code::message_too_large);
  CHECK(with.heard.empty());
}

TEST_CASE("who does not greet as a session does is told so, and gone", "[simulation][D8]") {
  simulated_system world;
  auto user = world.make_probe();
  numbered_host host;
  world.hosts().listen(session_host, host.accept());
  const auto options = in_session();
  const auto peer = world.acquire(session_host, options);
  user.subscribe(peer);
  world.run_for(1s);
  REQUIRE(host.frames.size() == 1);
  CHECK(host.frames.front().kind == frame_kind::hello);
  const auto failed_with = [&user](error_code code) {
    return std::ranges::any_of(user.all<state_changed>(),
                               [code](const state_changed& change) { return change.reason.code == code; });
  };
  SECTION("silence") {
    world.run_for(10s);
    CHECK(failed_with(error_code::handshake_failed));
  }
  SECTION("data in front of the welcome") {
    host.send({frame_kind::data, 1, "too early"});
    world.run_for(10ms);
    CHECK(failed_with(error_code::handshake_failed));
  }
  SECTION("a welcome that is none") {
    host.send({frame_kind::welcome, 0, "hello"});
    world.run_for(10ms);
    CHECK(failed_with(error_code::malformed));
  }
  CHECK(user.count<opened>() == 0);
}

TEST_CASE("a greeting for which the network has no memory ends its connection with that reason", "[simulation][D8]") {
  constexpr auto limit = std::size_t{1} << 20U;
  simulated_system world{{.memory_limit = limit}};
  auto user = world.make_probe();
  numbered_host host;
  world.hosts().listen(session_host, host.accept());
  const auto peer = world.acquire(session_host, in_session());
  user.subscribe(peer);
  world.run_for(10ms);
  auto told = user.send(peer, std::string(10'000, 'x'));
  for (world.run_now(); told->count == 0; world.run_now())
    told = user.send(peer, std::string(10'000, 'x'));
  CHECK(told->code() == error_code::would_block);
  // What is not of a session may take the rest, to the last byte.
  const auto other = world.acquire("tcp://nobody:1", framed());
  user.cast(other, std::string(limit - world.net().memory_used() - waiting_message_cost, 'x'));
  world.run_now();
  REQUIRE(world.net().memory_used() == limit);
  host.send_bytes(encoded({frame_kind::welcome, 0, std::string(50, 'x')}).substr(0, 40));
  world.run_for(11s);
  CHECK(std::ranges::any_of(user.all<state_changed>(), [](const state_changed& change) {
    return change.reason.code == error_code::memory_limit && change.reason.where == phase::handshake;
  }));
}

TEST_CASE("however much a session keeps, there is memory left to read what gives it back", "[simulation][D8][F3]") {
  constexpr std::size_t limit = std::size_t{1} << 20U;
  auto options = in_session();
  options.transport.session.replay_messages = 65'536;
  session_ends with{options, {}, {.memory_limit = limit}};
  with.world.run_for(1s);
  with.world.hosts().partition("server");
  std::size_t accepted = 0;
  for (auto full = false; !full; accepted += full ? 0 : 1) {
    const auto answer = with.user.send(with.peer, std::string(1'000, 'x'));
    with.world.run_now();
    full = answer->code() == error_code::would_block;
  }
  CHECK(accepted > 800);
  CHECK(with.world.net().memory_used() <= limit - limit / 16);
  with.world.hosts().heal("server");
  with.world.run_for(1min);
  CHECK(with.totals().confirmed.messages == accepted);
  CHECK(with.heard.size() == accepted);
}

} // namespace actorwire::test
