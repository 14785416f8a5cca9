// Connections that are replaced by others before they end.

#include "caller.hpp"
#include "cared_for_peer.hpp"
#include "host_and_peer.hpp"
#include "simulated_system.hpp"
#include "story.hpp"
#include "subscribed_peer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view place = "tcp://server:1";

acquire_options mortal_and_numbered() {
  auto options = numbered();
  options.max_lifetime = 10s;
  return options;
}

acquire_options mortal(std::chrono::milliseconds lifetime = 10s) {
  auto options = framed();
  options.max_lifetime = lifetime;
  return options;
}

/// A peer whose connections last 10 s, and whoever subscribes to it.
struct mortal_peer : subscribed_peer {
  explicit mortal_peer(const acquire_options& options = mortal(), std::string_view uri = place,
                       simulated_network::accept_function what = echo_service())
    : subscribed_peer{options, uri, std::move(what)} {}

  /// Runs until the server has accepted the replacement, while the old connection is still there.
  void await_replacement() {
    REQUIRE(world.run_until([&] { return world.hosts().open_count() == 2; }));
  }

  void check_was_always_ready() {
    check_story(user.notes(), snapshot->value.value());
    auto all = user.all<state_changed>();
    while (!all.empty() && all.front().to != connection_state::ready)
      all.erase(all.begin());
    CHECK(all.size() == 1);
    CHECK(user.last_state() == connection_state::ready);
    const auto now = figures();
    CHECK(now.losses == 0);
    CHECK(now.crashes == 0);
    CHECK(now.connects == user.count<opened>());
    CHECK(now.renewals + 1 == user.count<opened>());
  }
};

} // namespace

TEST_CASE("a peer whose connections are renewed is ready all the time, and loses no message, nor their order",
          "[simulation][P5][D1][D3][D5][S1][S2]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = GENERATE(1ms, 80ms), .segment_size_max = 7});
  const send_options at_once{.policy = when_down::fail, .wanted = GENERATE(outcome::written, outcome::acked)};
  std::string sent;
  std::vector<answer_to<actorwire::sent>> answers;
  for (int number = 0; number < 3'000; ++number) {
    const auto text = "<" + std::to_string(number) + ">";
    sent += text;
    answers.push_back(here.user.send(here.peer, text, at_once));
    here.world.run_for(20ms);
    const auto state = here.user.get_state(here.peer);
    here.world.run_now();
    REQUIRE(state->value.value().state == connection_state::ready);
  }
  here.world.run_for(1s);
  for (const auto& each : answers)
    REQUIRE(each->value.value().result == at_once.wanted);
  CHECK(here.user.text() == sent);
  CHECK(here.user.count<opened>() >= 6);
  CHECK(here.user.count<data_lost>() == 0);
  here.check_was_always_ready();
  const auto stats = here.user.get_stats(here.peer);
  here.world.run_now();
  CHECK(stats->value.value().transport.reconnect_count == here.figures().renewals);
  CHECK(adds_up(stats->value->delivery));
}

TEST_CASE("a connection that cannot be replaced stays, and is replaced when another can be had",
          "[simulation][P5][P4]") {
  mortal_peer here;
  here.world.hosts().stop_listening(place);
  for (int second = 0; second < 60; ++second) {
    const auto answer = here.user.send(here.peer, "still there", {.policy = when_down::fail});
    here.world.run_for(1s);
    REQUIRE(answer->value);
  }
  CHECK(here.user.count<opened>() == 1);
  CHECK(here.world.hosts().attempt_count(place) > 30);
  CHECK(here.figures().open_breakers == 0);
  CHECK(here.figures().breaker_openings == 0);
  here.world.hosts().listen(place, here.service);
  here.world.run_for(2s);
  CHECK(here.user.count<opened>() == 2);
  here.check_was_always_ready();
  CHECK(here.world.hosts().open_count() == 1);
}

TEST_CASE("an old connection that does not end is cut after operation_timeout, and what waited leaves by the next",
          "[simulation][P5][D1]") {
  mortal_peer here{mortal(), place, deaf_service()};
  // Behind what the server does not read it does not see the end.
  here.user.cast(here.peer, "never read");
  here.await_replacement();
  here.world.run_for(5ms);
  const auto answer = here.user.send(here.peer, "behind all others");
  here.world.run_for(9s);
  CHECK(answer->count == 0);
  CHECK(here.user.count<opened>() == 1);
  here.world.run_for(1s + 10ms);
  CHECK(answer->value.value().result == outcome::written);
  CHECK(answer->value->generation == 2);
  CHECK(here.world.hosts().open_count() == 1);
  here.check_was_always_ready();
}

TEST_CASE("a connection that is lost while another is dialled is a loss like every other", "[simulation][P5][B3]") {
  mortal_peer here;
  here.world.hosts().plan_next(place, {.answer = attempt_answer::ignore});
  REQUIRE(here.world.run_until([&] { return here.world.hosts().attempt_count(place) == 2; }));
  here.world.hosts().reset_connections("server");
  here.world.run_for(3s);
  check_story(here.user.notes(), here.snapshot->value.value());
  CHECK(here.user.last_state() == connection_state::ready);
  CHECK(here.user.count<opened>() == 2);
  CHECK(here.figures().losses == 1);
  CHECK(here.figures().renewals == 0);
  CHECK(here.figures().connecting == 0);
  CHECK(here.world.hosts().open_count() == 1);
}

TEST_CASE("when both the old connection and its replacement are lost the peer dials anew", "[simulation][P5][B11]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = 100ms});
  here.await_replacement();
  here.world.run_for(GENERATE(0ms, 50ms, 150ms, 250ms));
  const auto answer = here.user.send(here.peer, "once more");
  here.world.run_now();
  here.world.hosts().reset_connections("server");
  here.world.run_for(5s);
  check_story(here.user.notes(), here.snapshot->value.value());
  CHECK(here.user.last_state() == connection_state::ready);
  CHECK(answer->count == 1);
  CHECK(here.world.hosts().open_count() == 1);
  const auto next = here.user.send(here.peer, "and on", {.policy = when_down::fail});
  here.world.run_for(1s);
  CHECK(next->value);
}

TEST_CASE("what waits for a replacement is sent before a peer closes, and nothing is left of either connection",
          "[simulation][P5][B10][D1]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = 100ms});
  here.await_replacement();
  // The replacement hears of its end of the handshake.
  here.world.run_for(GENERATE(0ms, 100ms, 150ms));
  const auto answer = here.user.send(here.peer, "the last one", {.wanted = outcome::acked});
  const auto report = here.user.close(here.peer, GENERATE(close_mode::drain, close_mode::flush, close_mode::abort));
  here.world.run_for(10s);
  REQUIRE(report->value);
  CHECK(adds_up(report->value->delivery));
  CHECK(answer->count == 1);
  if (answer->value)
    CHECK(here.world.hosts().arrived_at(place).find("the last one") != std::string::npos);
  else
    CHECK(here.world.hosts().arrived_at(place).find("the last one") == std::string::npos);
  CHECK(here.user.last_state() == connection_state::closed);
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.figures().peers == 0);
  CHECK(here.figures().connecting == 0);
}

TEST_CASE("a close in order sends by the replacement what the old connection takes no more", "[simulation][P5][D1]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = 100ms});
  here.await_replacement();
  here.world.run_for(150ms);
  const auto answer = here.user.send(here.peer, "the last one", {.wanted = outcome::acked});
  here.world.run_now();
  REQUIRE(answer->count == 0);
  if (GENERATE(true, false))
    here.user.close(here.peer, GENERATE(close_mode::drain, close_mode::flush));
  else
    here.user.finish_stream(here.peer);
  here.world.run_for(10s);
  CHECK(answer->value.value().result == outcome::acked);
  CHECK(answer->value->generation == 2);
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.figures().peers == 0);
}

TEST_CASE("whoever waits for data goes on to wait on the next connection", "[simulation][P5][D2]") {
  auto options = mortal();
  options.transport.allow_half_open = GENERATE(true, false);
  simulated_system world;
  world.hosts().listen(place, echo_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(place, options);
  world.run_for(1s);
  const auto waiting = user.receive(peer);
  world.run_for(15s);
  REQUIRE(waiting->count == 0);
  user.send(peer, "hello");
  world.run_for(1s);
  CHECK(waiting->value.value().generation == 2);
  CHECK(waiting->value->body.size() == 5);
}

TEST_CASE("a replacement that crashes is neither a crash of the peer nor a loss", "[simulation][P5][B9]") {
  mortal_peer here;
  const auto call = GENERATE(transport_call::create, transport_call::init, transport_call::connect);
  here.world.transports().crash_in(call, 3);
  here.world.run_for(14s);
  CHECK(here.world.transports().crash_count() == 3);
  CHECK(here.user.count<opened>() == 2);
  here.check_was_always_ready();
}

TEST_CASE("a peer that is killed while it is renewed leaves nothing", "[simulation][P5][B10]") {
  mortal_peer here;
  here.world.hosts().set_link({.delay = 100ms});
  here.await_replacement();
  here.world.run_for(GENERATE(0ms, 150ms));
  caf::anon_send_exit(here.peer, caf::exit_reason::kill);
  here.world.run_for(1min);
  CHECK(here.world.hosts().open_count() == 0);
  CHECK(here.figures().peers == 0);
  CHECK(here.figures().connecting == 0);
}

TEST_CASE("a lent peer is renewed while it is lent, for the same owner", "[simulation][P5][P2]") {
  simulated_system world;
  world.hosts().listen(place, echo_service());
  auto user = world.make_probe();
  const auto answer =
      user.checkout(world.supervisor(), {parse_endpoint(place).value(), mortal(), {}, 30s, std::chrono::minutes{5}});
  world.run_for(1s);
  const auto mine = answer->value.value();
  user.subscribe(mine.peer);
  world.run_for(1min);
  CHECK(user.count<opened>() >= 5);
  CHECK(user.count<state_changed>() == 0);
  const auto given_back = user.release(world.supervisor(), mine.id);
  world.run_now();
  CHECK(given_back->value);
}

TEST_CASE("a connection that is renewed ends when the calls that it has taken are answered, and the next takes others",
          "[simulation][P5][D2][D5]") {
  caller with{mortal_and_numbered()};
  with.user.subscribe(with.peer, event_mask::state);
  const auto first = with.user.call(with.peer, "first", {.wanted = GENERATE(outcome::written, outcome::acked)}, 1h);
  REQUIRE(with.world.run_until([&] { return with.host.clients == 2; }));
  with.world.run_for(100ms);
  const auto second = with.user.call(with.peer, "second", {}, 1min);
  with.user.cast(with.peer, "data");
  with.world.run_for(3s);
  CHECK(with.host.frames == std::vector<plain_frame>{{frame_kind::call, 1, "first"}});
  CHECK_FALSE(with.host.peer_finished);
  SECTION("the answer comes") {
    with.host.send_to(0, {frame_kind::answer, 1, "to the first"});
    with.world.run_for(100ms);
    REQUIRE(first->value);
    CHECK(first->value->generation == 1);
  }
  SECTION("the answer does not come in time") {
    with.world.run_for(7s);
    CHECK(is_unanswered(*first, true));
  }
  CHECK(with.host.frames
        == std::vector<plain_frame>{{frame_kind::call, 1, "first"},
                                    {frame_kind::call, 2, "second"},
                                    {frame_kind::data, 0, "data"}});
  with.host.send_to(1, {frame_kind::answer, 2, "to the second"});
  with.world.run_for(100ms);
  REQUIRE(second->value);
  CHECK(second->value->generation == 2);
  CHECK(with.user.count<opened>() == 1);
  CHECK(with.user.count<state_changed>() == 0);
}

TEST_CASE("no answer is sent on another connection than that of its call, however a connection is renewed",
          "[simulation][P5][D2][S2]") {
  caller with{mortal_and_numbered()};
  with.user.subscribe(with.peer);
  const auto waits = GENERATE(true, false);
  with.world.hosts().set_link({.delay = 100ms, .window = waits ? std::size_t{7} : std::size_t{1'000}});
  with.world.hosts().reset_connections("server");
  with.world.run_for(3s);
  with.host.send({frame_kind::call, 1, ""});
  with.world.run_for(2s);
  REQUIRE(with.user.count<called>() == 1);
  const auto question = with.user.all<called>()[0];
  answer_to<sent> reply;
  const auto clients = with.host.clients;
  if (waits) {
    with.user.cast(with.peer, std::string(300, 'x'));
    reply = with.user.reply(with.peer, question, "queued before");
  }
  REQUIRE(with.world.run_until([&] { return with.host.clients == clients + 1; }));
  if (!waits) {
    with.world.run_for(150ms);
    reply = with.user.reply(with.peer, question, "made between");
  }
  with.world.run_for(30s);
  CHECK(with.user.count<opened>() >= 2);
  REQUIRE(reply->error);
  CHECK_FALSE(may_have_been_handled(*reply->error));
  CHECK(
      std::ranges::none_of(with.host.frames, [](const plain_frame& each) { return each.kind == frame_kind::answer; }));
}

TEST_CASE("a prober is asked by the next connection when one is renewed, and by neither while that ends",
          "[simulation][P5][H1][H2]") {
  constexpr probe_policy often{20ms, 1s, 1, 3, false};
  cared_for_peer with{mortal()};
  with.world.hosts().set_link({.delay = 1s});
  with.world.hosts().reset_connections("server");
  REQUIRE(with.reach(connection_state::backoff));
  REQUIRE(with.reach(connection_state::ready));
  SECTION("one that is asked all the time") {
    with.probe(often);
    for (std::uint64_t generation = 3; generation < 7; ++generation) {
      REQUIRE(with.world.run_until([&] { return with.world.hosts().open_count() == 2; }, 1min));
      // When the end of the handshake, which takes one way, is here, the end of the old connection begins, which takes two.
      with.world.run_for(1'500ms);
      const auto before = with.asked.asked().size();
      REQUIRE(with.asked.asked().back().generation == generation - 1);
      with.world.run_for(1s);
      CHECK(with.asked.asked().size() == before);
      with.world.run_for(1s);
      CHECK(with.asked.asked().size() > before + 10);
      CHECK(with.asked.asked().back().generation == generation);
      CHECK(with.asked.asked()[before].generation == generation);
    }
  }
  SECTION("one that is named while the connection ends") {
    REQUIRE(with.world.run_until([&] { return with.world.hosts().open_count() == 2; }, 1min));
    with.world.run_for(1'500ms);
    with.probe(often);
    with.world.run_for(1s);
    CHECK(with.asked.asked().empty());
    with.world.run_for(1s);
    REQUIRE_FALSE(with.asked.asked().empty());
    CHECK(with.asked.asked().front().generation == 3);
  }
  CHECK(with.changes().empty());
  CHECK(with.user.last_state() == connection_state::ready);
}

TEST_CASE("a renewed QUIC connection tells of no stream before its time, and its streams end in order",
          "[simulation][P5][S2]") {
  auto options = over_quic();
  options.max_lifetime = 10s;
  host_and_peer here{options};
  const auto snapshot = here.user.subscribe(here.peer);
  here.world.run_now();
  for (int second = 0; second < 60; ++second) {
    const auto opened = here.user.open_stream(here.peer);
    here.world.run_for(100ms);
    if (opened->value) {
      here.user.send(here.peer, "on a stream", on(opened->value->stream));
      here.world.run_for(100ms);
      here.user.finish_stream(here.peer, opened->value->stream);
    }
    const auto answer = here.user.send(here.peer, "on stream 0", {.policy = when_down::fail});
    here.world.run_for(800ms);
    CHECK(answer->value);
  }
  check_story(here.user.notes(), snapshot->value.value());
  CHECK(here.user.count<opened>() >= 5);
  CHECK(here.user.count<state_changed>() == 0);
  CHECK(here.figures().delivery.maybe_sent.messages == 0);
}

} // namespace actorwire::test
