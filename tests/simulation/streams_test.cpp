#include "seed.hpp"
#include "simulated_system.hpp"
#include "story.hpp"
#include "stream_host.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "quic://server:1";

acquire_options over_quic() {
  auto options = framed();
  options.transport.protocol_settings = quic_config{};
  return options;
}

acquire_options without_framing() {
  auto options = over_quic();
  options.transport.framing = {};
  return options;
}

/// A peer of a host with streams, and an actor that deals with it.
struct host_and_peer {
  explicit host_and_peer(const acquire_options& options = over_quic(), stream_manners manners = stream_manners::echo)
    : host(manners), user(world.make_probe()) {
    world.hosts().listen(server, host.accept());
    peer = world.acquire(server, options);
    world.run_for(1s);
  }

  stream_id open(stream_direction direction = stream_direction::bidirectional) {
    const auto opened = user.open_stream(peer, direction);
    world.run_now();
    return opened->value.value().stream;
  }

  stats figures() {
    const auto answer = user.get_stats(peer);
    world.run_now();
    return answer->value.value();
  }

  stream_host host;
  simulated_system world;
  probe user;
  connection_actor peer;
};

send_options on(stream_id stream, outcome wanted = outcome::written) {
  send_options options;
  options.stream = stream;
  options.wanted = wanted;
  return options;
}

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

TEST_CASE("a stream ends with its connection, and its number is worth nothing on the next",
          "[simulation][streams][D2][S2]") {
  host_and_peer with;
  with.user.subscribe(with.peer, event_mask::streams | event_mask::loss | event_mask::state);
  const auto stream = with.open();
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  const auto waiting = with.user.send(with.peer, std::string(100'000, 'x'), on(stream));
  const auto behind = with.user.send(with.peer, "behind", on(stream));
  const auto zero = with.user.send(with.peer, "zero", {.wanted = outcome::acked});
  with.world.run_for(1s);
  with.world.hosts().reset_connections("server");
  with.world.hosts().heal("server");
  with.world.run_for(10ms);
  CHECK(waiting->value->result == outcome::maybe_sent);
  CHECK(behind->code() == error_code::reset);
  CHECK(zero->value->result == outcome::maybe_sent);
  REQUIRE(with.user.count<data_lost>() == 1);
  CHECK(with.user.all<data_lost>().front().maybe_sent.messages == 2);
  CHECK(with.user.all<data_lost>().front().not_sent.messages == 1);
  with.world.run_for(1s);
  REQUIRE(with.user.last_state() == connection_state::ready);
  const auto stale = with.user.send(with.peer, "x", on(stream));
  with.world.run_now();
  CHECK(stale->code() == error_code::stream_closed);
  CHECK(with.user.count<stream_closed>() == 0);
  // The same number, another stream.
  CHECK(with.open() == stream);
  const auto fresh = with.user.send(with.peer, "fresh", on(stream, outcome::acked));
  with.world.run_for(1s);
  CHECK(fresh->value->result == outcome::acked);
  CHECK(fresh->value->generation == 2);
  CHECK(with.user.text(stream) == "fresh");
}

TEST_CASE("wherever a connection is cut, every message on every stream has one true outcome",
          "[simulation][streams][D1][D2][D3][D4]") {
  for (std::uint64_t cut = 0; cut <= 140; ++cut) {
    CAPTURE(cut);
    stream_host host;
    simulated_system world;
    world.hosts().listen(server, host.accept());
    world.hosts().plan_next(server, {.fault = connection_fault{connection_fault::kind::reset, side::dialler, cut},
                                     .send_size_max = 7});
    auto user = world.make_probe();
    auto options = over_quic();
    options.reconnection.base_delay = options.reconnection.max_delay = 1h;
    const auto peer = world.acquire(server, options);
    world.run_for(1s);
    std::vector<stream_id> streams{0};
    for (int count = 0; count < 2; ++count) {
      const auto opened = user.open_stream(peer);
      world.run_now();
      streams.push_back(opened->value.value().stream);
    }
    std::map<std::string, std::pair<stream_id, answer_to<sent>>> sends;
    for (int number = 10; number < 22; ++number) {
      const auto stream = streams[static_cast<std::size_t>(number) % 3];
      const auto text = "text" + std::to_string(number);
      sends[text] = {stream, user.send(peer, text, on(stream, number % 2 == 0 ? outcome::acked : outcome::written))};
    }
    world.run_for(1min);
    const auto& record = *world.hosts().records().front();
    for (const auto stream : streams) {
      const auto found = record.streams_at_listener.find(stream);
      const auto arrived = cut_frames(stream == 0                                 ? record.arrived_at_listener
                                      : found != record.streams_at_listener.end() ? found->second
                                                                                  : std::string{});
      CHECK(std::is_sorted(arrived.messages.begin(), arrived.messages.end()));
      for (const auto& [text, sent] : sends) {
        if (sent.first != stream || (stream == 0 && sent.second->count == 0))
          continue;
        CAPTURE(text);
        REQUIRE(sent.second->count == 1);
        const auto count = std::count(arrived.messages.begin(), arrived.messages.end(), text);
        CHECK(count <= 1);
        const auto& known = sent.second->value;
        if (!known)
          CHECK(count == 0);
        else if (known->result == outcome::acked)
          CHECK(count == 1);
      }
    }
    const auto figures = user.get_stats(peer);
    world.run_now();
    CHECK(adds_up(figures->value->delivery));
  }
}

TEST_CASE("in any random story with streams every message has one true outcome",
          "[simulation][streams][D1][D2][D3][D4]") {
  const test_seed seed;
  for (std::uint64_t round = 0; round < 30; ++round) {
    CAPTURE(round);
    std::mt19937_64 chance{seed.value() + round};
    stream_host host;
    simulated_system world{
        {.seed = seed.value() + round, .pool = {.reconnects_per_second = 1'000, .reconnect_burst = 1'000}}};
    world.hosts().listen(server, host.accept());
    world.hosts().plan_by_chance({.refuse = 10,
                                  .reset = 50,
                                  .vanish = 10,
                                  .fault_after_max = 20'000,
                                  .send_size_max = 300,
                                  .lateness_max = 3ms});
    auto options = over_quic();
    options.transport.keepalive_interval = 1s;
    options.transport.keepalive_timeout = 2s;
    options.transport.flow.write_limit = 20'000;
    options.transport.flow.high_water = 10'000;
    options.transport.flow.low_water = 5'000;
    auto user = world.make_probe();
    const auto peer = world.acquire(server, options);
    const auto snapshot = user.subscribe(peer);
    world.run_now();

    std::vector<answer_to<stream_opened>> opened;
    std::vector<answer_to<datagram_sent>> datagrams;
    std::vector<answer_to<received>> pulls;
    std::vector<answer_to<sent>> sends;
    const auto any_stream = [&]() -> stream_id {
      if (chance() % 4 == 0 || opened.empty())
        return 0;
      const auto& one = opened[opened.size() - 1 - chance() % std::min<std::size_t>(opened.size(), 4)];
      return one->value ? one->value->stream : 0;
    };
    for (int step = 0; step < 400; ++step) {
      const auto what = chance() % 100;
      if (what < 10) {
        opened.push_back(user.open_stream(peer, static_cast<stream_direction>(chance() % 2)));
      } else if (what < 75) {
        auto number = std::to_string(sends.size());
        auto how = on(any_stream(), chance() % 2 == 0 ? outcome::written : outcome::acked);
        how.policy = static_cast<when_down>(chance() % 3);
        sends.push_back(
            user.send(peer, std::string(8 - number.size(), '0') + number + std::string(chance() % 500, 'x'), how));
      } else if (what < 79) {
        if (const auto stream = any_stream(); stream != 0)
          user.finish_stream(peer, stream);
      } else if (what < 82) {
        user.reset_stream(peer, any_stream(), chance() % 100);
      } else if (what < 85) {
        user.stop_stream(peer, any_stream(), chance() % 100);
      } else if (what < 88) {
        pulls.push_back(user.receive(peer, 1s, any_stream()));
      } else if (what < 92) {
        datagrams.push_back(user.send_datagram(peer, "datagram"));
      } else if (what < 94 && !host.ends().empty() && !host.last().is_over) {
        auto& there = host.last();
        if (const auto made = there.streams().open(stream_direction::bidirectional, {}))
          there.send(*made, std::string("\0\0\0\x05hello", 9));
      }
      world.run_for(std::chrono::milliseconds{chance() % 30});
    }
    const auto closed = user.close(peer, close_mode::drain, 5s);
    world.run_for(10s);
    REQUIRE(closed->value);
    CHECK(closed->value->delivery.pending == tally{});
    CHECK(adds_up(closed->value->delivery));
    CHECK(world.net().memory_used() == 0);
    for (const auto& each : opened)
      CHECK(each->count == 1);
    for (const auto& each : datagrams)
      CHECK(each->count == 1);
    for (const auto& each : pulls)
      CHECK(each->count == 1);
    check_story(user.notes(), snapshot->value.value());

    std::set<std::size_t> arrived;
    std::set<std::size_t> torn;
    const auto look_at = [&](const std::string& bytes) {
      std::size_t last = 0;
      const auto cut = cut_frames(bytes);
      for (const auto& message : cut.messages) {
        const auto number = std::stoul(message.substr(0, 8)) + 1;
        CHECK(number > last);
        CHECK(arrived.insert(number).second);
        last = number;
      }
      if (cut.rest.size() >= 12)
        torn.insert(std::stoul(cut.rest.substr(4, 8)) + 1);
    };
    for (const auto* record : world.hosts().records()) {
      look_at(record->arrived_at_listener);
      for (const auto& [stream, bytes] : record->streams_at_listener)
        if ((stream & 1U) == 0)
          look_at(bytes);
    }
    for (std::size_t index = 0; index < sends.size(); ++index) {
      CAPTURE(index);
      REQUIRE(sends[index]->count == 1);
      const auto& known = sends[index]->value;
      if (!known || known->result == outcome::not_sent) {
        CHECK(!arrived.contains(index + 1));
        CHECK(!torn.contains(index + 1));
      } else if (known->result == outcome::acked) {
        CHECK(arrived.contains(index + 1));
      }
    }
  }
}

// -- priorities, datagrams, addresses -----------------------------------------------------------------------------------

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

TEST_CASE("a datagram is answered when it has left, and comes whole or not at all", "[simulation][streams]") {
  host_and_peer with;
  with.user.subscribe(with.peer, event_mask::datagrams);
  const auto small = with.user.send_datagram(with.peer, "ping");
  const auto large = with.user.send_datagram(with.peer, std::string(2'000, 'x'));
  with.world.run_for(1s);
  REQUIRE(small->value);
  CHECK(small->value->result == datagram_outcome::written);
  CHECK(large->code() == error_code::message_too_large);
  REQUIRE(with.user.count<datagram_received>() == 1);
  CHECK(with.user.all<datagram_received>().front().body.text() == "ping");
  CHECK(with.user.all<datagram_received>().front().generation == 1);
}

TEST_CASE("datagrams that are lost are not sent again, and hold up nothing", "[simulation][streams]") {
  stream_host host{stream_manners::sink};
  simulated_system world;
  world.hosts().set_link({.datagram_loss = 50});
  world.hosts().listen(server, host.accept());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, over_quic());
  world.run_for(1s);
  std::vector<answer_to<datagram_sent>> answers;
  for (int count = 0; count < 100; ++count)
    answers.push_back(user.send_datagram(peer, "x"));
  const auto sent = user.send(peer, "x", {.wanted = outcome::acked});
  world.run_for(1s);
  CHECK(sent->value->result == outcome::acked);
  for (const auto& each : answers)
    CHECK(each->value->result == datagram_outcome::written);
  CHECK(host.last().datagrams.size() > 20);
  CHECK(host.last().datagrams.size() < 80);
}

TEST_CASE("datagrams for which nobody has room are dropped and counted", "[simulation][streams][F1][S5]") {
  auto options = over_quic();
  options.transport.flow.read_credit = 10'000;
  host_and_peer with{options};
  const auto send_many = [&] {
    for (int count = 0; count < 100; ++count)
      static_cast<void>(with.host.last().streams().send_datagram(payload::copy_of(std::string(1'000, 'x'))));
    with.world.run_for(1s);
  };
  const auto discarded = [&] { return std::get<quic_metrics>(with.figures().transport.metrics).datagrams.discarded; };
  send_many();
  CHECK(discarded() == 100);
  with.user.subscribe(with.peer, event_mask::datagrams);
  with.user.get_busy();
  with.world.run_now();
  send_many();
  const auto held = with.user.count<datagram_received>();
  CHECK(held >= 8);
  CHECK(held <= 10);
  CHECK(discarded() == 200 - held);
  with.user.catch_up();
  with.world.run_for(1s);
  send_many();
  CHECK(with.user.count<datagram_received>() > held);
}

TEST_CASE("a connection that goes on between other addresses says so, and its status has the new ones",
          "[simulation][streams]") {
  host_and_peer with;
  with.user.subscribe(with.peer, event_mask::state);
  with.world.run_now();
  with.world.hosts().move_connections("server", "192.0.2.9:9", "198.51.100.9:9");
  const auto later = [&] {
    const auto state = with.user.get_state(with.peer);
    with.world.run_now();
    return state->value.value();
  };
  with.world.run_for(1s);
  REQUIRE(with.user.count<address_changed>() == 1);
  CHECK(with.user.all<address_changed>().front().local_address == "192.0.2.9:9");
  CHECK(later().info.remote_address == "198.51.100.9:9");
  CHECK(later().info.generation == 1);
}

} // namespace actorwire::test
