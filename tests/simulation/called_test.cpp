// Calls, as who is called sees them, and from end to end.

#include "caller.hpp"
#include "served_host.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

/// A peer that a host calls by hand, and an actor that answers.
struct callee {
  explicit callee(const acquire_options& options = numbered()) : user(world.make_probe()) {
    world.hosts().listen(tcp_server, host.accept());
    peer = world.acquire(tcp_server, options);
    world.run_for(50ms);
  }

  void call(std::uint64_t number, std::string body) { host.send({frame_kind::call, number, std::move(body)}); }

  numbered_host host;
  simulated_system world;
  probe user;
  connection_actor peer;
};

/// What serves a client in the simulation: answers each call with its own body, unless it is told otherwise by it.
caf::behavior obliging(caf::event_based_actor* self, const connection_actor& client) {
  return {
      [self, client](called& question) {
        const auto text = question.body.text();
        if (text == "say no")
          tell(self, client, refusal_of(question, 5, "I would rather not"));
        else if (text == "end")
          self->quit();
        else if (text != "say nothing")
          tell(self, client, actorwire::answer_to(question, question.body));
      },
      [](const opened&) {},
      [](const state_changed&) {},
      [](const peer_closing&) {},
      [](const received&) {},
      [](const backpressure&) {},
      [](const data_lost&) {},
  };
}

/// Two ends of the library, one of which calls the other.
struct both_ends {
  explicit both_ends(accept_function serve = obliging, const acquire_options& options = numbered())
    : user(world.make_probe()) {
    listener = serve_at(world, user, tcp_server, std::move(serve), options.transport);
    peer = world.acquire(tcp_server, options);
    world.run_for(50ms);
  }

  simulated_system world;
  probe user;
  listener_actor listener;
  connection_actor peer;
};

} // namespace

TEST_CASE("a call reaches who wants data, in turn with it, and is answered by number", "[simulation][D2]") {
  callee with;
  with.user.subscribe(with.peer);
  with.world.run_now();
  with.host.send({frame_kind::data, 0, "data"});
  with.call(7, "first");
  with.call(~std::uint64_t{0}, "last");
  with.world.run_for(100ms);
  const auto questions = with.user.all<called>();
  const auto source = with.user.all<received>().at(0).source;
  REQUIRE(questions.size() == 2);
  CHECK(questions[0] == called{source, 1, 0, 7, payload::copy_of("first")});
  CHECK(questions[1].number == ~std::uint64_t{0});
  CHECK(with.user.text() == "data");
  const auto second = with.user.reply(with.peer, questions[1], "to the last");
  const auto first = with.user.turn_down(with.peer, questions[0], 127, "no\n");
  const auto again = with.user.reply(with.peer, questions[0], "changed my mind");
  with.world.run_for(100ms);
  CHECK(with.host.frames
        == std::vector<plain_frame>{{frame_kind::answer, ~std::uint64_t{0}, "to the last"},
                                    {frame_kind::refusal, 7, "\x7fno?"},
                                    {frame_kind::answer, 7, "changed my mind"}});
  REQUIRE(second->value);
  CHECK(*second->value == sent{1, 1, outcome::written, 0});
  CHECK(first->value);
  CHECK(again->value);
  const auto wrong = with.user.turn_down(with.peer, questions[0], 128, "no");
  const auto nothing = with.user.reply(with.peer, called{}, "to nothing");
  with.world.run_now();
  CHECK(wrong->code() == error_code::invalid_value);
  CHECK(nothing->code() == error_code::invalid_value);
}

TEST_CASE("an answer does not outlive the connection of its call", "[simulation][D2][S2]") {
  callee with;
  with.user.subscribe(with.peer);
  with.world.run_now();
  with.call(1, "first");
  with.world.run_for(100ms);
  const auto question = with.user.all<called>().at(0);
  // One that waits when the connection is lost goes with it.
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  with.user.cast(with.peer, std::string(100'000, 'x'), {.policy = when_down::fail});
  const auto waits = with.user.reply(with.peer, question, "waits");
  with.world.run_for(10ms);
  with.world.hosts().reset_connections("server");
  with.world.hosts().heal("server");
  with.world.run_for(1ms);
  CHECK(waits->code() == error_code::reset);
  const auto between = with.user.reply(with.peer, question, "between");
  with.world.run_for(1ms);
  CHECK(between->code() == error_code::stream_closed);
  with.world.run_for(3s);
  REQUIRE(with.host.clients == 2);
  const auto behind = with.user.reply(with.peer, question, "behind");
  with.user.run([peer = with.peer, question](caf::event_based_actor* self) {
    tell(self, peer, actorwire::answer_to(question, payload::copy_of("told")));
  });
  with.world.run_for(1s);
  REQUIRE(behind->error);
  CHECK(behind->error->code == error_code::stream_closed);
  CHECK(behind->error->text == "the connection on which the call came, generation 1, is gone");
  CHECK(std::ranges::none_of(with.host.frames, [](const plain_frame& each) { return each.kind != frame_kind::data; }));
  // What was told and could not be sent is told as lost.
  const auto lost = with.user.all<data_lost>();
  REQUIRE_FALSE(lost.empty());
  CHECK(lost.back().not_sent == tally{1, 4});
  CHECK(lost.back().why.code == error_code::stream_closed);
}

TEST_CASE("calls are paid for as other data is", "[simulation][F1]") {
  auto options = numbered();
  options.transport.flow.read_credit = 1'000;
  callee with{options};
  with.user.subscribe(with.peer, event_mask::data, credit_mode::manual);
  with.world.run_now();
  for (std::uint64_t number = 1; number <= 5; ++number)
    with.call(number, std::string(400, 'x'));
  with.world.run_for(100ms);
  CHECK(with.user.count<called>() == 3);
  CHECK(with.user.count<passivated>() == 1);
  with.user.grant(with.peer, 800);
  with.world.run_for(100ms);
  CHECK(with.user.count<called>() == 5);

  callee other{options};
  other.user.subscribe(other.peer, event_mask::data);
  other.user.get_busy();
  other.world.run_now();
  for (std::uint64_t number = 1; number <= 50; ++number)
    other.call(number, std::string(400, 'x'));
  other.world.run_for(1s);
  CHECK(other.user.count<called>() <= 3);
  other.user.catch_up();
  other.world.run_for(1s);
  other.user.catch_up();
  other.world.run_for(1s);
  CHECK(other.user.count<called>() == 50);
}

TEST_CASE("a call waits for somebody who wants data, and is refused to one who pulls", "[simulation][D2]") {
  callee with;
  with.call(1, "before anybody came");
  with.world.run_for(1s);
  CHECK(with.host.frames.empty());
  const auto pulled = with.user.receive(with.peer);
  with.world.run_for(100ms);
  REQUIRE(with.host.frames.size() == 1);
  CHECK(with.host.frames[0].kind == frame_kind::refusal);
  CHECK(with.host.frames[0].number == 1);
  CHECK(with.host.frames[0].body.front() == static_cast<char>(refused_by_pull));
  CHECK(pulled->count == 0);
  with.host.send({frame_kind::data, 0, "data"});
  with.world.run_for(100ms);
  REQUIRE(pulled->value);
  CHECK(pulled->value->body.text() == "data");
  with.call(2, "before anybody came again");
  with.world.run_for(100ms);
  with.user.subscribe(with.peer, event_mask::data);
  with.world.run_for(100ms);
  REQUIRE(with.user.count<called>() == 1);
  CHECK(with.user.all<called>()[0].number == 2);
}

TEST_CASE("two sides that end at once and wait for each other's answers get them", "[simulation][D2]") {
  callee with;
  with.user.subscribe(with.peer);
  with.world.run_now();
  const auto call = with.user.call(with.peer, "call");
  with.call(7, "from the other side");
  with.call(8, "too");
  with.world.run_for(100ms);
  const auto questions = with.user.all<called>();
  REQUIRE(questions.size() == 2);
  const auto closes = GENERATE(true, false);
  if (closes)
    with.user.close(with.peer, close_mode::drain, 30s);
  else
    with.user.finish_stream(with.peer);
  with.world.run_for(100ms);
  const auto data = with.user.send(with.peer, "data");
  const auto in_time = with.user.reply(with.peer, questions[0], "in time");
  with.world.run_for(100ms);
  CHECK(data->code() == (closes ? error_code::draining : error_code::closed));
  CHECK(in_time->value);
  CHECK(with.host.frames.back() == plain_frame{frame_kind::answer, 7, "in time"});
  CHECK_FALSE(with.host.peer_finished);
  with.host.send({frame_kind::answer, 1, "too"});
  with.world.run_for(1ms);
  const auto too_late = with.user.reply(with.peer, questions[1], "too late");
  with.world.run_for(1s);
  CHECK(call->value);
  CHECK(with.host.peer_finished);
  CHECK(too_late->code() == (closes ? error_code::draining : error_code::closed));
}

TEST_CASE("what refuses calls while data is pulled takes the place of nothing that is sent", "[simulation][D1][D6]") {
  auto options = numbered();
  options.transport.flow.write_limit = 2'200;
  options.transport.flow.high_water = 2'000;
  options.transport.flow.low_water = 1'000;
  options.transport.flow.overflow = overflow_policy::drop_oldest;
  callee with{options};
  with.user.subscribe(with.peer, event_mask::loss);
  const auto pulled = with.user.receive(with.peer);
  with.world.hosts().set_link({.window = 7});
  with.world.hosts().reset_connections("server");
  with.world.run_for(3s);
  std::vector<plain_frame> wanted;
  for (char text = 'a'; text < 'k'; ++text) {
    wanted.push_back({frame_kind::data, 0, std::string(100, text)});
    with.user.cast(with.peer, wanted.back().body);
  }
  with.call(1, "");
  with.call(2, "");
  const auto before = with.user.count<data_lost>();
  with.world.run_for(10s);
  CHECK(with.host.frames == wanted);
  const auto figures = with.user.get_stats(with.peer);
  with.world.run_now();
  CHECK(adds_up(figures->value->delivery));
  CHECK(figures->value->delivery.not_sent.messages == 2);
  CHECK(drops_add_up(*figures->value));
  CHECK(with.user.count<data_lost>() > before);
  CHECK(with.user.all<data_lost>().back().why.code == error_code::queue_overflow);
  // Now that nothing waits.
  with.call(3, "");
  with.world.run_for(1s);
  CHECK(with.host.frames.back().kind == frame_kind::refusal);
  CHECK(with.host.frames.back().number == 3);
  CHECK(pulled->count == 0);
}

TEST_CASE("one end of the library calls the other", "[simulation][D1][D2]") {
  both_ends with;
  const auto yes = with.user.call(with.peer, "yes?");
  const auto no = with.user.call(with.peer, "say no");
  const auto nothing = with.user.call(with.peer, "say nothing", {}, 2s);
  const auto empty = with.user.call(with.peer, "");
  const auto large = with.user.call(with.peer, std::string(300'000, 'x'));
  with.world.run_for(2s);
  REQUIRE(yes->value);
  CHECK(yes->value->body.text() == "yes?");
  REQUIRE(empty->value);
  CHECK(empty->value->body.empty());
  REQUIRE(large->value);
  CHECK(large->value->body.text() == std::string(300'000, 'x'));
  REQUIRE(no->error);
  CHECK(no->error->code == error_code::call_refused);
  CHECK(no->error->system_code == 5);
  CHECK(no->error->text == "I would rather not");
  CHECK(nothing->code() == error_code::call_unanswered);
  // Whoever serves ends, and its connection with it.
  const auto last = with.user.call(with.peer, "end");
  with.world.run_for(1s);
  REQUIRE(last->error);
  CHECK(last->error->code == error_code::call_unanswered);
  CHECK(may_have_been_handled(*last->error));
  const auto figures = with.user.get_stats(with.peer);
  with.world.run_now();
  CHECK(figures->value->lifetime.calls == call_totals{6, 3, 1, 2, 0});
}

TEST_CASE("both ends may call each other at once, and numbers do not meet", "[simulation][D2]") {
  // Each call is answered with a call of its own, whose answer is passed on.
  both_ends with{[](caf::event_based_actor* self, const connection_actor& client) {
    return caf::behavior{
        [self, client](const called& question) {
          ask(self, client, caf::infinite, actorwire::call{question.body, {}, {}})
              .then([self, client, question](answered& reply) {
                tell(self, client, actorwire::answer_to(question, std::move(reply.body)));
              });
        },
        [](const opened&) {},
        [](const state_changed&) {},
        [](const peer_closing&) {},
        [](const backpressure&) {},
        [](const data_lost&) {},
    };
  }};
  with.user.subscribe(with.peer);
  std::vector<answer_to<answered>> calls;
  for (int count = 0; count < 10; ++count)
    calls.push_back(with.user.call(with.peer, std::to_string(count)));
  with.world.run_for(100ms);
  const auto back = with.user.all<called>();
  REQUIRE(back.size() == 10);
  for (auto each = back.rbegin(); each != back.rend(); ++each)
    with.user.reply(with.peer, *each, "to " + std::string{each->body.text()});
  with.world.run_for(100ms);
  for (std::size_t index = 0; index < calls.size(); ++index) {
    REQUIRE(calls[index]->value);
    CHECK(calls[index]->value->body.text() == "to " + std::to_string(index));
  }
}

} // namespace actorwire::test
