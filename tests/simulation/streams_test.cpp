// Streams other than 0: who opens them, what they carry, and which goes first.

#include "host_and_peer.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

TEST_CASE("a stream carries messages both ways, in frames of its own", "[simulation][streams]") {
  host_and_peer with;
  with.user.subscribe(with.peer, event_mask::streams);
  const auto opened = with.user.open_stream(with.peer);
  with.world.run_now();
  REQUIRE(opened->value);
  CHECK(opened->value->stream == 4);
  CHECK(opened->value->direction == stream_direction::bidirectional);
  CHECK(opened->value->generation == 1);
  CHECK_FALSE(opened->value->by_peer);
  const auto other = with.open();
  // Large enough to be cut anywhere on the way, and to overlap.
  const std::string large(50'000, 'x');
  const auto first = with.user.send(with.peer, large, on(4));
  const auto second = with.user.send(with.peer, "other", on(other, outcome::acked));
  with.user.cast(with.peer, "after", on(4));
  with.world.run_for(1s);
  CHECK(first->value->result == outcome::written);
  CHECK(second->value->result == outcome::acked);
  std::vector<std::string> of_four;
  for (const auto& data : with.user.all<received>()) {
    CHECK(data.generation == 1);
    if (data.stream == 4)
      of_four.emplace_back(data.body.text());
  }
  CHECK(of_four == std::vector<std::string>{large, "after"});
  CHECK(with.user.text(other) == "other");
  CHECK(with.user.text(0).empty());
}

TEST_CASE("a protocol without streams answers every request about them with unsupported", "[simulation][streams]") {
  simulated_system world;
  world.hosts().listen("tcp://server:1", echo_service());
  auto user = world.make_probe();
  const auto peer = world.acquire("tcp://server:1", framed());
  for (const auto wait : {0s, 1s}) {
    world.run_for(wait);
    const auto opened = user.open_stream(peer);
    const auto reset = user.reset_stream(peer, 4, 0);
    const auto stopped = user.stop_stream(peer, 4, 0);
    const auto prioritized = user.prioritize_stream(peer, 4, {});
    const auto datagram = user.send_datagram(peer, "x");
    const auto sent = user.send(peer, "x", on(4));
    world.run_now();
    CHECK(opened->code() == error_code::unsupported);
    CHECK(reset->code() == error_code::unsupported);
    CHECK(stopped->code() == error_code::unsupported);
    CHECK(prioritized->code() == error_code::unsupported);
    CHECK(datagram->code() == error_code::unsupported);
    CHECK(sent->code() == error_code::stream_closed);
  }
}

TEST_CASE("no request about streams waits for a connection", "[simulation][streams][D7]") {
  simulated_system world;
  auto user = world.make_probe();
  const auto peer = world.acquire(server, over_quic());
  const auto opened = user.open_stream(peer);
  const auto datagram = user.send_datagram(peer, "x");
  const auto pulled = user.receive(peer, {}, 4);
  const auto queued = user.send(peer, "x", on(4));
  auto droppable = on(4);
  droppable.policy = when_down::drop;
  const auto dropped = user.send(peer, "x", droppable);
  world.run_now();
  CHECK(opened->code() == error_code::not_connected);
  CHECK(datagram->code() == error_code::not_connected);
  CHECK(pulled->code() == error_code::not_connected);
  CHECK(queued->code() == error_code::stream_closed);
  REQUIRE(dropped->value);
  CHECK(dropped->value->result == outcome::not_sent);
}

TEST_CASE("no more streams are open than the other side allows, and another when one is over",
          "[simulation][streams]") {
  auto options = over_quic();
  std::get<quic_config>(options.transport.protocol_settings).max_streams = 3;
  host_and_peer with{options};
  const auto first = with.open();
  with.open();
  const auto refused = with.user.open_stream(with.peer);
  const auto other_way = with.user.open_stream(with.peer, stream_direction::unidirectional);
  with.world.run_now();
  CHECK(refused->code() == error_code::stream_limit);
  CHECK(other_way->value);
  with.user.subscribe(with.peer, event_mask::streams);
  with.user.finish_stream(with.peer, first);
  with.world.run_for(1s);
  CHECK(with.user.count<stream_closed>() == 1);
  CHECK(with.open() != first);
}

TEST_CASE("who was refused a stream is told once when the other side takes more", "[simulation][streams]") {
  auto options = over_quic();
  std::get<quic_config>(options.transport.protocol_settings).max_streams = 3;
  host_and_peer with{options};
  with.user.subscribe(with.peer, event_mask::streams);
  const auto first = with.open();
  const auto second = with.open();
  with.user.finish_stream(with.peer, first);
  with.world.run_for(1s);
  // Nobody had asked in vain.
  CHECK(with.user.count<streams_available>() == 0);
  const auto third = with.open();
  for (int count = 0; count < 2; ++count) {
    const auto refused = with.user.open_stream(with.peer);
    with.world.run_now();
    REQUIRE(refused->code() == error_code::stream_limit);
  }
  with.user.finish_stream(with.peer, second);
  with.user.finish_stream(with.peer, third);
  with.world.run_for(1s);
  REQUIRE(with.user.count<streams_available>() == 1);
  const auto told = with.user.all<streams_available>().front();
  CHECK(told.generation == 1);
  CHECK(told.direction == stream_direction::bidirectional);
  CHECK(with.open() != second);
}

TEST_CASE("a request with values out of range is refused and changes nothing", "[simulation][streams]") {
  host_and_peer with;
  const auto opened = with.user.open_stream(with.peer, stream_direction::bidirectional, {.urgency = 8});
  const auto reset = with.user.reset_stream(with.peer, 0, 0);
  const auto stopped = with.user.stop_stream(with.peer, 0, 0);
  const auto unknown = with.user.reset_stream(with.peer, 40, 0);
  with.world.run_now();
  CHECK(opened->code() == error_code::invalid_value);
  CHECK(reset->code() == error_code::invalid_value);
  CHECK(stopped->code() == error_code::invalid_value);
  CHECK(unknown->code() == error_code::stream_closed);
  CHECK(with.figures().state == connection_state::ready);
}

TEST_CASE("a stream that the peer opens is told of before its bytes, and can be answered on", "[simulation][streams]") {
  host_and_peer with{without_framing()};
  with.user.subscribe(with.peer, event_mask::streams);
  with.world.run_now();
  auto& there = with.host.last();
  const auto both = there.streams().open(stream_direction::bidirectional, {}).value();
  const auto one_way = there.streams().open(stream_direction::unidirectional, {}).value();
  there.send(both, "hello");
  there.send(one_way, "news");
  there.finish(one_way);
  there.streams().receive(both, 1'000);
  with.world.run_for(1s);
  CHECK(events_of(with.user, both) == std::vector<std::string>{"opened", "received"});
  CHECK(events_of(with.user, one_way) == std::vector<std::string>{"opened", "received", "end", "closed"});
  CHECK(with.user.all<stream_opened>().front().by_peer);
  const auto answered = with.user.send(with.peer, "well met", on(both, outcome::acked));
  const auto misled = with.user.send(with.peer, "well met", on(one_way));
  with.world.run_for(1s);
  CHECK(answered->value->result == outcome::acked);
  CHECK(there.text[both] == "well met");
  CHECK(misled->code() == error_code::stream_closed);
}

TEST_CASE("what comes on a stream that nobody wants stays unread, and who comes late is told of it",
          "[simulation][streams][F1]") {
  host_and_peer with{without_framing()};
  with.user.subscribe(with.peer, event_mask::data);
  with.world.run_now();
  auto& there = with.host.last();
  const auto stream = there.streams().open(stream_direction::bidirectional, {}).value();
  there.send(stream, std::string(100'000, 'x'));
  with.world.run_for(10s);
  CHECK(there.streams().bytes_acked(stream) == 65'536);
  // It holds up nothing else.
  with.user.cast(with.peer, "to and fro");
  with.world.run_for(1s);
  CHECK(with.user.text(0) == "to and fro");
  with.user.subscribe(with.peer, event_mask::streams);
  with.world.run_for(1s);
  CHECK(events_of(with.user, stream).front() == "opened");
  CHECK(with.user.text(stream).size() == 100'000);
}

TEST_CASE("streams are sent by the priorities that they were given last", "[simulation][streams]") {
  host_and_peer with;
  const auto stream = with.open();
  const auto changed = with.user.prioritize_stream(with.peer, stream, {.urgency = 1, .incremental = true});
  const auto main = with.user.prioritize_stream(with.peer, 0, {.urgency = 0});
  const auto unknown = with.user.prioritize_stream(with.peer, 400, {});
  const auto invalid = with.user.prioritize_stream(with.peer, stream, {.urgency = 8});
  with.world.run_now();
  CHECK(changed->value);
  CHECK(main->value);
  CHECK(unknown->code() == error_code::stream_closed);
  CHECK(invalid->code() == error_code::invalid_value);
  const auto& record = *with.world.hosts().records().front();
  CHECK(record.priorities.at(stream) == stream_priority{.urgency = 1, .incremental = true});
  CHECK(record.priorities.at(0) == stream_priority{.urgency = 0});
}

} // namespace actorwire::test
