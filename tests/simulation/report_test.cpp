// Which messages leave first, and how those who do not ask are told what became of theirs.

#include "host_and_peer.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view tcp_server = "tcp://server:1";

send_options reporting(std::uint64_t tag, message_report report = message_report::written) {
  send_options options;
  options.tag = tag;
  options.report = report;
  return options;
}

send_options at(std::uint8_t priority, stream_id stream = 0) {
  send_options options;
  options.priority = priority;
  options.stream = stream;
  return options;
}

/// A peer, one who sends, and nobody who subscribes.
struct reported_peer {
  explicit reported_peer(const acquire_options& options = framed())
    : user(world.make_probe()), peer(world.acquire(tcp_server, options)) {
    world.run_for(50ms);
  }

  void listen() {
    world.hosts().listen(tcp_server, sink_service());
    world.run_for(5s);
  }

  simulated_system world;
  probe user;
  connection_actor peer;
};

} // namespace

TEST_CASE("whoever casts with a report is told once what became of it, subscribed or not", "[simulation][D2]") {
  reported_peer with;
  with.user.cast(with.peer, "one", reporting(11));
  with.user.cast(with.peer, "two", reporting(22, message_report::acked));
  with.user.cast(with.peer, "nobody asks");
  with.world.run_for(1s);
  CHECK(with.user.count<message_settled>() == 0);
  with.listen();
  const auto told = with.user.all<message_settled>();
  REQUIRE(told.size() == 2);
  CHECK(told[0] == message_settled{1, 1, 1, 11, outcome::written, {}});
  CHECK(told[1] == message_settled{1, 1, 2, 22, outcome::acked, {}});
}

TEST_CASE("a report says why a message did not leave", "[simulation][D2][D6]") {
  auto options = framed();
  options.transport.flow.queue_messages = 1;
  reported_peer with{options};
  auto brief = reporting(1);
  brief.ttl = 100ms;
  with.user.cast(with.peer, "expires", brief);
  with.user.cast(with.peer, "is refused", reporting(2));
  auto unwilling = reporting(3);
  unwilling.policy = when_down::drop;
  with.user.cast(with.peer, "is not wanted", unwilling);
  auto senseless = reporting(4);
  senseless.priority = 200;
  with.user.cast(with.peer, "makes no sense", senseless);
  with.world.run_for(1s);
  with.user.cast(with.peer, "is given up", reporting(5));
  with.world.run_now();
  with.user.close(with.peer, close_mode::abort);
  with.world.run_now();
  const auto told = with.user.all<message_settled>();
  REQUIRE(told.size() == 5);
  const std::array<std::pair<std::uint64_t, error_code>, 5> expected{{
      {2, error_code::would_block},
      {3, error_code::refused},
      {4, error_code::invalid_value},
      {1, error_code::expired},
      {5, error_code::closed},
  }};
  for (std::size_t index = 0; index < expected.size(); ++index) {
    CAPTURE(index);
    CHECK(told[index].tag == expected[index].first);
    CHECK(told[index].why.code == expected[index].second);
    CHECK(told[index].why.code != error_code::none);
    CHECK(told[index].result == outcome::not_sent);
  }
}

TEST_CASE("an answer carries the tag of its message", "[simulation]") {
  reported_peer with;
  const auto waits = with.user.send(with.peer, "waits", reporting(7));
  auto unwilling = reporting(8);
  unwilling.policy = when_down::drop;
  const auto dropped = with.user.send(with.peer, "dropped", unwilling);
  with.listen();
  REQUIRE(waits->value);
  CHECK(waits->value->tag == 7);
  REQUIRE(dropped->value);
  CHECK(dropped->value->tag == 8);
  // Who is answered needs no report.
  CHECK(with.user.count<message_settled>() == 0);
}

TEST_CASE("whatever is asked of a message, it is settled once", "[simulation][D1][D2][D7]") {
  for (const auto is_ready : {false, true})
    for (const auto policy : {when_down::queue, when_down::fail, when_down::drop})
      for (const auto wanted : {outcome::written, outcome::acked})
        for (const auto ttl : {0ms, 200ms})
          for (const auto report : {message_report::none, message_report::written, message_report::acked})
            for (std::uint8_t priority = 0; priority < send_priorities; ++priority) {
              CAPTURE(is_ready, name_of(policy), name_of(wanted), ttl.count(), name_of(report));
              reported_peer with;
              if (is_ready)
                with.listen();
              send_options options{policy, wanted, ttl};
              options.report = report;
              options.priority = priority;
              options.tag = 5;
              const auto asked = with.user.send(with.peer, "asked", options);
              with.user.cast(with.peer, "cast", options);
              with.world.run_for(500ms);
              if (!is_ready)
                with.listen();
              const auto leaves = is_ready || (policy == when_down::queue && ttl == 0ms);
              REQUIRE(asked->count == 1);
              REQUIRE((asked->value && asked->value->result == wanted) == leaves);
              const auto told = with.user.all<message_settled>();
              REQUIRE(told.size() == (report == message_report::none ? 0 : 1));
              for (const auto& each : told) {
                const auto is_acked = wanted == outcome::acked || report == message_report::acked;
                REQUIRE(each.result == (!leaves ? outcome::not_sent : is_acked ? outcome::acked : outcome::written));
              }
              const auto figures = with.user.get_stats(with.peer);
              with.world.run_now();
              REQUIRE(adds_up(figures->value->delivery));
              REQUIRE(figures->value->delivery.pending == tally{});
            }
}

TEST_CASE("what is urgent leaves before what waits", "[simulation][D5]") {
  reported_peer with;
  for (const auto* text : {"0a", "1a", "3a", "2a", "3b", "0b"})
    with.user.cast(with.peer, text, at(static_cast<std::uint8_t>(text[0] - '0')));
  with.listen();
  CHECK(cut_frames(with.world.hosts().arrived_at(tcp_server)).messages
        == std::vector<std::string>{"3a", "3b", "2a", "1a", "0a", "0b"});
}

TEST_CASE("priorities and reports count on other streams too", "[simulation][streams][D2][D5]") {
  host_and_peer with;
  const auto stream = with.open();
  with.user.cast(with.peer, "low", at(0, stream));
  with.user.cast(with.peer, "usual", at(1, stream));
  auto urgent = at(3, stream);
  urgent.report = message_report::acked;
  urgent.tag = 9;
  with.user.cast(with.peer, "urgent", urgent);
  with.world.run_for(1s);
  CHECK(cut_frames(with.host.last().text[stream]).messages == std::vector<std::string>{"urgent", "usual", "low"});
  const auto told = with.user.all<message_settled>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].tag == 9);
  CHECK(told[0].result == outcome::acked);
}

} // namespace actorwire::test
