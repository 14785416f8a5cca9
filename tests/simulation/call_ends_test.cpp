// Calls whose time is over, or whose connection is.

#include "caller.hpp"
#include "channel/calls.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

TEST_CASE("a call waits for a connection, and what it waits for is part of its time", "[simulation][D2][D4][D6]") {
  caller with{numbered(), false};
  with.host.echo();
  const auto waits = with.user.call(with.peer, "waits", {}, 30s);
  const auto runs_out = with.user.call(with.peer, "runs out", {}, 3s);
  const auto own_limit = with.user.call(with.peer, "expires", {.ttl = 2s}, 3s);
  const auto usual = with.user.call(with.peer, "as long as usual");
  const auto unwilling = with.user.call(with.peer, "fails", {.policy = when_down::fail});
  const auto dropped = with.user.call(with.peer, "drops", {.policy = when_down::drop});
  with.world.run_for(0s);
  CHECK(unwilling->code() == error_code::refused);
  CHECK(dropped->code() == error_code::refused);
  with.world.run_for(1'999ms);
  CHECK(own_limit->count == 0);
  with.world.run_for(1ms);
  CHECK(own_limit->code() == error_code::expired);
  CHECK(runs_out->count == 0);
  with.world.run_for(1s);
  CHECK(is_unanswered(*runs_out, false));
  CHECK(runs_out->error->text.starts_with("the call did not leave: no answer came within its timeout; not connected"));
  CHECK(runs_out->error->text.find("connection refused") != std::string::npos);
  with.world.run_for(9s);
  CHECK(is_unanswered(*usual, false));
  with.listen();
  with.world.run_for(3s);
  REQUIRE(waits->value);
  CHECK(waits->value->body.text() == "waits");
  CHECK(waits->value->generation == 1);
  CHECK(with.host.frames == std::vector<plain_frame>{{frame_kind::call, 1, "waits"}});
  const auto figures = with.figures();
  // The one that was dropped was accounted for as a message, and made no call.
  CHECK(figures.lifetime.calls == call_totals{4, 1, 0, 3, 0});
  CHECK(figures.delivery.not_sent.messages == 4);
  CHECK(adds_up(figures.delivery));
  CHECK(drops_add_up(figures));
}

TEST_CASE("a call that nobody answers ends when its time is over, and may have been handled", "[simulation][D2]") {
  caller with;
  const auto brief = with.user.call(with.peer, "brief", {}, 1s);
  const auto usual = with.user.call(with.peer, "as long as usual");
  with.world.run_for(999ms);
  CHECK(brief->count == 0);
  with.world.run_for(1ms);
  CHECK(is_unanswered(*brief, true));
  CHECK(brief->error->text == "the call may have been acted on: no answer came within its timeout");
  with.world.run_for(8'999ms);
  CHECK(usual->count == 0);
  with.world.run_for(1ms);
  CHECK(is_unanswered(*usual, true));
  CHECK(with.host.frames.size() == 2);
  CHECK(with.totals() == call_totals{2, 0, 0, 2, 0});
}

TEST_CASE("what a connection took along is unanswered, what it did not leaves with the next",
          "[simulation][D2][D3][D4]") {
  // The first call is 18 bytes on the wire.
  for (std::uint64_t cut = 0; cut <= 54; ++cut) {
    CAPTURE(cut);
    caller with{numbered(), false};
    with.world.hosts().plan_next(tcp_server, resetting(cut));
    with.world.hosts().set_link({.window = 7});
    with.host.on_frame = [&](const plain_frame& frame) {
      if (with.host.clients > 1)
        with.host.send({frame_kind::answer, frame.number, frame.body});
    };
    std::vector<answer_to<answered>> all;
    for (const std::string text : {"first", "other", "third"})
      all.push_back(
          with.user.call(with.peer, text, {.wanted = text == "other" ? outcome::acked : outcome::written}, 5s));
    with.listen();
    with.world.run_for(9s);
    std::map<std::uint64_t, int> arrived;
    for (const auto& frame : with.host.frames)
      ++arrived[frame.number];
    for (std::size_t index = 0; index < all.size(); ++index) {
      const auto& told = *all[index];
      REQUIRE(told.count == 1);
      REQUIRE(arrived[index + 1] <= 1);
      if (told.value) {
        REQUIRE(told.value->generation == 2);
        REQUIRE(arrived[index + 1] == 1);
      } else {
        REQUIRE(is_unanswered(told, true));
      }
    }
    REQUIRE(adds_up(with.totals(), 0));
  }
}

TEST_CASE("a call that may not wait for a connection did not leave when one is lost", "[simulation][D4][D7]") {
  caller with;
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  with.user.cast(with.peer, std::string(100'000, 'x'));
  const auto behind = with.user.call(with.peer, "behind", {.policy = when_down::fail});
  with.world.run_for(1s);
  with.world.hosts().reset_connections("server");
  with.world.run_for(100ms);
  REQUIRE(behind->error);
  CHECK(behind->error->code == error_code::reset);
  CHECK_FALSE(may_have_been_handled(*behind->error));
  CHECK(adds_up(with.totals(), 0));
}

TEST_CASE("a caller that ends leaves nothing behind", "[simulation][S5][B10]") {
  caller with;
  auto other = with.world.make_probe();
  other.call(with.peer, "call", {}, 5s);
  with.world.run_for(100ms);
  const auto used = with.world.net().memory_used();
  other.end();
  with.world.run_for(100ms);
  with.host.send({frame_kind::answer, 1, "to nobody"});
  with.world.run_for(100ms);
  CHECK(with.totals() == call_totals{1, 1, 0, 0, 0});
  CHECK(with.world.net().memory_used() == used - calls::cost);
  const auto closed = with.user.close(with.peer, close_mode::drain);
  with.world.run_for(1s);
  CHECK(closed->value);
  CHECK(with.world.timer_count() == 0);
}

TEST_CASE("a frame that there is not ends the connection, which comes again", "[simulation][F4]") {
  caller with;
  with.user.subscribe(with.peer);
  const auto call = with.user.call(with.peer, "call");
  with.world.run_for(100ms);
  with.host.send({frame_kind::hello, 1, "of a session"});
  with.world.run_for(5s);
  CHECK(is_unanswered(*call, true));
  CHECK(call->error->text == "the call may have been acted on: frame of kind 4 (hello): only sessions have it");
  CHECK(with.host.clients == 2);
  const auto changes = with.user.all<state_changed>();
  CHECK(std::ranges::any_of(changes, [](const state_changed& each) {
    return each.reason.code == error_code::malformed && each.to == connection_state::backoff;
  }));
}

TEST_CASE("a peer that has ended its side answers nothing any more", "[simulation][D2]") {
  auto options = numbered();
  options.transport.allow_half_open = true;
  caller with{options};
  const auto before = with.user.call(with.peer, "before", {}, 1h);
  with.world.run_for(100ms);
  with.host.finish();
  with.world.run_for(100ms);
  CHECK(is_unanswered(*before, true));
  const auto behind = with.user.call(with.peer, "behind");
  with.world.run_for(100ms);
  CHECK(behind->code() == error_code::peer_closed);
  CHECK_FALSE(may_have_been_handled(*behind->error));
  CHECK(with.host.frames.size() == 1);
}

TEST_CASE("a call that is not known to have arrived when the peer ends its side is unanswered when it has left",
          "[simulation][D2]") {
  auto options = numbered();
  options.transport.allow_half_open = true;
  caller with{options, false};
  // Several round trips for each frame.
  with.world.hosts().set_link({.window = 7});
  const auto wanted = GENERATE(outcome::written, outcome::acked);
  const auto ends_first = GENERATE(true, false);
  with.host.on_frame = [&](const plain_frame& frame) {
    if (frame.kind == frame_kind::call && !ends_first)
      with.host.finish();
  };
  with.listen();
  with.world.run_for(1s);
  const auto call = with.user.call(with.peer, std::string(100, 'x'), {.wanted = wanted}, 1h);
  with.world.run_for(3ms);
  if (ends_first)
    with.host.finish();
  with.world.run_for(5s);
  REQUIRE(with.host.frames.size() == 1);
  CHECK(is_unanswered(*call, true));
  const auto figures = with.figures();
  CHECK(figures.state == connection_state::ready);
  CHECK(figures.delivery.pending == tally{});
  CHECK(adds_up(figures.lifetime.calls, 0));
}

TEST_CASE("a call that comes while the connection ends with its peer does not leave on it", "[simulation][D2][D4]") {
  caller with{numbered(), false};
  with.world.hosts().set_link({.window = 7});
  with.listen();
  const auto before = with.user.call(with.peer, "before", {}, 1h);
  with.world.run_for(1s);
  // What has to be sent first keeps the connection from ending at once.
  with.user.cast(with.peer, std::string(200, 'x'));
  with.host.finish();
  with.world.run_for(3ms);
  const auto between = with.user.call(with.peer, "between");
  with.world.run_now();
  CHECK(between->code() == error_code::peer_closed);
  CHECK_FALSE(may_have_been_handled(*between->error));
  // Whoever is told that there will be no answer, and calls again, is sent on with the next connection.
  CHECK(before->count == 0);
  with.host.echo();
  REQUIRE(with.world.run_until([&] { return before->count == 1; }));
  CHECK(is_unanswered(*before, true));
  const auto again = with.user.call(with.peer, "again");
  with.world.run_for(5s);
  REQUIRE(again->value);
  CHECK(again->value->generation == 2);
  CHECK(std::ranges::none_of(with.host.frames, [](const plain_frame& each) { return each.body == "between"; }));
}

TEST_CASE("a connection that drains still gets its answers", "[simulation][D2]") {
  caller with;
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  const auto before = with.user.call(with.peer, "before");
  with.world.run_for(10ms);
  const auto closed = with.user.close(with.peer, close_mode::drain);
  const auto behind = with.user.call(with.peer, "behind");
  with.host.echo();
  with.world.hosts().heal("server");
  with.world.run_for(1s);
  REQUIRE(before->value);
  CHECK(before->value->body.text() == "before");
  CHECK(behind->code() == error_code::draining);
  REQUIRE(closed->value);
  CHECK(closed->value->complete);
}

TEST_CASE("the end of our side waits for the answers to our calls", "[simulation][D2]") {
  auto options = numbered();
  // Who ends its side is not told so by the other end before that has answered.
  caller with{options};
  const auto closes = GENERATE(true, false);
  const auto call = with.user.call(with.peer, "call", {.wanted = GENERATE(outcome::written, outcome::acked)}, 20s);
  with.world.run_for(10ms);
  const auto end = [&] {
    if (closes)
      return with.user.close(with.peer, close_mode::drain, 30s);
    with.user.finish_stream(with.peer);
    return answer_to<close_report>{};
  };
  const auto closed = end();
  with.world.run_for(9s);
  CHECK_FALSE(with.host.peer_finished);
  CHECK(call->count == 0);
  SECTION("until they come") {
    with.host.send({frame_kind::answer, 1, "at last"});
    with.world.run_for(1s);
    REQUIRE(call->value);
    CHECK(call->value->body.text() == "at last");
  }
  SECTION("until the peer ends its side") {
    with.host.finish();
    with.world.run_for(1s);
    CHECK(is_unanswered(*call, true));
  }
  SECTION("until their time is over") {
    with.world.run_for(12s);
    CHECK(is_unanswered(*call, true));
    CHECK(call->error->text.find("no answer came within its timeout") != std::string::npos);
  }
  CHECK(with.host.peer_finished);
  if (closed) {
    REQUIRE(closed->value);
    CHECK(closed->value->complete);
  }
}

TEST_CASE("a call that is not answered holds a close up for no longer than that may take", "[simulation][D2][B10]") {
  caller with;
  const auto call = with.user.call(with.peer, "call", {}, 1h);
  with.world.run_for(10ms);
  SECTION("a close that waits for answers") {
    const auto closed = with.user.close(with.peer, close_mode::drain, 5s);
    with.world.run_for(4s);
    CHECK(closed->count == 0);
    with.world.run_for(1s);
    CHECK(closed->value);
  }
  SECTION("one that does not, behind one that does") {
    with.user.close(with.peer, close_mode::drain, 5s);
    with.world.run_for(1s);
    const auto closed = with.user.close(with.peer, close_mode::flush, 5s);
    with.world.run_for(1s);
    CHECK(closed->value);
  }
  CHECK(is_unanswered(*call, true));
  with.world.run_for(1min);
  CHECK(with.world.timer_count() == 0);
}

TEST_CASE("whatever the network and the other program do, each call is answered once, and truly",
          "[simulation][random][D1][D2][D3][D4]") {
  test_seed seed;
  auto random = seed.engine();
  const auto rounds = seed_count(400);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    auto options = numbered();
    options.transport.flow.open_calls = 1 + static_cast<std::uint32_t>(random() % 20);
    options.transport.flow.queue_messages = 1 + static_cast<std::uint32_t>(random() % 10);
    options.transport.flow.overflow = static_cast<overflow_policy>(random() % 3);
    simulated_system_options how;
    how.seed = random();
    caller with{options, true, how};
    chance_settings chances;
    chances.refuse = 10;
    chances.reset = 30;
    chances.vanish = 5;
    chances.fault_after_max = 400;
    chances.send_size_max = 30;
    with.world.hosts().plan_by_chance(chances);
    with.host.on_frame = [&](const plain_frame& frame) {
      switch (random() % 6) {
        case 0:
          return;
        case 1:
          with.host.send({frame_kind::refusal, frame.number, "\x01" + frame.body});
          return;
        case 2:
          with.host.send({frame_kind::answer, frame.number + random() % 3, "to another"});
          [[fallthrough]];
        default:
          with.host.send({frame_kind::answer, frame.number, frame.body});
      }
    };
    std::map<std::string, answer_to<answered>> calls;
    for (int step = 0; step < 60; ++step) {
      const auto text = std::to_string(step) + std::string(random() % 30, 'x');
      send_options how_sent;
      how_sent.policy = static_cast<when_down>(random() % 3);
      how_sent.priority = static_cast<std::uint8_t>(random() % send_priorities);
      how_sent.wanted = random() % 2 == 0 ? outcome::written : outcome::acked;
      if (random() % 4 == 0)
        with.user.cast(with.peer, "data", how_sent);
      else
        calls[text] = with.user.call(with.peer, text, how_sent, std::chrono::milliseconds{1 + random() % 5'000});
      if (random() % 15 == 0)
        with.world.hosts().reset_connections("server");
      with.world.run_for(std::chrono::milliseconds{random() % 200});
    }
    with.world.hosts().end_faults();
    with.world.run_for(1min);
    std::multiset<std::string> arrived;
    for (const auto& frame : with.host.frames)
      if (frame.kind == frame_kind::call)
        arrived.insert(frame.body);
    std::uint64_t answers = 0;
    for (const auto& [text, told] : calls) {
      REQUIRE(told->count == 1);
      REQUIRE(arrived.count(text) <= 1);
      if (told->value) {
        ++answers;
        REQUIRE((told->value->body.text() == text || told->value->body.text() == "to another"));
      }
      // An answer that the other program gave to the wrong call is not one of this call.
      if (told->error && !may_have_been_handled(*told->error))
        REQUIRE(arrived.count(text) == 0);
    }
    const auto figures = with.figures();
    REQUIRE(adds_up(figures.lifetime.calls, 0));
    REQUIRE(figures.lifetime.calls.answered == answers);
    REQUIRE(adds_up(figures.delivery));
    REQUIRE(figures.delivery.pending == tally{});
    REQUIRE(drops_add_up(figures));
  }
}

} // namespace actorwire::test
