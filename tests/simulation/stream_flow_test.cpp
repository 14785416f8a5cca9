// What streams other than 0 may hold, and for how long: credit, limits, time.

#include "host_and_peer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

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

} // namespace actorwire::test
