// How streams other than 0 end, and what becomes of their messages.

#include "host_and_peer.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

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

} // namespace actorwire::test
