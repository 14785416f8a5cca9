// Clients that take time to become ready, as with TLS: what a listener does about them, and what their actors see.

#include "entrance.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

listen_config with_limits(std::uint32_t in_all, std::uint32_t of_one_address) {
  listen_config config;
  config.max_handshakes = in_all;
  config.max_handshakes_per_address = of_one_address;
  return config;
}

} // namespace

TEST_CASE("the actor of a client is made when it is ready, and hears of that and of all that follows", "[simulation]") {
  diary told;
  entrance at{told.keep()};
  const auto one = at.knock("192.0.2.1");
  at.begin_handshake(one);
  at.world.run_for(std::chrono::seconds{1});
  CHECK(told.words.empty());
  CHECK(one->allowance == 0);
  at.become_ready(one, "hello");
  CHECK(told.words == std::vector<std::string>{"made", "ready", "opened", "hello"});
  REQUIRE(told.info);
  CHECK(told.info->tls == entrance::agreed());
  CHECK(told.info->remote_address == "192.0.2.1:4711");
  at.hang_up(one);
  CHECK(told.words.back() == "closed");
  CHECK(one->is_gone);
}

TEST_CASE("a client that goes before it is ready has never had an actor, and leaves nothing behind", "[simulation]") {
  diary told;
  entrance at{told.keep()};
  const auto actors = at.world.actor_count();
  const auto timers = at.world.timer_count();
  for (int count = 0; count < 10; ++count) {
    const auto one = at.knock("192.0.2.1");
    at.begin_handshake(one);
    CHECK(at.stats().handshaking == 1);
    at.hang_up(one);
    CHECK(one->is_gone);
  }
  CHECK(told.words.empty());
  CHECK(at.stats().handshaking == 0);
  CHECK(at.stats().open == 0);
  CHECK(at.world.actor_count() == actors);
  CHECK(at.world.timer_count() == timers);
}

TEST_CASE("a serving function that fails ends its connection, and no other", "[simulation]") {
  diary told;
  auto clients = 0;
  entrance at{[&, keep = told.keep()](caf::event_based_actor* self, const connection_actor& from) {
    if (++clients == 2)
      throw std::runtime_error{"served badly"};
    return keep(self, from);
  }};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.1");
  const auto third = at.knock("192.0.2.1");
  for (const auto& each : {first, second, third})
    at.become_ready(each, "words");
  CHECK_FALSE(first->is_gone);
  CHECK(second->closed_with == error_code::closed);
  CHECK(second->is_gone);
  CHECK_FALSE(third->is_gone);
  CHECK(told.words == std::vector<std::string>{"made", "ready", "opened", "words", "made", "ready", "opened", "words"});
  CHECK(at.stats().open == 2);
}

TEST_CASE("a receiver hears of a client when it is ready, and not before", "[simulation]") {
  std::vector<accepted> heard;
  entrance at{[&heard](accepted& event) { heard.push_back(std::move(event)); }, listen_config{}};
  const auto slow = at.knock("192.0.2.1");
  const auto quick = at.knock("192.0.2.2");
  CHECK(heard.empty());
  at.become_ready(quick);
  REQUIRE(heard.size() == 1);
  CHECK(heard.front().info.tls == entrance::agreed());
  CHECK(at.stats().handshaking == 1);
  at.hang_up(slow);
  CHECK(heard.size() == 1);
  CHECK(at.stats().handshaking == 0);
  CHECK(at.stats().open == 1);
  heard.clear();
}

TEST_CASE("a client that is ready before its handshake is done is half-open until then, whoever serves it",
          "[simulation]") {
  std::vector<accepted> heard;
  diary told;
  const auto with_receiver = GENERATE(true, false);
  const auto limits = with_limits(8, 2);
  auto at = with_receiver ? entrance{[&heard](accepted& event) { heard.push_back(std::move(event)); }, limits}
                          : entrance{told.keep(), limits};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.1");
  at.become_ready_early(first);
  at.become_ready_early(second);
  CHECK(heard.size() == (with_receiver ? 2U : 0U));
  CHECK(std::ranges::count(told.words, "opened") == (with_receiver ? 0 : 2));
  CHECK(at.stats().handshaking == 2);
  // So one address cannot have more of them than of any others.
  CHECK(at.knock("192.0.2.1")->is_gone);
  CHECK(at.stats().handshakes_refused == 1);
  at.finish_handshake(first);
  CHECK(at.stats().handshaking == 1);
  CHECK_FALSE(at.knock("192.0.2.1")->is_gone);
  at.hang_up(second);
  CHECK(at.stats().handshaking == 1);
  CHECK_FALSE(first->closed_with);
  heard.clear();
}

TEST_CASE("a client that was ready early goes for a newcomer while it has not finished its handshake", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(2, 2)};
  const auto slow = at.knock("192.0.2.1");
  const auto quick = at.knock("192.0.2.2");
  at.become_ready_early(slow);
  at.become_ready_early(quick);
  at.finish_handshake(quick);
  at.knock("192.0.2.3");
  CHECK_FALSE(slow->closed_with);
  at.knock("192.0.2.4");
  CHECK(slow->closed_with == error_code::closed);
  CHECK(slow->is_gone);
  CHECK_FALSE(quick->closed_with);
}

TEST_CASE("at the limit of handshakes a newcomer is let in and the one that has taken longest is ended",
          "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(2, 2)};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.2");
  CHECK_FALSE(first->closed_with);
  const auto third = at.knock("192.0.2.3");
  CHECK(first->closed_with == error_code::closed);
  CHECK(first->is_gone);
  CHECK_FALSE(second->closed_with);
  // Whoever is ready is not ended any more.
  at.become_ready(second);
  at.become_ready(third);
  for (const auto* host : {"192.0.2.4", "192.0.2.5", "192.0.2.6"})
    at.knock(host);
  CHECK_FALSE(second->closed_with);
  CHECK_FALSE(third->closed_with);
  const auto stats = at.stats();
  CHECK(stats.handshaking == 2);
  CHECK(stats.handshakes_evicted == 2);
  CHECK(stats.handshakes_refused == 0);
  CHECK(stats.open == 4);
  CHECK(stats.accepted == 6);
}

TEST_CASE("a flood from a few addresses keeps nobody out who is quick", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(8, 2)};
  for (int round = 0; round < 50; ++round) {
    for (int address = 0; address < 8; ++address)
      at.knock("198.51.100." + std::to_string(address));
    const auto honest = at.knock("192.0.2.1");
    at.become_ready(honest, "x");
    CHECK_FALSE(honest->closed_with);
    CHECK(at.stats().handshaking <= 8);
    CHECK(at.stats().open <= 8U + static_cast<std::uint32_t>(round) + 1U);
  }
}

TEST_CASE("a client that is turned away takes no place among the connections, not even the last", "[simulation]") {
  diary told;
  auto config = with_limits(2, 1);
  config.max_connections = 2;
  entrance at{told.keep(), config, true, 2};
  at.knock("192.0.2.1", 0);
  const auto before = at.times_resumed();
  for (int count = 0; count < 10; ++count)
    CHECK(at.knock("192.0.2.1", 1)->is_gone);
  CHECK(at.stats().handshakes_refused == 10);
  CHECK(at.stats().open == 1);
  // Nor are all shards told of places that nobody could have waited for.
  CHECK(at.times_resumed() == before);
  const auto last = at.knock("192.0.2.2", 1);
  CHECK_FALSE(last->is_gone);
  at.hang_up(last);
  CHECK(at.times_resumed() == before + 2);
}

TEST_CASE("the one that has taken longest is ended on whichever shard it lives", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(2, 2), true, 2};
  const auto first = at.knock("192.0.2.1", 0);
  const auto second = at.knock("192.0.2.2", 1);
  const auto third = at.knock("192.0.2.3", 1);
  CHECK(first->closed_with == error_code::closed);
  CHECK(first->is_gone);
  CHECK_FALSE(second->closed_with);
  const auto fourth = at.knock("192.0.2.4", 0);
  CHECK(second->closed_with == error_code::closed);
  CHECK(second->is_gone);
  CHECK_FALSE(third->closed_with);
  CHECK_FALSE(fourth->closed_with);
  const auto stats = at.stats();
  CHECK(stats.handshaking == 2);
  CHECK(stats.handshakes_evicted == 2);
  CHECK(stats.open == 2);
}

TEST_CASE("clients of one shard that hold every place keep nobody out of another", "[simulation]") {
  constexpr int places = 8;
  constexpr int rounds = 50;
  diary told;
  entrance at{told.keep(), with_limits(places, 2), true, 2};
  const auto attack = [&at](int count) {
    for (int address = 0; address < count; ++address)
      at.knock("198.51.100." + std::to_string(address), 0);
  };
  attack(places);
  for (int round = 0; round < rounds; ++round) {
    const auto honest = at.knock("192.0.2.1", 1);
    // As many as may come while it shakes hands.
    attack(places - 1);
    at.become_ready(honest, "x");
    CHECK_FALSE(honest->closed_with);
    attack(1);
  }
  CHECK(std::ranges::count(told.words, "x") == rounds);
  const auto stats = at.stats();
  CHECK(stats.handshaking == places);
  CHECK(stats.handshakes_refused == 0);
  CHECK(stats.open == places + rounds);
}

TEST_CASE("a client over the share of its address is turned away, and others are let in", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(8, 2)};
  const auto first = at.knock("2001:db8::1");
  const auto second = at.knock("2001:db8::2");
  const auto third = at.knock("2001:db8::3");
  CHECK(third->is_gone);
  CHECK(third->observer == nullptr);
  CHECK_FALSE(at.knock("2001:db8:1::1")->is_gone);
  CHECK_FALSE(first->is_gone);
  const auto stats = at.stats();
  CHECK(stats.handshaking == 3);
  CHECK(stats.handshakes_refused == 1);
  CHECK(stats.handshakes_evicted == 0);
  CHECK(stats.open == 3);
  CHECK(stats.accepted == 3);
  at.become_ready(first);
  CHECK_FALSE(at.knock("2001:db8::3")->is_gone);
}

TEST_CASE("clients that are not ready count as connections, and the next is let in when one goes", "[simulation]") {
  diary told;
  listen_config config;
  config.max_connections = 2;
  entrance at{told.keep(), config};
  const auto first = at.knock("192.0.2.1");
  CHECK_FALSE(at.is_paused());
  const auto second = at.knock("192.0.2.2");
  CHECK(at.is_paused());
  CHECK(at.knock("192.0.2.3")->is_gone);
  at.hang_up(first);
  CHECK_FALSE(at.is_paused());
  CHECK_FALSE(at.knock("192.0.2.3")->is_gone);
}

TEST_CASE("a listener that closes does not wait for clients that are not ready", "[simulation]") {
  diary told;
  entrance at{told.keep(), {}, true, 2};
  const auto one = at.knock("192.0.2.1");
  const auto other = at.knock("192.0.2.2");
  at.begin_handshake(other);
  const auto elsewhere = at.knock("192.0.2.3", 1);
  CHECK(at.close(close_mode::drain).complete);
  for (const auto& each : {one, other, elsewhere})
    CHECK(each->is_gone);
  CHECK(told.words.empty());
  CHECK(at.has_no_book());
}

TEST_CASE("clients that are ready as soon as they are accepted are not counted", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(1, 1), false};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.1");
  CHECK(at.stats().handshaking == 0);
  CHECK_FALSE(first->is_gone);
  CHECK_FALSE(second->is_gone);
}

} // namespace actorwire::test
