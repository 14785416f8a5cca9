// Calls, as who makes them sees them: the other end speaks `framing_mode::numbered` by hand.

#include "caller.hpp"
#include "channel/calls.hpp"
#include "host_and_peer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

TEST_CASE("calls are answered by number, in whatever order the answers come", "[simulation][D1][D2]") {
  caller with;
  send_options options;
  options.tag = 42;
  with.user.cast(with.peer, "data");
  const auto first = with.user.call(with.peer, "first", options);
  const auto second = with.user.call(with.peer, "second", {.wanted = outcome::acked});
  const auto third = with.user.call(with.peer, "third");
  with.world.run_for(1s);
  const std::vector<plain_frame> wanted{{frame_kind::data, 0, "data"},
                                        {frame_kind::call, 2, "first"},
                                        {frame_kind::call, 3, "second"},
                                        {frame_kind::call, 4, "third"}};
  CHECK(with.host.frames == wanted);
  CHECK(first->count + second->count + third->count == 0);
  CHECK(with.totals() == call_totals{3, 0, 0, 0, 0});
  with.host.send({frame_kind::answer, 4, "to the third"});
  with.host.send({frame_kind::refusal, 3, "\x07no\n"});
  with.host.send({frame_kind::answer, 2, ""});
  with.world.run_for(1s);
  REQUIRE(first->value);
  CHECK(*first->value == answered{2, 1, 42, {}});
  REQUIRE(third->value);
  CHECK(*third->value == answered{4, 1, 0, payload::copy_of("to the third")});
  REQUIRE(second->error);
  CHECK(second->error->code == error_code::call_refused);
  CHECK(second->error->system_code == 7);
  CHECK(second->error->text == "no?");
  CHECK(second->error->who == origin::remote);
  CHECK(first->count + second->count + third->count == 3);
  const auto figures = with.figures();
  CHECK(figures.lifetime.calls == call_totals{3, 2, 1, 0, 0});
  CHECK(figures.delivery.accepted == tally{4, 20});
  CHECK(figures.delivery.written == tally{3, 14});
  CHECK(figures.delivery.acked == tally{1, 6});
}

TEST_CASE("answers that nobody waits for are counted and dropped", "[simulation][D2]") {
  caller with;
  with.user.subscribe(with.peer, event_mask::data);
  with.world.run_now();
  // There was no call yet.
  with.host.send({frame_kind::answer, 1, "to nothing"});
  with.host.send({frame_kind::refusal, ~std::uint64_t{0}, "\x01"});
  with.world.run_for(100ms);
  const auto only = with.user.call(with.peer, "call", {}, 1s);
  with.world.run_for(100ms);
  with.host.send({frame_kind::answer, 1, "yes"});
  with.host.send({frame_kind::answer, 1, "again"});
  const auto late = with.user.call(with.peer, "late", {}, 1s);
  with.world.run_for(1s);
  with.host.send({frame_kind::answer, 2, "too late"});
  with.world.run_for(1s);
  REQUIRE(only->value);
  CHECK(only->value->body.text() == "yes");
  CHECK(only->count == 1);
  CHECK(is_unanswered(*late, true));
  CHECK(with.totals() == call_totals{2, 1, 0, 1, 4});
  const auto state = with.user.get_state(with.peer);
  with.world.run_now();
  CHECK(state->value->state == connection_state::ready);
}

TEST_CASE("an answer to a call that has not left is none", "[simulation]") {
  const auto wanted = GENERATE(outcome::written, outcome::acked);
  caller with{numbered(), false};
  with.world.hosts().set_link({.window = 7});
  with.listen();
  with.world.run_for(1s);
  const auto call = with.user.call(with.peer, std::string(100, 'x'), {.wanted = wanted});
  with.world.run_for(3ms);
  with.host.send({frame_kind::answer, 1, "!"});
  with.world.run_for(1s);
  CHECK(call->count == 0);
  CHECK(with.totals() == call_totals{1, 0, 0, 0, 1});
  REQUIRE(with.host.frames.size() == 1);
  with.host.send({frame_kind::answer, 1, "!"});
  with.world.run_for(1s);
  CHECK(call->value);
}

TEST_CASE("no more calls are open than flow.open_calls, and what is answered makes room", "[simulation][D6]") {
  auto options = numbered();
  options.transport.flow.open_calls = 2;
  caller with{options};
  const auto used = with.world.net().memory_used();
  const auto first = with.user.call(with.peer, "1");
  const auto second = with.user.call(with.peer, "2");
  const auto third = with.user.call(with.peer, "3");
  with.world.run_for(100ms);
  REQUIRE(third->error);
  CHECK(third->error->code == error_code::would_block);
  CHECK(third->error->text == "flow.open_calls = 2 calls wait for their answers");
  CHECK(with.world.net().memory_used() == used + 2 * calls::cost);
  with.host.send({frame_kind::answer, 1, "yes"});
  with.world.run_for(100ms);
  CHECK(first->value);
  const auto fourth = with.user.call(with.peer, "4");
  with.world.run_for(100ms);
  CHECK(fourth->count == 0);
  // Refused calls are not accepted messages.
  CHECK(with.figures().delivery.accepted == tally{3, 3});
  CHECK(with.totals() == call_totals{3, 1, 0, 0, 0});
  with.user.close(with.peer, close_mode::abort);
  with.world.run_for(1s);
  CHECK(is_unanswered(*second, true));
  CHECK(is_unanswered(*fourth, true));
  CHECK(fourth->error->text == "the call may have been acted on: closed by this side");
}

TEST_CASE("a call that does not fit is refused or dropped like any message", "[simulation][D1][D2][D6]") {
  auto options = numbered();
  options.transport.flow.queue_messages = 1;
  options.transport.framing.max_frame_size = 10;
  {
    caller with{options, false};
    const auto fits = with.user.call(with.peer, "fits");
    const auto full = with.user.call(with.peer, "full");
    const auto too_large = with.user.call(with.peer, "12345678901");
    const auto bad_time = with.user.call(with.peer, "bad", {}, -1ms);
    with.world.run_now();
    CHECK(full->code() == error_code::would_block);
    CHECK(too_large->code() == error_code::message_too_large);
    CHECK(bad_time->code() == error_code::invalid_value);
    CHECK(fits->count == 0);
    CHECK(with.totals() == call_totals{1, 0, 0, 0, 0});
  }
  options.transport.flow.overflow = overflow_policy::drop_newest;
  {
    caller with{options, false};
    const auto fits = with.user.call(with.peer, "fits");
    const auto dropped = with.user.call(with.peer, "dropped");
    with.world.run_now();
    CHECK(dropped->code() == error_code::queue_overflow);
    CHECK(fits->count == 0);
    CHECK(with.totals() == call_totals{2, 0, 0, 1, 0});
    CHECK(adds_up(with.figures().delivery));
  }
  options.transport.flow.overflow = overflow_policy::drop_oldest;
  {
    caller with{options, false};
    const auto dropped = with.user.call(with.peer, "dropped");
    const auto fits = with.user.call(with.peer, "fits");
    with.world.run_now();
    CHECK(dropped->code() == error_code::queue_overflow);
    CHECK(fits->count == 0);
    CHECK(with.totals() == call_totals{2, 0, 0, 1, 0});
  }
}

TEST_CASE("an answer is not read past data that nobody wants", "[simulation][F1]") {
  caller with;
  with.host.on_frame = [&](const plain_frame& frame) {
    with.host.send({frame_kind::data, 0, "first this"});
    with.host.send({frame_kind::answer, frame.number, "then that"});
  };
  const auto first = with.user.call(with.peer, "call", {}, 1s);
  with.world.run_for(1s);
  CHECK(is_unanswered(*first, true));
  const auto pulled = with.user.receive(with.peer);
  const auto second = with.user.call(with.peer, "call", {}, 1s);
  with.world.run_for(100ms);
  // What came in front of the answer to the first, which is late now. The data in front of the second one waits.
  REQUIRE(pulled->value);
  CHECK(pulled->value->body.text() == "first this");
  CHECK(with.totals().late_answers == 1);
  CHECK(second->count == 0);
  with.user.subscribe(with.peer);
  with.world.run_for(100ms);
  REQUIRE(second->value);
  CHECK(with.user.text() == "first this");
}

TEST_CASE("a subscriber without credit does not keep an answer that is next from its caller", "[simulation][F1]") {
  auto options = numbered();
  options.transport.flow.read_credit = 1'000;
  caller with{options};
  auto reader = with.world.make_probe();
  reader.subscribe(with.peer, event_mask::data, credit_mode::manual);
  const auto call = with.user.call(with.peer, "call");
  with.world.run_for(100ms);
  with.host.send({frame_kind::data, 0, std::string(1'000, 'x')});
  with.host.send({frame_kind::answer, 1, "yes"});
  with.host.send({frame_kind::data, 0, "behind"});
  with.world.run_for(100ms);
  CHECK(reader.count<passivated>() == 1);
  CHECK(reader.text().size() == 1'000);
  CHECK(call->value);
  reader.grant(with.peer, 1'000);
  with.world.run_for(100ms);
  CHECK(reader.text().ends_with("behind"));
}

TEST_CASE("only numbered framing takes calls, and only from who asks", "[simulation]") {
  for (const auto mode : {framing_mode::none, framing_mode::length_prefixed, framing_mode::line}) {
    auto options = numbered();
    options.transport.framing.mode = mode;
    caller with{options};
    const auto refused = with.user.call(with.peer, "call", {.policy = when_down::drop});
    const auto no_answer = with.user.reply(with.peer, called{1, 1, 0, 1, {}}, "answer");
    with.world.run_now();
    REQUIRE(refused->error);
    CHECK(refused->error->code == error_code::unsupported);
    CHECK(refused->error->text
          == "framing.mode = " + std::string{name_of(mode)} + ": a call needs numbered, at both ends");
    CHECK(no_answer->code() == error_code::unsupported);
    CHECK(with.figures().delivery.accepted == tally{});
  }
  caller with;
  with.user.subscribe(with.peer, event_mask::loss);
  with.user.run([peer = with.peer](caf::event_based_actor* self) {
    tell(self, peer, actorwire::call{payload::copy_of("told"), {}, {}});
  });
  with.world.run_for(1s);
  CHECK(with.host.frames.empty());
  REQUIRE(with.user.count<data_lost>() == 1);
  CHECK(with.user.all<data_lost>()[0].not_sent == tally{1, 4});
  CHECK(with.user.all<data_lost>()[0].why.code == error_code::unsupported);
}

TEST_CASE("calls on a stream are answered on it, and end with it", "[simulation][streams][D2]") {
  auto options = over_quic();
  options.transport.framing.mode = framing_mode::numbered;
  host_and_peer with{options, stream_manners::sink};
  const auto stream = with.open();
  const auto other = with.open();
  const auto one_way = with.open(stream_direction::unidirectional);
  const auto answered_there = with.user.call(with.peer, "one", on(stream));
  const auto unheard = with.user.call(with.peer, "two", on(stream));
  const auto on_main = with.user.call(with.peer, "main");
  const auto nowhere = with.user.call(with.peer, "nowhere", on(one_way));
  const auto no_stream = with.user.call(with.peer, "nowhere", on(400));
  with.world.run_for(100ms);
  CHECK(nowhere->code() == error_code::stream_closed);
  CHECK(no_stream->code() == error_code::stream_closed);
  auto sent = with.host.last().text[stream];
  CHECK(take_frames(sent) == std::vector<plain_frame>{{frame_kind::call, 1, "one"}, {frame_kind::call, 2, "two"}});
  // Answers that come elsewhere are none.
  const auto say = [&](stream_id where, std::uint64_t number, std::string text) {
    with.host.last().send(where, encoded({frame_kind::answer, number, std::move(text)}));
  };
  const auto aside = with.user.call(with.peer, "aside", on(other));
  with.world.run_for(100ms);
  say(0, 1, "elsewhere");
  say(other, 1, "elsewhere");
  say(stream, 1, "here");
  say(0, 3, "main");
  with.world.run_for(100ms);
  REQUIRE(answered_there->value);
  CHECK(answered_there->value->body.text() == "here");
  CHECK(on_main->value);
  CHECK(with.figures().lifetime.calls.late_answers == 2);
  with.host.last().finish(stream);
  with.world.run_for(100ms);
  CHECK(is_unanswered(*unheard, true));
  CHECK(unheard->error->text.find("has ended") != std::string::npos);
  with.user.reset_stream(with.peer, other, 5);
  with.user.stop_stream(with.peer, other, 5);
  with.world.run_for(100ms);
  CHECK(is_unanswered(*aside, true));
  CHECK(adds_up(with.figures().lifetime.calls, 0));
}

TEST_CASE("a connection with streams ends when calls on all of them are answered", "[simulation][streams][D2]") {
  auto options = over_quic();
  options.transport.framing.mode = framing_mode::numbered;
  host_and_peer with{options, stream_manners::sink};
  const auto stream = with.open();
  const auto call = with.user.call(with.peer, "call", on(stream, GENERATE(outcome::written, outcome::acked)));
  with.world.run_for(100ms);
  const auto closed = with.user.close(with.peer, close_mode::drain, 30s);
  with.world.run_for(5s);
  CHECK(with.host.last().finished == std::set<stream_id>{stream});
  with.host.last().send(stream, encoded({frame_kind::answer, 1, "at last"}));
  with.world.run_for(100ms);
  REQUIRE(call->value);
  CHECK(call->value->body.text() == "at last");
  CHECK(with.host.last().finished.count(0) == 1);
  with.world.run_for(30s);
  CHECK(closed->value);
}

} // namespace actorwire::test
