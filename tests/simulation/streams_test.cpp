// Streams other than 0: who opens them, who reads them, how they end, and what becomes of their messages.

#include "host_and_peer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

/// What the probe was told about one stream, in order, by the first word of each event.
std::vector<std::string> events_of(const probe& user, stream_id stream) {
  std::vector<std::string> found;
  for (const auto& each : user.notes())
    std::visit(
        [&](const auto& event) {
          using kind = std::decay_t<decltype(event)>;
          if constexpr (requires { event.stream; })
            if (event.stream == stream)
              found.push_back(std::is_same_v<kind, stream_opened>  ? "opened"
                              : std::is_same_v<kind, received>     ? "received"
                              : std::is_same_v<kind, peer_closing> ? "end"
                              : std::is_same_v<kind, passivated>   ? "passivated"
                              : std::is_same_v<kind, stream_reset> ? "reset"
                                                                   : "closed");
        },
        each.what);
  return found;
}

} // namespace

// -- opening ------------------------------------------------------------------------------------------------------------

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

// -- reading ------------------------------------------------------------------------------------------------------------

TEST_CASE("each stream has a credit of its own, and one that is used up holds up no other",
          "[simulation][streams][F1]") {
  auto options = without_framing();
  options.transport.flow.read_credit = 1'000;
  host_and_peer with{options};
  with.user.subscribe(with.peer, event_mask::data | event_mask::streams, credit_mode::manual);
  const auto first = with.open();
  const auto second = with.open();
  with.user.cast(with.peer, std::string(5'000, 'a'), on(first));
  with.world.run_for(1s);
  CHECK(with.user.text(first).size() == 1'000);
  with.user.cast(with.peer, std::string(5'000, 'b'), on(second));
  with.user.cast(with.peer, std::string(500, 'c'));
  with.world.run_for(1s);
  CHECK(with.user.text(second).size() == 1'000);
  CHECK(with.user.text(0).size() == 500);
  REQUIRE(with.user.count<passivated>() == 2);
  CHECK(with.user.all<passivated>()[0].stream == first);
  CHECK(with.user.all<passivated>()[1].stream == second);
  for (int count = 0; count < 4; ++count) {
    with.user.grant(with.peer, 1'000, second);
    with.world.run_for(1s);
  }
  CHECK(with.user.text(first).size() == 1'000);
  CHECK(with.user.text(second) == std::string(5'000, 'b'));
}

TEST_CASE("a subscriber that does not get round to it holds no more than the credit of each stream",
          "[simulation][streams][F1]") {
  auto options = without_framing();
  options.transport.flow.read_credit = 10'000;
  host_and_peer with{options};
  auto reader = with.world.make_probe();
  reader.subscribe(with.peer, event_mask::streams);
  const auto stream = with.open();
  reader.get_busy();
  const std::string text(50'000, 'x');
  with.user.cast(with.peer, text, on(stream));
  for (int count = 0; count < 100; ++count) {
    with.world.run_for(10ms);
    REQUIRE(reader.text(stream).size() <= 10'000);
  }
  CHECK(reader.text(stream).size() > 5'000);
  reader.catch_up();
  with.world.run_for(10s);
  CHECK(reader.text(stream) == text);
}

TEST_CASE("a receive pulls from the stream that it names", "[simulation][streams]") {
  host_and_peer with;
  const auto first = with.open();
  const auto second = with.open();
  const auto of_second = with.user.receive(with.peer, {}, second);
  const auto of_zero = with.user.receive(with.peer);
  const auto of_first = with.user.receive(with.peer, {}, first);
  with.user.cast(with.peer, "one", on(first));
  with.user.cast(with.peer, "zero");
  with.user.cast(with.peer, "two", on(second));
  with.world.run_for(1s);
  CHECK(of_first->value->body.text() == "one");
  CHECK(of_first->value->stream == first);
  CHECK(of_second->value->body.text() == "two");
  CHECK(of_zero->value->body.text() == "zero");

  SECTION("and is told when nothing more comes on it") {
    const auto last = with.user.receive(with.peer, {}, first);
    with.user.finish_stream(with.peer, first);
    with.world.run_for(1s);
    CHECK(last->code() == error_code::peer_closed);
  }
  SECTION("and does not outlive the connection") {
    const auto lost = with.user.receive(with.peer, {}, first);
    const auto kept = with.user.receive(with.peer);
    with.world.run_for(1s);
    with.world.hosts().reset_connections("server");
    with.world.run_for(1s);
    CHECK(lost->code() == error_code::reset);
    CHECK(kept->count == 0);
  }
}

TEST_CASE("a frame that dribbles on a stream ends the connection, and only while somebody reads",
          "[simulation][streams][F4]") {
  auto options = over_quic();
  options.transport.framing.partial_frame_timeout = 2s;
  options.transport.framing.max_frame_size = 1'000;
  host_and_peer with{options};
  auto& there = with.host.last();
  const auto stream = there.streams().open(stream_direction::bidirectional, {}).value();
  const auto is_announced_size_too_large = GENERATE_COPY(false, true);
  there.send(stream, is_announced_size_too_large ? std::string("\xff\xff\xff\xff") : std::string("\0\0\0\x09x", 5));
  with.world.run_for(10s);
  CHECK_FALSE(there.is_over);
  with.user.subscribe(with.peer, event_mask::streams | event_mask::state);
  with.world.run_for(1500ms);
  CHECK(there.is_over == is_announced_size_too_large);
  with.world.run_for(1s);
  CHECK(there.is_over);
  const auto changes = with.user.all<state_changed>();
  REQUIRE(!changes.empty());
  CHECK(changes.front().reason.code
        == (is_announced_size_too_large ? error_code::frame_too_large : error_code::partial_frame_timeout));
}

// -- ending -------------------------------------------------------------------------------------------------------------

TEST_CASE("a half that is finished ends behind all its messages, and the other half goes on", "[simulation][streams]") {
  host_and_peer with{without_framing(), stream_manners::sink};
  with.user.subscribe(with.peer, event_mask::streams);
  const auto stream = with.open();
  const std::string text(200'000, 'x');
  const auto before = with.user.send(with.peer, text, on(stream, outcome::acked));
  with.user.finish_stream(with.peer, stream);
  const auto after = with.user.send(with.peer, "more", on(stream));
  with.world.run_for(10s);
  auto& there = with.host.last();
  CHECK(before->value->result == outcome::acked);
  CHECK(after->code() == error_code::stream_closed);
  CHECK(there.text[stream] == text);
  CHECK(there.finished.contains(stream));
  CHECK(with.user.count<stream_closed>() == 0);
  there.send(stream, "answer");
  there.finish(stream);
  with.world.run_for(1s);
  CHECK(with.user.text(stream) == "answer");
  CHECK(events_of(with.user, stream) == std::vector<std::string>{"received", "end", "closed"});
  CHECK_FALSE(with.user.all<stream_closed>().front().was_reset);
  CHECK(there.closed == std::vector<stream_id>{stream});
}

TEST_CASE("a stream that is reset gives up what waits, and says so once", "[simulation][streams][D1][D6]") {
  host_and_peer with{over_quic(), stream_manners::deaf};
  with.user.subscribe(with.peer, event_mask::streams | event_mask::loss);
  const auto stream = with.open();
  const auto gone = with.user.send(with.peer, std::string(10'000, 'x'), on(stream));
  const auto in_flight = with.user.send(with.peer, std::string(100'000, 'x'), on(stream, outcome::acked));
  const auto waiting = with.user.send(with.peer, "last", on(stream));
  with.world.run_for(1s);
  SECTION("by this side") {
    const auto reset = with.user.reset_stream(with.peer, stream, 77);
    const auto late = with.user.send(with.peer, "too late", on(stream));
    const auto again = with.user.reset_stream(with.peer, stream, 78);
    with.world.run_for(1s);
    CHECK(reset->value);
    CHECK(late->code() == error_code::stream_closed);
    CHECK(again->count == 1);
    CHECK(with.host.last().reset[stream] == std::pair{stream_half::receiving, std::uint64_t{77}});
    CHECK(with.user.count<stream_reset>() == 0);
  }
  SECTION("by the peer") {
    with.host.last().streams().stop(stream, 77);
    with.world.run_for(1s);
    REQUIRE(with.user.count<stream_reset>() == 1);
    CHECK(with.user.all<stream_reset>().front().half == stream_half::sending);
    CHECK(with.user.all<stream_reset>().front().code == 77);
  }
  CHECK(gone->value->result == outcome::written);
  CHECK(in_flight->value->result == outcome::maybe_sent);
  CHECK(waiting->code() == error_code::stream_reset);
  REQUIRE(with.user.count<data_lost>() == 1);
  const auto lost = with.user.all<data_lost>().front();
  CHECK(lost.maybe_sent == tally{1, 100'000});
  CHECK(lost.not_sent == tally{1, 4});
  CHECK(lost.why.code == error_code::stream_reset);
  CHECK(adds_up(with.figures().delivery));
  CHECK(with.figures().delivery.pending == tally{});
  CHECK(with.figures().queued_bytes == 0);
  CHECK(with.figures().state == connection_state::ready);
  // The other half ends in order.
  with.host.last().finish(stream);
  with.world.run_for(1s);
  REQUIRE(with.user.count<stream_closed>() == 1);
  CHECK(with.user.all<stream_closed>().front().was_reset);
  CHECK(with.user.all<stream_closed>().front().code == 77);
}

TEST_CASE("a stream that the peer has cut short ends by that and not in order", "[simulation][streams]") {
  host_and_peer with{without_framing(), stream_manners::sink};
  with.user.subscribe(with.peer, event_mask::streams);
  const auto stream = with.open();
  with.user.cast(with.peer, "begin", on(stream));
  with.world.run_for(1s);
  auto& there = with.host.last();
  there.send(stream, "the first half of ");
  with.world.run_for(1s);
  there.streams().reset(stream, 5);
  with.world.run_for(1s);
  CHECK(events_of(with.user, stream) == std::vector<std::string>{"received", "reset"});
  const auto still = with.user.send(with.peer, "end", on(stream, outcome::acked));
  with.user.finish_stream(with.peer, stream);
  with.world.run_for(1s);
  CHECK(still->value->result == outcome::acked);
  CHECK(events_of(with.user, stream) == std::vector<std::string>{"received", "reset", "closed"});
}

TEST_CASE("what comes on a stream that was stopped is dropped, and the peer is asked to send no more",
          "[simulation][streams]") {
  host_and_peer with{without_framing()};
  with.user.subscribe(with.peer, event_mask::streams);
  const auto stream = with.open();
  with.user.cast(with.peer, std::string(1'000, 'x'), on(stream));
  with.world.run_for(1ms);
  const auto stopped = with.user.stop_stream(with.peer, stream, 9);
  const auto again = with.user.stop_stream(with.peer, stream, 9);
  with.world.run_for(1s);
  CHECK(stopped->value);
  CHECK(again->code() == error_code::stream_closed);
  CHECK(with.user.text(stream).empty());
  CHECK(with.host.last().reset[stream] == std::pair{stream_half::sending, std::uint64_t{9}});
  with.user.finish_stream(with.peer, stream);
  with.world.run_for(1s);
  CHECK(events_of(with.user, stream) == std::vector<std::string>{"closed"});
  CHECK(with.user.all<stream_closed>().front().was_reset);
}

TEST_CASE("a flush sends what waits on every stream before it closes", "[simulation][streams][D4]") {
  host_and_peer with{without_framing(), stream_manners::sink};
  const auto first = with.open();
  const auto second = with.open(stream_direction::unidirectional);
  const std::string text(300'000, 'x');
  std::vector<answer_to<sent>> answers;
  for (const auto stream : {stream_id{0}, first, second})
    answers.push_back(with.user.send(with.peer, text, on(stream, outcome::acked)));
  const auto closed = with.user.close(with.peer, close_mode::flush);
  with.world.run_for(29s);
  REQUIRE(closed->value);
  CHECK(closed->value->complete);
  CHECK(closed->value->delivery.acked == tally{3, 900'000});
  for (const auto& each : answers)
    CHECK(each->value->result == outcome::acked);
  for (const auto stream : {stream_id{0}, first, second})
    CHECK(with.host.last().text[stream] == text);
}

TEST_CASE("a drain ends all streams and waits for the ends of the peer", "[simulation][streams][B10]") {
  host_and_peer with{without_framing()};
  with.user.subscribe(with.peer, event_mask::streams);
  const auto stream = with.open();
  const std::string text(300'000, 'x');
  with.user.cast(with.peer, text, on(stream));
  const auto closed = with.user.close(with.peer, close_mode::drain);
  const auto refused = with.user.open_stream(with.peer);
  const auto datagram = with.user.send_datagram(with.peer, "x");
  with.world.run_for(29s);
  REQUIRE(closed->value);
  CHECK(closed->value->complete);
  CHECK(refused->code() == error_code::draining);
  CHECK(datagram->code() == error_code::draining);
  // The echo of everything has come before the end.
  CHECK(with.user.text(stream) == text);
  CHECK(with.world.hosts().open_count() == 0);
}

TEST_CASE("a close in the middle of everything answers everyone and leaves nothing behind",
          "[simulation][streams][B10][D2]") {
  for (const auto mode : {close_mode::drain, close_mode::flush, close_mode::abort})
    for (const auto manners : {stream_manners::echo, stream_manners::deaf}) {
      CAPTURE(name_of(mode), static_cast<int>(manners));
      host_and_peer with{over_quic(), manners};
      const auto actors = with.world.actor_count();
      const auto stream = with.open();
      std::vector<answer_to<sent>> sends;
      for (int count = 0; count < 5; ++count)
        sends.push_back(with.user.send(with.peer, std::string(50'000, 'x'), on(stream, outcome::acked)));
      const auto pulled = with.user.receive(with.peer, {}, stream);
      const auto opened = with.user.open_stream(with.peer);
      const auto datagram = with.user.send_datagram(with.peer, "x");
      const auto closed = with.user.close(with.peer, mode, 5s);
      with.world.run_for(10s);
      CHECK(closed->count == 1);
      CHECK(pulled->count == 1);
      CHECK(opened->count == 1);
      CHECK(datagram->count == 1);
      for (const auto& each : sends)
        CHECK(each->count == 1);
      CHECK(closed->value->delivery.pending == tally{});
      CHECK(adds_up(closed->value->delivery));
      CHECK(with.world.net().memory_used() == 0);
      // The peer and the carrier of its connection.
      CHECK(with.world.actor_count() == actors - 2);
    }
}

// -- outcomes -----------------------------------------------------------------------------------------------------------

TEST_CASE("the limits of what waits, and back-pressure, count all streams together", "[simulation][streams][F2][F3]") {
  auto options = over_quic();
  options.transport.flow.write_limit = 100'000;
  options.transport.flow.high_water = 60'000;
  options.transport.flow.low_water = 20'000;
  host_and_peer with{options, stream_manners::deaf};
  std::vector<stream_id> streams;
  for (int count = 0; count < 3; ++count) {
    streams.push_back(with.open());
    // What the window of each takes.
    with.user.cast(with.peer, std::string(65'532, 'x'), on(streams.back()));
    with.world.run_for(100ms);
  }
  CHECK(with.figures().queued_bytes == 0);
  with.user.subscribe(with.peer, event_mask::backpressure);
  std::vector<answer_to<sent>> answers;
  for (const auto stream : streams)
    answers.push_back(with.user.send(with.peer, std::string(40'000, 'x'), on(stream)));
  with.world.run_for(100ms);
  CHECK(answers[0]->count + answers[1]->count == 0);
  CHECK(answers[2]->code() == error_code::would_block);
  REQUIRE(with.user.count<backpressure>() == 1);
  with.user.reset_stream(with.peer, streams[0], 0);
  with.user.reset_stream(with.peer, streams[1], 0);
  with.world.run_for(100ms);
  REQUIRE(with.user.count<backpressure>() == 2);
  CHECK_FALSE(with.user.all<backpressure>().back().on);
}

TEST_CASE("a stream whose bytes do not move for operation_timeout is cut short, and the connection goes on",
          "[simulation][streams]") {
  host_and_peer with{over_quic(), stream_manners::deaf};
  with.user.subscribe(with.peer, event_mask::streams | event_mask::loss);
  const auto stream = with.open();
  // What the window takes, and what then waits.
  with.user.cast(with.peer, std::string(65'532, 'x'), on(stream));
  const auto waiting = with.user.send(with.peer, std::string(40'000, 'x'), on(stream));
  with.world.run_for(9s);
  CHECK(waiting->count == 0);
  with.world.run_for(2s);
  CHECK(waiting->code() == error_code::stalled);
  const auto told = with.user.all<actorwire::stream_reset>();
  REQUIRE(told.size() == 1);
  CHECK(told.front().stream == stream);
  CHECK(told.front().half == stream_half::sending);
  CHECK(told.front().code == stream_stalled_code);
  CHECK(with.host.last().reset.at(stream) == std::pair{stream_half::receiving, stream_stalled_code});
  CHECK(with.figures().queued_bytes == 0);
  const auto elsewhere = with.user.send(with.peer, "goes on", on(0, outcome::acked));
  with.world.run_for(1s);
  CHECK(elsewhere->value->result == outcome::acked);
  CHECK(elsewhere->value->generation == 1);
}

TEST_CASE("a message whose time is over does not leave on a stream either", "[simulation][streams][D6]") {
  host_and_peer with{over_quic(), stream_manners::deaf};
  const auto stream = with.open();
  with.user.cast(with.peer, std::string(65'532, 'x'), on(stream));
  auto mortal = on(stream);
  mortal.ttl = 2s;
  const auto late = with.user.send(with.peer, "late", mortal);
  with.world.run_for(1999ms);
  CHECK(late->count == 0);
  with.world.run_for(1ms);
  CHECK(late->code() == error_code::expired);
}

// -- priorities ---------------------------------------------------------------------------------------------------------

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
