// Probers that are asked, and what follows from their answers.

#include "cared_for_peer.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

constexpr auto server = cared_for_server;

} // namespace

TEST_CASE("a prober that answers well is asked at each interval, and nothing follows", "[simulation][H1]") {
  cared_for_peer with;
  // That somebody has asked before makes no difference.
  static_cast<void>(with.health());
  with.probe();
  with.world.run_for(10s);
  REQUIRE(with.asked.asked().size() == 10);
  for (std::uint64_t number = 1; number <= 10; ++number)
    CHECK(with.asked.asked()[number - 1] == health_probe{with.snapshot.info.id, 1, number});
  const auto report = with.health();
  CHECK(report.state == connection_state::ready);
  CHECK(report.causes.empty());
  CHECK(report.probe_successes == 10);
  CHECK(report.probe_failures == 0);
  CHECK(with.changes().empty());
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("a peer whose prober hears nothing is degraded, then dialled anew, and ready when it hears again",
          "[simulation][H1][S1][S3]") {
  cared_for_peer with;
  with.probe();
  with.asked.answer(prober::manner::not_at_all);
  const auto begun = with.world.now();
  REQUIRE(with.reach(connection_state::degraded));
  CHECK(with.world.now() - begun == 1300ms);
  const auto degraded = with.user.all<state_changed>().back();
  CHECK(degraded.from == connection_state::ready);
  CHECK(degraded.reason.code == error_code::probe_failed);
  CHECK(degraded.reason.text.find("no answer within 300 ms") != std::string::npos);
  REQUIRE(with.changes().size() == 1);
  CHECK(with.changes()[0].change == health_change::cause_came);
  CHECK(with.changes()[0].causes == std::vector{health_cause::probe_failing});
  CHECK(with.health().causes == std::vector{health_cause::probe_failing});
  REQUIRE(with.reach(connection_state::backoff));
  CHECK(with.world.now() - begun == 3 * 1300ms);
  const auto lost = with.user.all<state_changed>().back();
  CHECK(lost.from == connection_state::degraded);
  CHECK(lost.reason.code == error_code::probe_failed);
  CHECK(lost.reason.retryable);
  CHECK(with.asked.asked().size() == 1);
  with.asked.answer(prober::manner::well);
  REQUIRE(with.reach(connection_state::ready));
  with.world.run_for(5s);
  CHECK(with.user.last_state() == connection_state::ready);
  CHECK(with.asked.asked().back().generation == 2);
  CHECK(with.health().causes.empty());
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("one success makes a degraded peer ready again", "[simulation][H1][S1]") {
  cared_for_peer with;
  with.probe();
  with.asked.answer(prober::manner::badly);
  REQUIRE(with.reach(connection_state::degraded));
  CHECK(with.user.all<state_changed>().back().reason.text.find("runtime_error") != std::string::npos);
  with.asked.answer(prober::manner::well);
  REQUIRE(with.reach(connection_state::ready));
  REQUIRE(with.changes().size() == 2);
  CHECK(with.changes()[1].change == health_change::cause_went);
  CHECK(with.changes()[1].causes.empty());
  const auto report = with.health();
  CHECK(report.probe_successes == 1);
  CHECK(report.probe_failures == 1);
  CHECK(report.probe_failures_in_a_row == 0);
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("an answer that comes late is a success, and one of an earlier generation is none", "[simulation][H1][S2]") {
  cared_for_peer with;
  with.probe({1s, 300ms, 1, 0, true});
  with.asked.answer(prober::manner::not_at_all);
  REQUIRE(with.reach(connection_state::degraded));
  with.asked.answer_late(with.world, true);
  CHECK(with.user.last_state() == connection_state::ready);
  REQUIRE(with.reach(connection_state::degraded));
  with.world.hosts().reset_connections("server");
  REQUIRE(with.reach(connection_state::ready));
  REQUIRE(with.reach(connection_state::degraded));
  // That of the first connection.
  with.asked.answer_late(with.world, true);
  CHECK(with.user.last_state() == connection_state::degraded);
  CHECK(with.health().probe_successes == 1);
  with.asked.answer_late(with.world, true);
  CHECK(with.user.last_state() == connection_state::ready);
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("a prober that never answers is asked no more than 16 times without an answer", "[simulation][H1]") {
  cared_for_peer with;
  with.probe({1s, 300ms, 1, 1, true});
  with.asked.answer(prober::manner::not_at_all);
  with.world.run_for(10min);
  CHECK(with.asked.asked().size() == 16);
  const auto failures = with.health().probe_failures;
  CHECK(failures > 100);
  with.asked.answer_late(with.world, true);
  with.world.run_for(1min);
  CHECK(with.asked.asked().size() == 17);
  CHECK(with.health().probe_failures > failures);
}

TEST_CASE("no more than 16 probes of a peer are unanswered, however many probers it has had", "[simulation][H1]") {
  cared_for_peer with;
  constexpr probe_policy tolerant{1s, 300ms, 1, 0, true};
  std::vector<prober> silent;
  std::size_t asked = 0;
  for (int count = 0; count < 5; ++count) {
    silent.emplace_back(with.world).answer(prober::manner::not_at_all);
    with.user.set_probe(with.peer, silent.back().handle(), tolerant);
    // One connection each time that one is asked.
    for (int round = 0; round < 5; ++round) {
      with.world.run_for(2s);
      with.world.hosts().reset_connections("server");
      REQUIRE(with.reach(connection_state::ready));
    }
    asked += silent.back().asked().size();
  }
  CHECK(asked == 16);
  // Who is not asked because of what others owe has done nothing wrong.
  const auto failures = with.changes().size();
  with.probe();
  with.world.run_for(1min);
  CHECK(with.asked.asked().empty());
  CHECK(with.changes().size() == failures);
  CHECK(with.user.last_state() == connection_state::ready);
  CHECK(with.health().probe_failures == 0);
  silent.front().answer_late(with.world, true);
  with.world.run_for(5s);
  CHECK(with.asked.asked().size() >= 4);
  CHECK(with.health().probe_successes == with.asked.asked().size());
}

TEST_CASE("what goes wrong while a subscriber without credit leaves unread what came is held against nobody",
          "[simulation][H1][F1]") {
  auto options = framed();
  options.transport.flow.read_credit = 1'000;
  cared_for_peer with{options};
  with.world.hosts().stop_listening(server);
  with.world.hosts().listen(server, echo_service());
  with.world.hosts().reset_connections("server");
  REQUIRE(with.reach(connection_state::ready));
  auto reader = with.world.make_probe();
  reader.subscribe(with.peer, event_mask::data, credit_mode::manual);
  with.world.run_now();
  const auto wakes = [&] {
    reader.grant(with.peer, 1'000);
    with.world.run_now();
  };
  const auto fill = [&] {
    for (int count = 0; count < 5; ++count)
      with.user.cast(with.peer, std::string(500, 'x'));
    with.world.run_for(50ms);
    REQUIRE(reader.count<passivated>() > 0);
  };
  with.asked.answer(prober::manner::not_at_all);
  SECTION("before anybody is asked") {
    fill();
    with.probe({1s, 300ms, 1, 3, false});
    with.world.run_for(1min);
    CHECK(with.asked.asked().empty());
    CHECK(with.health().probe_failures == 0);
    wakes();
    wakes();
    with.world.run_for(1s + 100ms);
    CHECK(with.asked.asked().size() == 1);
    CHECK(with.health().probe_failures == 0);
  }
  SECTION("while one is waited for") {
    with.probe({1s, 300ms, 1, 3, false});
    with.world.run_for(1s);
    REQUIRE(with.asked.asked().size() == 1);
    fill();
    with.world.run_for(1min);
    CHECK(with.health().probe_failures == 0);
    CHECK(with.user.last_state() == connection_state::ready);
    wakes();
    wakes();
    with.asked.answer_late(with.world, true);
    with.world.run_for(500ms);
    CHECK(with.health().probe_successes == 1);
  }
  SECTION("and who reads again just before the time is over has the whole time") {
    with.probe({1s, 300ms, 1, 3, false});
    with.world.run_for(1s);
    fill();
    with.world.run_for(249ms);
    wakes();
    wakes();
    with.world.run_for(299ms);
    CHECK(with.health().probe_failures == 0);
    with.world.run_for(1ms);
    CHECK(with.health().probe_failures == 1);
  }
  SECTION("and an error says as little") {
    with.probe({1s, 300ms, 1, 3, false});
    with.world.run_for(1s);
    fill();
    with.asked.answer_late(with.world, false);
    with.world.run_for(1min);
    CHECK(with.health().probe_failures == 0);
    CHECK(with.user.last_state() == connection_state::ready);
  }
}

TEST_CASE("the end of a prober removes it, and is told", "[simulation][S5]") {
  cared_for_peer with;
  with.probe();
  with.asked.answer(prober::manner::badly);
  REQUIRE(with.reach(connection_state::degraded));
  with.asked.end();
  with.world.run_for(1min);
  CHECK(with.user.last_state() == connection_state::ready);
  REQUIRE(with.changes().size() == 3);
  CHECK(with.changes()[1].change == health_change::cause_went);
  CHECK(with.changes()[2].change == health_change::prober_ended);
  CHECK(with.changes()[2].reason.code != error_code::none);
  CHECK(with.health().probe_failures == 0);
  check_story(with.user.notes(), with.snapshot);
}

TEST_CASE("another prober takes the place of the first, and none at all removes it", "[simulation]") {
  cared_for_peer with;
  with.probe();
  with.asked.answer(prober::manner::badly);
  REQUIRE(with.reach(connection_state::degraded));
  prober other{with.world};
  const auto replaced = with.user.set_probe(with.peer, other.handle(), every_second);
  with.world.run_now();
  CHECK(replaced->value);
  CHECK(with.user.last_state() == connection_state::ready);
  const auto before = with.asked.asked().size();
  with.world.run_for(3s);
  CHECK(with.asked.asked().size() == before);
  CHECK(other.asked().size() == 3);
  with.asked.end();
  with.world.run_for(3s);
  CHECK(other.asked().size() == 6);
  const auto removed = with.user.set_probe(with.peer, {}, {});
  with.world.run_for(1min);
  CHECK(removed->value);
  CHECK(other.asked().size() == 6);
}

TEST_CASE("a policy that is out of range is refused, and the one before stays", "[simulation]") {
  cared_for_peer with;
  with.probe();
  for (const auto& wrong : {probe_policy{9ms}, probe_policy{25h}, probe_policy{1s, 0ms}, probe_policy{1s, 1s, 1'001},
                            probe_policy{1s, 1s, 1, 1'001}, probe_policy{1s, 1s, 3, 2}}) {
    const auto refused = with.user.set_probe(with.peer, with.asked.handle(), wrong);
    with.world.run_now();
    REQUIRE(refused->error);
    CHECK(refused->error->kind == error_kind::configuration);
  }
  with.world.run_for(5s);
  CHECK(with.asked.asked().size() == 5);
}

TEST_CASE("nobody is asked while bytes come", "[simulation][H2]") {
  cared_for_peer with;
  with.world.hosts().stop_listening(server);
  with.world.hosts().listen(server, echo_service());
  with.world.hosts().reset_connections("server");
  REQUIRE(with.reach(connection_state::ready));
  with.probe();
  for (int round = 0; round < 10; ++round) {
    with.user.cast(with.peer, "hello");
    with.world.run_for(900ms);
  }
  CHECK(with.asked.asked().empty());
  with.world.run_for(2s);
  CHECK(with.asked.asked().size() >= 1);
}

TEST_CASE("nobody is asked while there is no connection, nor when it closes or finishes", "[simulation][H2]") {
  cared_for_peer with;
  with.probe();
  with.world.run_for(1s);
  CHECK(with.asked.asked().size() == 1);
  SECTION("no connection") {
    with.world.hosts().crash("server", simulated_network::crash_kind::process);
    REQUIRE(with.reach(connection_state::backoff));
    with.world.run_for(1min);
    CHECK(with.asked.asked().size() == 1);
    with.world.hosts().restart("server");
    REQUIRE(with.reach(connection_state::ready));
    with.world.run_for(1s);
    CHECK(with.asked.asked().size() == 2);
  }
  SECTION("a close that waits") {
    with.asked.answer(prober::manner::badly);
    with.world.hosts().partition("server");
    with.user.cast(with.peer, "stays behind");
    with.user.close(with.peer, close_mode::drain, 30s);
    with.world.run_for(10s);
    CHECK(with.asked.asked().size() == 1);
    CHECK(with.user.last_state() == connection_state::draining);
  }
  SECTION("a finished stream") {
    with.asked.answer(prober::manner::badly);
    REQUIRE(with.reach(connection_state::degraded));
    with.world.hosts().partition("server");
    with.user.finish_stream(with.peer);
    with.world.run_for(10s);
    CHECK(with.asked.asked().size() == 2);
    CHECK(with.user.last_state() == connection_state::ready);
  }
}

TEST_CASE("a prober does not keep its peer alive, nor the peer its prober, and neither leaves a timer",
          "[simulation][S5][B10]") {
  cared_for_peer with;
  const auto timers = with.world.timer_count();
  with.probe();
  with.asked.answer(prober::manner::not_at_all);
  with.world.run_for(1100ms);
  const auto actors = with.world.actor_count();
  const auto closed = with.user.close(with.peer, close_mode::abort);
  with.world.run_for(1s);
  CHECK(closed->value);
  CHECK(with.world.actor_count() < actors);
  CHECK(with.world.timer_count() <= timers);
  const auto late = with.user.set_probe(with.peer, with.asked.handle(), every_second);
  with.world.run_now();
  CHECK(late->error);
}

TEST_CASE("whoever leased a peer takes its prober along", "[simulation][P2]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  prober asked{world};
  actorwire::checkout wanted{parse_endpoint(server).value(), framed()};
  const auto lent = user.checkout(world.supervisor(), wanted);
  REQUIRE(world.run_until([&] { return lent->count > 0; }));
  const auto peer = lent->value.value().peer;
  user.set_probe(peer, asked.handle(), every_second);
  world.run_for(2s);
  CHECK(asked.asked().size() == 2);
  user.release(world.supervisor(), lent->value->id);
  world.run_for(10s);
  CHECK(asked.asked().size() == 2);
}

} // namespace actorwire::test
