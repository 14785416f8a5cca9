// What connections, peers and supervisors count over their lives.

#include "simulated_system.hpp"
#include "story.hpp"

#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

/// A peer, and somebody who asks for its figures.
struct measured_peer {
  explicit measured_peer(simulated_system& where, const acquire_options& options = framed())
    : world(where), user(where.make_probe()), peer(where.acquire(server, options)) {
    user.subscribe(peer);
    world.run_now();
  }

  bool reach(connection_state wanted) {
    return world.run_until([&] { return user.last_state() == wanted; });
  }

  stats figures() {
    const auto answer = user.get_stats(peer);
    world.run_now();
    return answer->value.value();
  }

  lifetime_stats lifetime() { return figures().lifetime; }

  simulated_system& world;
  probe user;
  connection_actor peer;
};

duration sum_of(const state_times& times) {
  duration sum{0};
  for (const auto time : times.all)
    sum += time;
  return sum;
}

pool_totals totals_of(simulated_system& world, probe& user) {
  const auto answer = user.get_pool_totals(world.supervisor());
  world.run_for(1ms);
  return answer->value.value();
}

} // namespace

TEST_CASE("the time that messages wait for a connection is their latency and their age", "[simulation]") {
  simulated_system world;
  measured_peer with{world};
  world.run_for(50ms);
  const auto accepted = world.now();
  const auto answer = with.user.send(with.peer, "waits");
  world.hosts().listen(server, sink_service());
  REQUIRE(world.run_until([&] { return answer->count > 0; }));
  const auto waited = std::chrono::floor<std::chrono::microseconds>(world.now() - accepted);
  REQUIRE(waited > 10ms);
  const auto told = with.lifetime();
  CHECK(told.send_latency.count() == 1);
  CHECK(told.send_latency.max() == waited);
  CHECK(told.queue_age == told.send_latency);
}

TEST_CASE("one message in sixteen is measured", "[simulation]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  measured_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  for (std::uint64_t count = 1; count <= 100; ++count) {
    with.user.cast(with.peer, "x");
    world.run_for(1ms);
    const auto told = with.lifetime();
    CHECK(told.send_latency.count() == (count + 15) / 16);
    CHECK(told.queue_age.count() == (count + 15) / 16);
  }
}

TEST_CASE("messages of a batch are measured like others", "[simulation]") {
  simulated_system world;
  measured_peer with{world};
  world.run_for(50ms);
  const auto accepted = world.now();
  const auto answer = with.user.send_batch(with.peer, std::vector<std::string>(40, "x"));
  world.hosts().listen(server, sink_service());
  REQUIRE(world.run_until([&] { return answer->count > 0; }));
  const auto waited = std::chrono::floor<std::chrono::microseconds>(world.now() - accepted);
  const auto told = with.lifetime();
  CHECK(told.send_latency.count() == 3);
  CHECK(told.send_latency.max() == waited);
  CHECK(told.queue_age == told.send_latency);
}

TEST_CASE("a message that the transport takes in parts has left the queue with its first byte", "[simulation]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  measured_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  world.hosts().set_path("server", simulated_network::path_state::stalled);
  const auto answer = with.user.send(with.peer, std::string(200'000, 'x'));
  world.run_for(3s);
  auto told = with.lifetime();
  CHECK(told.queue_age.count() == 1);
  CHECK(told.queue_age.max() == 0us);
  CHECK(told.send_latency.empty());
  world.hosts().set_path("server", simulated_network::path_state::up);
  REQUIRE(world.run_until([&] { return answer->count > 0; }));
  told = with.lifetime();
  CHECK(told.queue_age.count() == 1);
  CHECK(told.send_latency.count() == 1);
  CHECK(told.send_latency.min() >= 3s);
}

TEST_CASE("messages that never leave have an age, and no latency", "[simulation]") {
  simulated_system world;
  measured_peer with{world};
  with.user.send(with.peer, "brief", {.ttl = 300ms});
  world.run_for(1s);
  const auto told = with.lifetime();
  CHECK(told.send_latency.empty());
  CHECK(told.queue_age.count() == 1);
  CHECK(told.queue_age.max() == 300ms);
}

TEST_CASE("round-trip times are counted while messages leave, at most every 100 ms", "[simulation]") {
  simulated_system world;
  world.hosts().set_link({.delay = 7ms});
  world.hosts().listen(server, sink_service());
  measured_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  CHECK(with.lifetime().round_trip.empty());
  for (int count = 0; count < 320; ++count)
    with.user.cast(with.peer, "x");
  world.run_for(99ms);
  CHECK(with.lifetime().round_trip.count() == 1);
  world.run_for(1s);
  for (int count = 0; count < 16; ++count)
    with.user.cast(with.peer, "x");
  world.run_for(1s);
  const auto told = with.lifetime().round_trip;
  CHECK(told.count() == 2);
  CHECK(told.min() == 14ms);
  CHECK(told.max() == 14ms);
}

TEST_CASE("round-trip times are counted as often as statistics are streamed, and no more than every 100 ms",
          "[simulation]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  measured_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  with.user.stream_stats(with.peer, 250ms);
  world.run_for(1s);
  CHECK(with.lifetime().round_trip.count() == 4);
  with.user.stream_stats(with.peer, 10ms);
  world.run_for(1s);
  const auto count = with.lifetime().round_trip.count();
  CHECK(count >= 4 + 9);
  CHECK(count <= 4 + 11);
}

TEST_CASE("losses are counted by reason, and in sum as in the account", "[simulation]") {
  simulated_system world;
  auto options = framed();
  options.transport.flow.queue_messages = 4;
  measured_peer with{world, options};
  with.user.cast(with.peer, "brief", {.ttl = 10ms});
  with.user.cast(with.peer, "brief", {.ttl = 10ms});
  world.run_for(50ms);
  for (int count = 0; count < 6; ++count)
    with.user.cast(with.peer, "abc", {.ttl = 1h});
  world.run_for(50ms);
  CHECK(with.lifetime().drops
        == std::vector{drop_count{error_code::would_block, {2, 6}, {}}, drop_count{error_code::expired, {2, 10}, {}}});
  world.hosts().listen(server, deaf_service());
  REQUIRE(with.reach(connection_state::ready));
  with.user.cast(with.peer, std::string(200'000, 'x'));
  world.run_for(50ms);
  world.hosts().reset_connections("server");
  world.run_for(50ms);
  const auto told = with.figures();
  CHECK(told.lifetime.drops
        == std::vector{drop_count{error_code::reset, {}, {1, 200'000}}, drop_count{error_code::would_block, {2, 6}, {}},
                       drop_count{error_code::expired, {2, 10}, {}}});
  CHECK(drops_add_up(told));
}

TEST_CASE("failed attempts are counted by reason, and those that succeed are generations", "[simulation]") {
  simulated_system world;
  world.hosts().plan_next(server, refusing());
  world.hosts().plan_next(server, {.answer = attempt_answer::unknown_name});
  world.hosts().plan_next(server, refusing());
  world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
  world.hosts().listen(server, sink_service());
  measured_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  const auto expected = std::vector{failure_count{error_code::resolve_failed, 1}, failure_count{error_code::refused, 2},
                                    failure_count{error_code::connect_timeout, 1}};
  CHECK(with.lifetime().failed_attempts == expected);
  world.hosts().reset_connections("server");
  REQUIRE(with.reach(connection_state::backoff));
  REQUIRE(with.reach(connection_state::ready));
  CHECK(with.lifetime().failed_attempts == expected);
  CHECK(with.lifetime().failed_attempts_of(error_kind::connection) == 4);
  const auto pool = with.user.get_pool_stats(world.supervisor());
  const auto told = with.figures();
  CHECK(pool->value.value().attempts == told.generation + 4);
}

TEST_CASE("an attempt whose actor crashes is counted as one that crashed", "[simulation]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  world.transports().crash_in(transport_call::connect, 1);
  measured_peer with{world};
  REQUIRE(with.reach(connection_state::ready));
  CHECK(with.lifetime().failed_attempts == std::vector{failure_count{error_code::crashed, 1}});
}

TEST_CASE("the time in each state is what passed between the transitions", "[simulation]") {
  simulated_system world;
  const auto begin = world.now();
  world.hosts().plan_next(server, refusing());
  world.hosts().listen(server, sink_service());
  measured_peer with{world};
  REQUIRE(with.reach(connection_state::backoff));
  CHECK(with.lifetime().time_in[connection_state::ready] == 0us);
  world.run_for(10ms);
  CHECK(with.lifetime().time_in[connection_state::backoff] == 10ms);
  REQUIRE(with.reach(connection_state::ready));
  world.run_for(5s);
  CHECK(with.lifetime().time_in[connection_state::ready] == 5s);
  world.hosts().reset_connections("server");
  REQUIRE(with.reach(connection_state::backoff));
  REQUIRE(with.reach(connection_state::ready));
  world.run_for(2s);

  state_times passed;
  auto since = begin;
  for (const auto& each : with.user.notes())
    if (const auto* change = std::get_if<state_changed>(&each.what)) {
      passed[change->from] +=
          std::chrono::floor<std::chrono::microseconds>(each.when - std::exchange(since, each.when));
    }
  passed[connection_state::ready] += std::chrono::floor<std::chrono::microseconds>(world.now() - since);
  const auto told = with.lifetime().time_in;
  for (const auto state : {connection_state::ready, connection_state::backoff, connection_state::connecting,
                           connection_state::failed, connection_state::closed}) {
    CAPTURE(name_of(state));
    CHECK(told[state] == passed[state]);
  }
  CHECK(told[connection_state::connecting] > 0us);
  const auto age = world.now() - begin;
  // Each stay is rounded down to whole microseconds.
  CHECK(sum_of(told) <= age);
  CHECK(sum_of(told) >= age - 20us);
}

TEST_CASE("a peer that waits in an early state for longer than an hour is counted in full", "[simulation]") {
  simulated_system world{{.pool = {.max_connecting = 1}}};
  auto options = framed();
  options.transport.attempt_timeout = options.transport.connect_timeout = 60min;
  measured_peer with{world, options};
  world.hosts().partition("server");
  const auto first = with.user.get_state(with.peer);
  world.run_for(3h);
  const auto told = with.lifetime().time_in;
  CHECK(first->value);
  CHECK(told[connection_state::connecting] > 170min);
}

TEST_CASE("the totals of a pool are the sum of its peers, on all shards", "[simulation]") {
  simulated_system world{{.shards = 2}};
  auto user = world.make_probe();
  std::vector<connection_actor> peers;
  constexpr std::size_t count = 6;
  for (std::size_t index = 0; index < count; ++index) {
    const auto uri = "tcp://host" + std::to_string(index) + ":1";
    for (std::size_t shard = 0; shard < 2; ++shard)
      world.hosts(shard).listen(uri, echo_service());
    peers.push_back(world.acquire(uri, framed()));
  }
  world.run_for(1s);
  for (std::size_t index = 0; index < count; ++index)
    for (std::size_t message = 0; message <= index * 20; ++message)
      user.cast(peers[index], "abc");
  world.run_for(1s);
  pool_totals sum;
  for (const auto& peer : peers) {
    const auto answer = user.get_stats(peer);
    world.run_now();
    sum += answer->value.value();
  }
  auto told = totals_of(world, user);
  // Time passes between the questions.
  told.lifetime.time_in = sum.lifetime.time_in = {};
  CHECK(told == sum);
  CHECK(told.peers == count);
  CHECK(told.delivery.accepted.messages == 1 + 21 + 41 + 61 + 81 + 101);
  CHECK(told.lifetime.send_latency.count() == 1 + 2 + 3 + 4 + 6 + 7);
}

TEST_CASE("what a lent peer had counted that was taken back stays in the totals", "[simulation]") {
  simulated_system world;
  auto user = world.make_probe();
  world.hosts().listen(server, deaf_service());
  const auto answer = user.checkout(world.supervisor(), {.remote = parse_endpoint(server).value(),
                                                         .options = framed(),
                                                         .alternatives = {},
                                                         .wait = 10s,
                                                         .hold = 10s});
  REQUIRE(world.run_until([&] { return answer->count > 0; }));
  const auto peer = answer->value.value().peer;
  user.send(peer, "abc");
  user.send(peer, std::string(200'000, 'x'));
  world.run_for(10ms);
  const auto last = user.get_stats(peer);
  world.run_now();
  const auto bytes = last->value.value().transport.bytes_sent;
  REQUIRE(bytes > 0);
  world.run_for(11s);
  const auto told = totals_of(world, user);
  CHECK(told.peers == 1);
  CHECK(told.bytes_sent == bytes);
}

TEST_CASE("what peers had counted that are no more stays in the totals, however they ended", "[simulation]") {
  simulated_system world;
  auto user = world.make_probe();
  const auto endings = std::vector<void (*)(probe&, const connection_actor&)>{
      [](probe& by, const connection_actor& peer) { by.close(peer, close_mode::drain); },
      [](probe& by, const connection_actor& peer) { by.close(peer, close_mode::flush); },
      [](probe& by, const connection_actor& peer) { by.close(peer, close_mode::abort); },
      [](probe&, const connection_actor& peer) { caf::anon_send_exit(peer, caf::exit_reason::user_shutdown); },
      [](probe&, const connection_actor& peer) { caf::anon_send_exit(peer, caf::exit_reason::kill); },
  };
  world.hosts().listen(server, deaf_service());
  std::uint64_t peers = 0;
  std::uint64_t bytes = 0;
  for (const auto& end : endings) {
    CAPTURE(peers);
    const auto peer = world.acquire(server, framed());
    world.run_for(5s);
    user.send(peer, "abc");
    user.send(peer, std::string(200'000, 'x'));
    world.run_for(10ms);
    const auto last = user.get_stats(peer);
    world.run_now();
    bytes += last->value.value().transport.bytes_sent;
    end(user, peer);
    // One asks while the peer ends, and one when it is gone.
    const auto during = user.get_pool_totals(world.supervisor());
    world.run_for(2min);
    const auto told = totals_of(world, user);
    ++peers;
    CHECK(told.peers == peers);
    CHECK(told.bytes_sent == bytes);
    CHECK(told.delivery.accepted.messages == 2 * peers);
    CHECK(told.delivery.pending == tally{});
    CHECK(told.lifetime.send_latency.count() == peers);
    REQUIRE(during->value);
    CHECK(during->value->peers == peers);
    CHECK(during->value->bytes_sent == bytes);
  }
  const auto pool = user.get_pool_stats(world.supervisor());
  world.run_now();
  CHECK(pool->value.value().peers == 0);
}

TEST_CASE("whoever asks for totals gets one answer, with all that he could know of", "[simulation]") {
  simulated_system world{{.shards = 2}};
  world.hosts(0).listen("tcp://other:1", sink_service());
  world.hosts(1).listen(server, sink_service());
  world.acquire("tcp://other:1", framed());
  const auto peer = world.acquire(server, framed());
  auto user = world.make_probe();
  world.run_for(1s);
  std::vector<answer_to<pool_totals>> answers;
  for (std::uint64_t count = 1; count <= 50; ++count) {
    const auto written = user.send(peer, "abc");
    // Some come while a sum is under way.
    world.run_until([&] { return written->count > 0; });
    answers.push_back(user.get_pool_totals(world.supervisor()));
    answers.push_back(user.get_pool_totals(world.supervisor()));
  }
  world.run_for(1s);
  for (std::size_t index = 0; index < answers.size(); ++index) {
    CAPTURE(index);
    REQUIRE(answers[index]->count == 1);
    REQUIRE(answers[index]->value);
    CHECK(answers[index]->value->peers == 2);
    CHECK(answers[index]->value->delivery.written.messages >= index / 2 + 1);
  }
}

TEST_CASE("a supervisor with no peers has totals, and one that ends answers those who wait", "[simulation]") {
  simulated_system world{{.shards = 2}};
  auto user = world.make_probe(1);
  CHECK(totals_of(world, user) == pool_totals{});
  for (std::size_t shard = 0; shard < 2; ++shard)
    world.hosts(shard).listen(server, sink_service());
  world.acquire("tcp://other:1", framed());
  world.acquire(server, framed());
  world.run_for(1s);
  const auto asked = user.get_pool_totals(world.supervisor());
  const auto late = user.get_pool_totals(world.supervisor());
  caf::anon_send_exit(world.supervisor(), caf::exit_reason::user_shutdown);
  world.run_for(1min);
  CHECK(asked->count == 1);
  CHECK(late->count == 1);
}

TEST_CASE("totals that nobody can be told of are not counted", "[simulation]") {
  simulated_system world;
  auto user = world.make_probe();
  user.run([to = world.supervisor()](caf::event_based_actor* self) { tell(self, to, get_pool_totals{}); });
  world.run_for(1s);
  CHECK(totals_of(world, user).peers == 0);
}

TEST_CASE("those who ask for totals when 1,024 wait already are refused, and all are answered", "[simulation]") {
  simulated_system world{{.shards = 2}};
  // This one lives where the supervisor does, and the other, whose answer takes longer, does not.
  world.acquire("tcp://other:1", framed());
  world.acquire(server, framed());
  auto user = world.make_probe();
  std::vector<answer_to<pool_totals>> answers;
  for (int count = 0; count < 2'000; ++count)
    answers.push_back(user.get_pool_totals(world.supervisor()));
  world.run_for(1s);
  std::size_t told = 0;
  for (const auto& each : answers) {
    REQUIRE(each->count == 1);
    if (each->value)
      ++told;
    else
      REQUIRE(each->code() == error_code::would_block);
  }
  // Those of the first round, and those who waited for the second.
  CHECK(told == 1'025);
}

} // namespace actorwire::test
