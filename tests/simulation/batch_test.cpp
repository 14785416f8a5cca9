// Many messages in one request.

#include "host_and_peer.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view tcp_server = "tcp://server:1";

/// A peer, one who sends and watches, and room for five messages as long as nobody answers.
struct batched_peer {
  explicit batched_peer(overflow_policy overflow = overflow_policy::fail) : user(world.make_probe()) {
    auto options = framed();
    options.transport.flow.overflow = overflow;
    options.transport.flow.queue_messages = 5;
    peer = world.acquire(tcp_server, options);
    user.subscribe(peer, event_mask::loss);
    world.run_for(50ms);
  }

  std::vector<std::string> arrived() {
    world.hosts().listen(tcp_server, sink_service());
    world.run_for(5s);
    return cut_frames(world.hosts().arrived_at(tcp_server)).messages;
  }

  stats figures() {
    const auto told = user.get_stats(peer);
    world.run_now();
    return told->value.value();
  }

  simulated_system world;
  probe user;
  connection_actor peer;
};

const std::vector<std::string> three{"one", "two", "three"};

} // namespace

TEST_CASE("a batch leaves in order, and is answered once when the outcome of all is known",
          "[simulation][D1][D2][D5]") {
  batched_peer with;
  with.user.cast(with.peer, "before");
  send_options options{.wanted = outcome::acked};
  options.tag = 42;
  const auto sent_all = with.user.send_batch(with.peer, three, options);
  with.user.cast(with.peer, "behind");
  with.world.run_for(1s);
  CHECK(sent_all->count == 0);
  CHECK(with.arrived() == std::vector<std::string>{"before", "one", "two", "three", "behind"});
  REQUIRE(sent_all->value);
  CHECK(sent_all->count == 1);
  CHECK(*sent_all->value == batch_sent{2, 1, std::vector<outcome>(3, outcome::acked), {}, 42});
  CHECK(adds_up(with.figures().delivery));
}

TEST_CASE("a batch is accepted as a whole or not at all", "[simulation][D6]") {
  batched_peer with;
  for (const auto* text : {"a", "b", "c"})
    with.user.cast(with.peer, text);
  const auto beyond = with.user.send_batch(with.peer, three);
  const auto fits = with.user.send_batch(with.peer, {"d", "e"});
  with.world.run_now();
  CHECK(beyond->code() == error_code::would_block);
  CHECK(fits->count == 0);
  CHECK(with.figures().delivery.accepted.messages == 5);
  CHECK(with.arrived() == std::vector<std::string>{"a", "b", "c", "d", "e"});
  CHECK(fits->value);
}

TEST_CASE("a batch with a message that is never accepted is refused, naming which", "[simulation]") {
  simulated_system world;
  auto options = framed();
  options.transport.framing.max_frame_size = 5;
  auto user = world.make_probe();
  const auto peer = world.acquire(tcp_server, options);
  const auto too_large = user.send_batch(peer, {"small", "larger", "small"});
  const auto empty = user.send_batch(peer, {});
  send_options keyed;
  keyed.key = 1;
  const auto with_key = user.send_batch(peer, three, keyed);
  world.run_now();
  REQUIRE(too_large->error);
  CHECK(too_large->error->code == error_code::message_too_large);
  CHECK(too_large->error->text.starts_with("bodies[1]: "));
  CHECK(empty->code() == error_code::invalid_value);
  CHECK(with_key->code() == error_code::invalid_value);
  const auto figures = user.get_stats(peer);
  world.run_now();
  CHECK(figures->value->delivery.accepted == tally{});
}

TEST_CASE("a batch that never fits is too large, and ends no connection", "[simulation]") {
  simulated_system world;
  world.hosts().listen(tcp_server, sink_service());
  auto options = framed();
  options.transport.flow.write_limit = 1'000;
  options.transport.flow.high_water = 900;
  options.transport.flow.low_water = 100;
  options.transport.flow.overflow = overflow_policy::disconnect;
  auto user = world.make_probe();
  const auto peer = world.acquire(tcp_server, options);
  user.subscribe(peer);
  REQUIRE(world.run_until([&] { return user.last_state() == connection_state::ready; }));
  // The first message is free of the charge for each.
  const auto too_large = user.send_batch(peer, {std::string(500, 'a'), std::string(373, 'b')});
  const auto fits = user.send_batch(peer, {std::string(500, 'a'), std::string(372, 'b')});
  world.run_for(1s);
  CHECK(too_large->code() == error_code::message_too_large);
  REQUIRE(fits->value);
  CHECK(fits->value->results == std::vector<outcome>(2, outcome::written));
  CHECK(user.last_state() == connection_state::ready);
}

TEST_CASE("a batch for which others were dropped counts against the memory limit like any message",
          "[simulation][F3]") {
  batched_peer with{overflow_policy::drop_oldest};
  for (int count = 0; count < 5; ++count)
    with.user.cast(with.peer, std::string(100, 'x'));
  with.user.send_batch(with.peer, std::vector<std::string>(4, std::string(1'000, 'y')));
  with.world.run_now();
  const auto pending = with.figures().delivery.pending;
  CHECK(pending == tally{5, 4'100});
  CHECK(with.world.net().memory_used() >= pending.bytes + pending.messages * 128);
}

TEST_CASE("by drop_newest all of a batch is dropped, by drop_oldest others go for all of it",
          "[simulation][D1][D2][D6]") {
  {
    batched_peer with{overflow_policy::drop_newest};
    for (const auto* text : {"a", "b", "c"})
      with.user.cast(with.peer, text);
    const auto dropped = with.user.send_batch(with.peer, three);
    with.world.run_now();
    REQUIRE(dropped->value);
    CHECK(dropped->value->results == std::vector<outcome>(3, outcome::not_sent));
    CHECK(dropped->value->why.code == error_code::queue_overflow);
    CHECK(with.figures().lifetime.drops == std::vector{drop_count{error_code::queue_overflow, {3, 11}, {}}});
    REQUIRE(with.user.count<data_lost>() == 1);
    CHECK(with.user.all<data_lost>()[0].not_sent == tally{3, 11});
    CHECK(adds_up(with.figures().delivery));
    CHECK(with.arrived() == std::vector<std::string>{"a", "b", "c"});
  }
  {
    batched_peer with{overflow_policy::drop_oldest};
    for (const auto* text : {"a", "b", "c"})
      with.user.cast(with.peer, text);
    const auto kept = with.user.send_batch(with.peer, three);
    with.world.run_now();
    CHECK(with.figures().lifetime.drops == std::vector{drop_count{error_code::queue_overflow, {1, 1}, {}}});
    CHECK(with.arrived() == std::vector<std::string>{"b", "c", "one", "two", "three"});
    REQUIRE(kept->value);
    CHECK(kept->value->results == std::vector<outcome>(3, outcome::written));
    // One that is larger than all that may wait drops nothing.
  }
  {
    batched_peer with{overflow_policy::drop_oldest};
    with.user.cast(with.peer, "a");
    const auto refused = with.user.send_batch(with.peer, std::vector<std::string>(6, "x"));
    with.world.run_now();
    CHECK(refused->code() == error_code::would_block);
    CHECK(with.figures().lifetime.drops.empty());
    CHECK(with.arrived() == std::vector<std::string>{"a"});
  }
}

TEST_CASE("wherever a connection is cut, each message of a batch has its true outcome", "[simulation][D2][D3][D4]") {
  // Each message is ten bytes on the wire.
  const std::vector<std::string> bodies{"aaaaaa", "bbbbbb", "cccccc"};
  for (std::size_t cut = 0; cut <= 30; ++cut) {
    CAPTURE(cut);
    simulated_system world;
    world.hosts().plan_next(tcp_server, resetting(cut));
    world.hosts().listen(tcp_server, sink_service());
    world.hosts().set_link({.window = 5});
    auto user = world.make_probe();
    const auto peer = world.acquire(tcp_server, framed());
    const auto all = user.send_batch(peer, bodies, {.wanted = outcome::acked});
    world.run_for(10s);
    REQUIRE(all->count == 1);
    REQUIRE(all->value);
    std::vector<std::string> arrived;
    for (const auto* record : world.hosts().records())
      for (auto& message : cut_frames(record->arrived_at_listener).messages)
        arrived.push_back(std::move(message));
    REQUIRE(std::is_sorted(arrived.begin(), arrived.end()));
    REQUIRE(std::adjacent_find(arrived.begin(), arrived.end()) == arrived.end());
    for (std::size_t index = 0; index < bodies.size(); ++index) {
      const auto result = all->value->results[index];
      REQUIRE((result == outcome::acked || result == outcome::maybe_sent));
      if (result == outcome::acked)
        REQUIRE(std::find(arrived.begin(), arrived.end(), bodies[index]) != arrived.end());
    }
  }
}

TEST_CASE("a batch that expires in part, and one that is given up, say so for each message",
          "[simulation][D2][D4][D6]") {
  batched_peer with;
  const auto brief = with.user.send_batch(with.peer, {"a", "b"}, {.ttl = 100ms});
  const auto given_up = with.user.send_batch(with.peer, three, {.ttl = 1h});
  with.world.run_for(1s);
  REQUIRE(brief->value);
  CHECK(brief->value->results == std::vector<outcome>(2, outcome::not_sent));
  CHECK(brief->value->why.code == error_code::expired);
  CHECK(given_up->count == 0);
  with.user.close(with.peer, close_mode::abort);
  with.world.run_now();
  REQUIRE(given_up->value);
  CHECK(given_up->value->results == std::vector<outcome>(3, outcome::not_sent));
  CHECK(given_up->value->why.code == error_code::closed);
  const auto late = with.user.send_batch(with.peer, three);
  with.world.run_now();
  CHECK(late->count == 1);
  CHECK_FALSE(late->value);
}

TEST_CASE("a batch that may not wait does what its policy says", "[simulation][D7]") {
  batched_peer with;
  const auto failed = with.user.send_batch(with.peer, three, {.policy = when_down::fail});
  const auto dropped = with.user.send_batch(with.peer, three, {.policy = when_down::drop});
  with.world.run_now();
  CHECK(failed->error);
  REQUIRE(dropped->value);
  CHECK(dropped->value->results == std::vector<outcome>(3, outcome::not_sent));
  CHECK(with.figures().lifetime.drops == std::vector{drop_count{dropped->value->why.code, {3, 11}, {}}});
  CHECK(with.figures().delivery.accepted == tally{3, 11});
}

TEST_CASE("a batch that nobody asks about is reported message by message", "[simulation][D2]") {
  batched_peer with;
  send_options options;
  options.report = message_report::acked;
  options.tag = 3;
  with.user.cast_batch(with.peer, three, options);
  with.user.cast_batch(with.peer, three, options);
  with.world.run_now();
  // The second finds no room.
  CHECK(with.user.count<message_settled>() == 3);
  CHECK(with.figures().lifetime.drops == std::vector{drop_count{error_code::would_block, {3, 11}, {}}});
  CHECK(with.arrived() == three);
  const auto told = with.user.all<message_settled>();
  REQUIRE(told.size() == 6);
  for (std::size_t index = 0; index < told.size(); ++index) {
    CHECK(told[index].tag == 3);
    CHECK(told[index].result == (index < 3 ? outcome::not_sent : outcome::acked));
    CHECK(told[index].sequence == (index < 3 ? index + 4 : index - 2));
  }
}

TEST_CASE("a batch goes to a stream like other messages", "[simulation][streams][D2][D5]") {
  host_and_peer with;
  const auto stream = with.open();
  const auto on_it = with.user.send_batch(with.peer, three, on(stream, outcome::acked));
  const auto nowhere = with.user.send_batch(with.peer, three, on(stream + 400));
  with.world.run_for(1s);
  REQUIRE(on_it->value);
  CHECK(on_it->value->results == std::vector<outcome>(3, outcome::acked));
  CHECK(cut_frames(with.host.last().text[stream]).messages == three);
  CHECK(nowhere->code() == error_code::stream_closed);
}

} // namespace actorwire::test
