#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

tally lost_not_sent(const probe& watcher) {
  tally sum;
  for (const auto& each : watcher.all<data_lost>())
    sum += each.not_sent;
  return sum;
}

tally lost_maybe_sent(const probe& watcher) {
  tally sum;
  for (const auto& each : watcher.all<data_lost>())
    sum += each.maybe_sent;
  return sum;
}

/// A peer that nobody answers, and one who watches it.
struct unanswered {
  explicit unanswered(const acquire_options& options = framed(), const pool_limits& limits = {})
    : world({.pool = limits}), user(world.make_probe()), peer(world.acquire(server, options)) {
    user.subscribe(peer);
    world.run_for(50ms);
  }

  delivery_totals totals() {
    const auto figures = user.get_stats(peer);
    world.run_now();
    return figures->value.value().delivery;
  }

  simulated_system world;
  probe user;
  connection_actor peer;
};

} // namespace

TEST_CASE("the account adds up while messages wait, leave, get lost and are refused", "[simulation][D1]") {
  auto options = framed();
  options.transport.flow.queue_messages = 5;
  unanswered with{options};
  for (int count = 0; count < 10; ++count)
    with.user.send(with.peer, "waits or is refused");
  with.user.cast(with.peer, "is refused and counted");
  CHECK(adds_up(with.totals()));
  CHECK(with.totals().pending.messages == 5);
  CHECK(with.totals().accepted.messages == 6);
  with.world.hosts().listen(server, sink_service());
  with.world.run_for(5s);
  CHECK(with.totals().written.messages == 5);
  with.world.hosts().set_path("server", simulated_network::path_state::cut);
  for (int count = 0; count < 10; ++count)
    with.user.send(with.peer, std::string(10'000, 'x'), {.wanted = outcome::acked});
  with.world.run_for(1s);
  CHECK(adds_up(with.totals()));
  with.world.hosts().crash("server", simulated_network::crash_kind::machine);
  with.world.hosts().heal("server");
  with.world.hosts().restart("server");
  with.world.run_for(1min);
  CHECK(adds_up(with.totals()));
  CHECK(with.totals().maybe_sent.messages > 0);
  CHECK(lost_not_sent(with.user) == with.totals().not_sent);
  CHECK(lost_maybe_sent(with.user) == with.totals().maybe_sent);

  const auto closed = with.user.close(with.peer, close_mode::drain);
  with.world.run_for(1min);
  REQUIRE(closed->value);
  CHECK(adds_up(closed->value->delivery));
  CHECK(closed->value->delivery.pending == tally{});
}

TEST_CASE("a message expires at the end of its ttl, is told to all, and never leaves", "[simulation][D6]") {
  unanswered with;
  const auto brief = with.user.send(with.peer, "brief", {.ttl = 300ms});
  const auto patient = with.user.send(with.peer, "patient", {.ttl = 1h});
  with.user.cast(with.peer, "brief too", {.ttl = 300ms});
  with.world.run_for(299ms);
  CHECK(brief->count == 0);
  with.world.run_for(1ms);
  CHECK(brief->code() == error_code::expired);
  CHECK(lost_not_sent(with.user) == tally{2, 14});
  with.world.hosts().listen(server, sink_service());
  with.world.run_for(5s);
  CHECK(patient->value);
  CHECK(cut_frames(with.world.hosts().arrived_at(server)).messages == std::vector<std::string>{"patient"});
}

TEST_CASE("what expires while the connection is held up does not leave later", "[simulation][D6]") {
  simulated_system world;
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  user.subscribe(peer);
  world.run_for(1s);
  world.hosts().set_path("server", simulated_network::path_state::stalled);
  // The first fills the window, so that the second cannot begin.
  user.cast(peer, std::string(100'000, 'x'));
  const auto brief = user.send(peer, "brief", {.ttl = 300ms});
  world.run_for(1s);
  CHECK(brief->code() == error_code::expired);
  world.hosts().heal("server");
  world.run_for(1s);
  CHECK(cut_frames(world.hosts().arrived_at(server)).messages == std::vector{std::string(100'000, 'x')});
}

TEST_CASE("one message more than the queue holds is refused", "[simulation][D6]") {
  auto options = framed();
  options.transport.flow.queue_messages = 3;
  unanswered with{options};
  std::vector<answer_to<sent>> answers;
  for (int count = 0; count < 4; ++count)
    answers.push_back(with.user.send(with.peer, "x"));
  with.world.run_now();
  CHECK(answers[2]->count == 0);
  CHECK(answers[3]->code() == error_code::would_block);
}

TEST_CASE("one byte more than the queue holds is refused", "[simulation][D6]") {
  auto options = framed();
  options.transport.flow.queue_bytes = 10;
  unanswered with{options};
  const auto fits = with.user.send(with.peer, "exactly 10");
  const auto beyond = with.user.send(with.peer, "x");
  with.world.run_now();
  CHECK(fits->count == 0);
  CHECK(beyond->code() == error_code::would_block);
}

TEST_CASE("a dropped message is counted and reported once, whether its sender asked or not", "[simulation][D6][D7]") {
  unanswered with;
  const auto asked = with.user.send(with.peer, "12345", {.policy = when_down::drop});
  with.user.cast(with.peer, "123", {.policy = when_down::drop});
  with.world.run_now();
  REQUIRE(asked->value);
  CHECK(asked->value->result == outcome::not_sent);
  CHECK(lost_not_sent(with.user) == tally{2, 8});
  CHECK(with.totals().not_sent == tally{2, 8});
}

TEST_CASE("what a message that may not wait becomes depends on its policy and nothing else", "[simulation][D7]") {
  enum class way : std::uint8_t { connecting, backoff, failed, ready, draining, draining_alone };
  enum class fate : std::uint8_t { waits, error, dropped, written };
  // In the order of `when_down`: queue, fail, drop.
  struct row_of {
    way where;
    std::array<fate, 3> row;
    /// What whoever is refused is told: why there is no connection.
    error_code cause;
    std::string_view words;
  };
  const std::array<row_of, 6> matrix{{
      {way::connecting, {fate::waits, fate::error, fate::dropped}, error_code::not_connected, "not connected yet"},
      {way::backoff, {fate::waits, fate::error, fate::dropped}, error_code::refused, "connection refused"},
      {way::failed, {fate::error, fate::error, fate::dropped}, error_code::attempts_exhausted, "connection refused"},
      {way::ready, {fate::written, fate::written, fate::written}, error_code::none, {}},
      {way::draining, {fate::error, fate::error, fate::error}, error_code::draining, "is being closed"},
      {way::draining_alone, {fate::error, fate::error, fate::error}, error_code::draining, "connection refused"},
  }};
  for (const auto& [where, row, cause, words] : matrix)
    for (const auto policy : {when_down::queue, when_down::fail, when_down::drop}) {
      CAPTURE(static_cast<int>(where), name_of(policy));
      simulated_system world;
      auto options = framed();
      if (where == way::connecting)
        world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
      if (where == way::failed)
        options.reconnection.max_attempts = 1;
      if (where == way::draining_alone) {
        // Its second attempt is under way.
        world.hosts().plan_next(server, refusing());
        world.hosts().plan_next(server, {.answer = attempt_answer::ignore});
      }
      if (where == way::backoff)
        options.reconnection.base_delay = options.reconnection.max_delay = 1h;
      if (where == way::ready || where == way::draining)
        world.hosts().listen(server, deaf_service());
      auto user = world.make_probe();
      const auto peer = world.acquire(server, options);
      user.subscribe(peer, event_mask::loss);
      if (where == way::draining_alone)
        user.cast(peer, "keeps it from closing at once", {.ttl = 1h});
      world.run_for(1s);
      if (where == way::draining || where == way::draining_alone)
        user.close(peer, close_mode::drain, 1h);
      world.run_now();
      const auto names_the_cause = [&cause = cause, &words = words](const transport_error& told) {
        INFO(to_string(told));
        return told.code == cause && told.text.find(words) != std::string::npos;
      };

      // Whatever is decided is decided at once, without waiting for any timer.
      const auto asked = user.send(peer, "asked", {.policy = policy});
      world.run_now();
      const auto reports = user.count<data_lost>();
      user.cast(peer, "cast", {.policy = policy});
      world.run_now();
      const auto cast_is_reported = user.count<data_lost>() - reports == 1;

      switch (row[static_cast<std::size_t>(policy)]) {
        case fate::waits:
          CHECK(asked->count == 0);
          CHECK(reports == 0);
          CHECK(!cast_is_reported);
          break;
        case fate::error:
          REQUIRE(asked->error);
          CHECK(names_the_cause(*asked->error));
          CHECK(names_the_cause(user.all<data_lost>().back().why));
          CHECK(reports == 0);
          CHECK(cast_is_reported);
          break;
        case fate::dropped:
          REQUIRE(asked->value);
          CHECK(asked->value->result == outcome::not_sent);
          CHECK(reports == 1);
          CHECK(cast_is_reported);
          CHECK(names_the_cause(user.all<data_lost>().back().why));
          break;
        case fate::written:
          REQUIRE(asked->value);
          CHECK(asked->value->result == outcome::written);
          CHECK(reports == 0);
          CHECK(!cast_is_reported);
          break;
      }
    }
}

TEST_CASE("an end of stream that is asked for before there is a connection follows what was queued",
          "[simulation][D5]") {
  unanswered with;
  with.user.cast(with.peer, "first and last");
  with.user.finish_stream(with.peer);
  const auto late = with.user.send(with.peer, "behind the end");
  with.world.run_now();
  CHECK(late->code() == error_code::closed);
  with.world.hosts().listen(server, echo_service());
  // The host finishes when it sees the end, and that ends the peer.
  CHECK(with.world.run_until([&] { return with.user.last_state() == connection_state::closed; }, 10s));
  CHECK(with.user.text() == "first and last");
}

TEST_CASE("an end of stream waits for a connection as long as the policy tries to get one", "[simulation][D5]") {
  auto options = framed();
  options.transport.flow.queue_age = 1h;
  options.reconnection.max_attempts = 10;
  unanswered with{options};
  with.user.cast(with.peer, "first and last");
  with.user.finish_stream(with.peer);
  with.world.run_for(5s);
  REQUIRE(with.world.hosts().attempt_count(server) > 3);
  SECTION("it follows what was queued when there is one") {
    with.world.hosts().listen(server, echo_service());
    CHECK(with.world.run_until([&] { return with.user.last_state() == connection_state::closed; }, 10s));
    CHECK(with.user.text() == "first and last");
  }
  SECTION("a reset revives it after the policy has given up") {
    REQUIRE(with.world.run_until([&] { return with.user.last_state() == connection_state::failed; }, 1min));
    CHECK(lost_not_sent(with.user) == tally{1, 14});
    with.world.hosts().listen(server, echo_service());
    with.user.reset(with.world.supervisor(), 1);
    CHECK(with.world.run_until([&] { return with.user.last_state() == connection_state::closed; }, 10s));
  }
}

TEST_CASE("what a lost connection leaves of a finished stream goes out on the next, and then its end",
          "[simulation][D5]") {
  simulated_system world;
  world.hosts().set_link({.window = 20});
  world.hosts().plan_next(server, resetting(25));
  world.hosts().listen(server, echo_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  user.subscribe(peer);
  for (const auto* text : {"aaaaaa", "bbbbbb", "cccccc", "dddddd", "eeeeee", "ffffff"})
    user.cast(peer, text);
  user.finish_stream(peer);
  REQUIRE(world.run_until([&] { return user.last_state() == connection_state::closed; }, 1min));
  CHECK(user.count<opened>() == 2);
  CHECK(user.text().ends_with("ffffff"));
  CHECK(lost_not_sent(user) == tally{});
}

TEST_CASE("a connection that is lost after its stream was finished is not dialled again", "[simulation][D5]") {
  simulated_system world;
  world.hosts().listen(server, deaf_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  user.subscribe(peer);
  user.cast(peer, "the last word");
  user.finish_stream(peer);
  world.run_for(1s);
  REQUIRE(user.last_state() == connection_state::ready);
  world.hosts().reset_connections("server");
  world.run_for(1min);
  CHECK(user.last_state() == connection_state::closed);
  CHECK(user.all<state_changed>().back().reason.code == error_code::reset);
  CHECK(world.hosts().attempt_count(server) == 1);
}

TEST_CASE("the survivors of a lost connection go out first and in order on the next", "[simulation][D5]") {
  simulated_system world;
  // Each message is ten bytes on the wire: the third is torn, and the window keeps the last ones here.
  world.hosts().set_link({.window = 20});
  world.hosts().plan_next(server, resetting(25));
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, framed());
  std::vector<answer_to<sent>> answers;
  for (const auto* text : {"aaaaaa", "bbbbbb", "cccccc", "dddddd", "eeeeee", "ffffff"})
    answers.push_back(user.send(peer, text, {.wanted = outcome::acked}));
  world.run_for(10s);
  std::vector<std::string> arrived;
  for (const auto* record : world.hosts().records())
    for (auto& message : cut_frames(record->arrived_at_listener).messages)
      arrived.push_back(std::move(message));
  CHECK(arrived.front() == "aaaaaa");
  CHECK(arrived.back() == "ffffff");
  CHECK(std::is_sorted(arrived.begin(), arrived.end()));
  CHECK(std::adjacent_find(arrived.begin(), arrived.end()) == arrived.end());
  for (std::size_t index = 0; index < answers.size(); ++index) {
    REQUIRE(answers[index]->value);
    if (answers[index]->value->result == outcome::acked)
      CHECK(std::find(arrived.begin(), arrived.end(), std::string(6, static_cast<char>('a' + index))) != arrived.end());
    else
      CHECK(answers[index]->value->result == outcome::maybe_sent);
  }
}

} // namespace actorwire::test
