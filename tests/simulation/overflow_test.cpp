#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

/// A peer that nobody answers, with room for three messages, and one who watches it.
struct crowded_peer {
  explicit crowded_peer(overflow_policy overflow) : user(world.make_probe()) {
    auto options = framed();
    options.transport.flow.overflow = overflow;
    options.transport.flow.queue_messages = 3;
    peer = world.acquire(server, options);
    user.subscribe(peer);
    world.run_for(50ms);
  }

  std::vector<answer_to<sent>> send_all(const std::vector<std::string>& texts) {
    std::vector<answer_to<sent>> answers;
    for (const auto& text : texts)
      answers.push_back(user.send(peer, text));
    world.run_now();
    return answers;
  }

  stats figures() {
    const auto told = user.get_stats(peer);
    world.run_now();
    return told->value.value();
  }

  std::vector<std::string> arrived() {
    world.hosts().listen(server, sink_service());
    world.run_for(5s);
    return cut_frames(world.hosts().arrived_at(server)).messages;
  }

  simulated_system world;
  probe user;
  connection_actor peer;
};

} // namespace

TEST_CASE("what is dropped for want of room is told to its sender and to all, and counted by reason",
          "[simulation][D1][D2][D6]") {
  const auto drops_newest = GENERATE(true, false);
  CAPTURE(drops_newest);
  crowded_peer with{drops_newest ? overflow_policy::drop_newest : overflow_policy::drop_oldest};
  const auto answers = with.send_all({"1", "22", "333", "4444", "55555"});
  // And one that nobody asks about.
  with.user.cast(with.peer, "666666");
  with.world.run_now();
  std::size_t dropped = 0;
  for (std::size_t index = 0; index < answers.size(); ++index) {
    CAPTURE(index);
    const auto has_gone = drops_newest ? index >= 3 : index < 3;
    CHECK(answers[index]->count == (has_gone ? 1 : 0));
    if (has_gone)
      CHECK(answers[index]->code() == error_code::queue_overflow);
    dropped += has_gone ? index + 1 : 0;
  }
  tally reported;
  for (const auto& each : with.user.all<data_lost>()) {
    CHECK(each.why.code == error_code::queue_overflow);
    reported += each.not_sent;
  }
  const auto expected = drops_newest ? tally{3, dropped + 6} : tally{3, dropped};
  CHECK(reported == expected);
  const auto figures = with.figures();
  CHECK(adds_up(figures.delivery));
  CHECK(figures.delivery.accepted == tally{6, 21});
  CHECK(figures.delivery.not_sent == expected);
  CHECK(figures.lifetime.drops == std::vector{drop_count{error_code::queue_overflow, expected, {}}});
  CHECK(with.arrived()
        == (drops_newest ? std::vector<std::string>{"1", "22", "333"}
                         : std::vector<std::string>{"4444", "55555", "666666"}));
}

TEST_CASE("the newest state of each thing leaves, and the older ones are reported", "[simulation][D1][D2][D6]") {
  crowded_peer with{overflow_policy::conflate};
  std::vector<answer_to<sent>> answers;
  for (int state = 0; state < 50; ++state)
    for (std::uint64_t thing = 1; thing <= 3; ++thing) {
      send_options options;
      options.key = thing;
      answers.push_back(with.user.send(with.peer, std::to_string(thing) + "=" + std::to_string(state), options));
    }
  with.world.run_now();
  const auto figures = with.figures();
  CHECK(adds_up(figures.delivery));
  CHECK(figures.delivery.not_sent.messages == 49 * 3);
  CHECK(figures.lifetime.drops == std::vector{drop_count{error_code::superseded, figures.delivery.not_sent, {}}});
  // All of that was one turn.
  CHECK(with.user.count<data_lost>() == 1);
  CHECK(with.user.all<data_lost>()[0].not_sent == figures.delivery.not_sent);
  CHECK(with.arrived() == std::vector<std::string>{"1=49", "2=49", "3=49"});
  for (std::size_t index = 0; index < answers.size(); ++index) {
    CHECK(answers[index]->count == 1);
    CHECK(answers[index]->code() == (index < 49 * 3 ? error_code::superseded : error_code::none));
  }
}

TEST_CASE("a peer that is too slow is disconnected, and what waits leaves with the next connection",
          "[simulation][D4][D5][D6]") {
  simulated_system world;
  world.hosts().set_link({.window = 100});
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  auto options = framed();
  options.transport.flow.overflow = overflow_policy::disconnect;
  options.transport.flow.write_limit = options.transport.flow.high_water = options.transport.flow.low_water =
      1'000 + 9 * waiting_message_cost;
  const auto peer = world.acquire(server, options);
  user.subscribe(peer);
  world.run_for(1s);
  REQUIRE(user.count<opened>() == 1);
  world.hosts().set_path("server", simulated_network::path_state::stalled);
  std::vector<answer_to<sent>> answers;
  for (int count = 0; count < 12; ++count) {
    answers.push_back(user.send(peer, std::string(100, static_cast<char>('a' + count)), {.wanted = outcome::acked}));
    // The first begins to leave, and then the window is full.
    if (count == 0)
      world.run_now();
  }
  world.run_now();
  CHECK(answers[9]->count == 0);
  CHECK(answers[10]->code() == error_code::would_block);
  CHECK(answers[11]->code() == error_code::would_block);
  world.run_for(1ms);
  CHECK(user.last_state() == connection_state::backoff);
  CHECK(user.all<state_changed>().back().reason.code == error_code::queue_overflow);
  world.hosts().heal("server");
  world.run_for(5s);
  CHECK(user.count<opened>() == 2);
  REQUIRE(answers[0]->value);
  CHECK(answers[0]->value->result == outcome::maybe_sent);
  for (std::size_t index = 1; index < 10; ++index) {
    REQUIRE(answers[index]->value);
    CHECK(answers[index]->value->result == outcome::acked);
  }
  const auto figures = user.get_stats(peer);
  world.run_now();
  CHECK(adds_up(figures->value->delivery));
  CHECK(figures->value->lifetime.drops
        == std::vector{drop_count{error_code::queue_overflow, {}, figures->value->delivery.maybe_sent}});
}

TEST_CASE("what goes for others in one turn is told in sum, and ahead of what happens next",
          "[simulation][D1][D6][S1]") {
  crowded_peer with{overflow_policy::conflate};
  send_options keyed;
  keyed.key = 7;
  for (const auto* text : {"1", "22", "333"})
    with.user.cast(with.peer, text, keyed);
  with.world.run_now();
  for (const auto* text : {"4444", "55555"})
    with.user.cast(with.peer, text, keyed);
  with.user.close(with.peer, close_mode::abort);
  with.world.run_now();
  const auto lost = with.user.all<data_lost>();
  REQUIRE(lost.size() == 3);
  CHECK(lost[0].why.code == error_code::superseded);
  CHECK(lost[0].not_sent == tally{2, 3});
  CHECK(lost[1].why.code == error_code::superseded);
  CHECK(lost[1].not_sent == tally{2, 7});
  CHECK(lost[2].why.code == error_code::closed);
  CHECK(lost[2].not_sent == tally{1, 5});
  CHECK(with.user.last_state() == connection_state::closed);
  CHECK(std::holds_alternative<state_changed>(with.user.notes().back().what));
}

TEST_CASE("whoever unsubscribes is told before that of what went for others", "[simulation][D6]") {
  crowded_peer with{overflow_policy::conflate};
  send_options keyed;
  keyed.key = 7;
  for (const auto* text : {"1", "22"})
    with.user.cast(with.peer, text, keyed);
  with.user.unsubscribe(with.peer);
  with.world.run_now();
  REQUIRE(with.user.count<data_lost>() == 1);
  CHECK(with.user.all<data_lost>().front().not_sent == tally{1, 1});
}

TEST_CASE("a new connection is not too slow before it has taken as much as waited when it came",
          "[simulation][D5][D6]") {
  simulated_system world;
  world.hosts().set_link({.window = 100});
  auto user = world.make_probe();
  auto options = framed();
  options.transport.flow.overflow = overflow_policy::disconnect;
  options.transport.flow.write_limit = options.transport.flow.high_water = options.transport.flow.low_water =
      1'000 + 9 * waiting_message_cost;
  const auto peer = world.acquire(server, options);
  user.subscribe(peer);
  // Twice as much as may wait on a connection.
  for (int count = 0; count < 20; ++count)
    user.cast(peer, std::string(100, static_cast<char>('a' + count)));
  world.run_for(50ms);
  world.hosts().listen(server, sink_service());
  REQUIRE(world.run_until([&] { return user.count<opened>() > 0; }));
  const auto refused = user.send(peer, "early");
  world.run_for(5s);
  CHECK(refused->code() == error_code::would_block);
  CHECK(user.count<opened>() == 1);
  CHECK(user.last_state() == connection_state::ready);
  CHECK(cut_frames(world.hosts().arrived_at(server)).messages.size() == 20);
  // From then on it may be.
  world.hosts().set_path("server", simulated_network::path_state::stalled);
  for (int count = 0; count < 12; ++count)
    user.cast(peer, std::string(100, 'z'));
  world.run_for(1ms);
  CHECK(user.last_state() == connection_state::backoff);
  CHECK(user.all<state_changed>().back().reason.code == error_code::queue_overflow);
}

TEST_CASE("without a connection there is nothing to end, and what does not fit is refused", "[simulation][D6]") {
  crowded_peer with{overflow_policy::disconnect};
  const auto attempts = with.world.hosts().attempt_count(server);
  const auto answers = with.send_all({"1", "2", "3", "4"});
  CHECK(answers[2]->count == 0);
  CHECK(answers[3]->code() == error_code::would_block);
  CHECK(with.world.hosts().attempt_count(server) == attempts);
  CHECK(with.arrived() == std::vector<std::string>{"1", "2", "3"});
}

} // namespace actorwire::test
