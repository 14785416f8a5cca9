// What becomes of a connection that is to make room for another, and of the other while it waits for that.

#include "caller.hpp"
#include "cared_for_peer.hpp"
#include "host_and_peer.hpp"
#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <actorwire/messages/stream.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

/// What the first connection does not take at once.
const std::string more_than_the_window(std::size_t{100} << 10U, '.');

/// A host that never ends its side by itself.
class patient_host {
public:
  class end final : private transport_observer {
  public:
    end(local_ref<transport> accepted, bool reads) : wire_(std::move(accepted)) {
      if (wire_->init({}, *this) && reads)
        read();
    }
    ~end() { wire_->detach(); }
    end(const end&) = delete;
    end& operator=(const end&) = delete;

    void read() { wire_->receive(std::numeric_limits<std::size_t>::max()); }
    void send(const std::string& bytes) {
      const outgoing piece{reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), nullptr};
      REQUIRE(wire_->send(std::span{&piece, 1}));
    }
    void finish() { wire_->finish(); }
    void crash() { wire_->close(make_error(error_code::crashed, phase::established, origin::local, "crashed")); }

    std::string text;
    bool peer_finished = false;
    bool is_over = false;

  private:
    void on_progress(connection_state) override {}
    void on_connected(const transport_opening&) override {}
    void on_received(payload bytes) override { text += bytes.text(); }
    void on_peer_finished() override { peer_finished = true; }
    void on_writable() override {}
    void on_closed(const transport_error&) override { is_over = true; }

    local_ref<transport> wire_;
  };

  [[nodiscard]] simulated_network::accept_function accept() {
    return [this](local_ref<transport> accepted) { ends.emplace_back(std::move(accepted), reads); };
  }

  std::deque<end> ends;
  /// Whether those that connect from now on are read from.
  bool reads = true;
};

acquire_options mortal(acquire_options options) {
  options.max_lifetime = 10s;
  return options;
}

/// A peer of such a host whose connections last 10 s, and somebody who watches it.
struct retiring_peer {
  explicit retiring_peer(const acquire_options& options = mortal(framed()), bool reads = true)
    : user(world.make_probe()) {
    host.reads = reads;
    world.hosts().listen(tcp_server, host.accept());
    peer = world.acquire(tcp_server, options);
    snapshot = user.subscribe(peer);
    world.run_for(100ms);
    states_until_ready = user.count<state_changed>();
    host.reads = true;
  }

  /// Runs until the next connection stands by.
  void await_next(std::size_t count = 2) {
    REQUIRE(world.run_until([&] { return host.ends.size() == count; }));
    world.run_for(50ms);
  }
  /// The same, when the present one has said its end.
  void retire() {
    await_next();
    REQUIRE(host.ends[0].peer_finished);
    REQUIRE(user.count<opened>() == 1);
  }

  pool_stats figures() { return test::figures(world, user); }

  std::vector<plain_frame> frames_at(std::size_t index) {
    auto bytes = host.ends.at(index).text;
    return take_frames(bytes);
  }

  void check_was_always_ready() {
    check_story(user.notes(), snapshot->value.value());
    CHECK(user.count<state_changed>() == states_until_ready);
    CHECK(user.last_state() == connection_state::ready);
    CHECK(figures().losses == 0);
    CHECK(figures().connects == user.count<opened>());
  }

  patient_host host;
  simulated_system world;
  probe user;
  connection_actor peer;
  answer_to<connection_status> snapshot;
  std::size_t states_until_ready = 0;
};

/// One whose first connection is not read, and has 30 s to end.
struct held_up_peer : retiring_peer {
  explicit held_up_peer(acquire_options options = framed()) : retiring_peer(patient(std::move(options)), false) {
    user.cast(peer, more_than_the_window);
    world.run_for(50ms);
  }

  static acquire_options patient(acquire_options options) {
    options.transport.operation_timeout = 30s;
    return mortal(std::move(options));
  }
};

} // namespace

TEST_CASE("an answer to a call of an old connection never leaves by the next, where its number is another call's",
          "[simulation][P5][D1]") {
  const plain_frame question{frame_kind::call, 1, "asked on the first connection"};
  SECTION("one that is given when the old one takes no more") {
    retiring_peer here{mortal(numbered())};
    here.host.ends[0].send(encoded(question));
    here.world.run_for(50ms);
    here.retire();
    const auto answer = here.user.reply(here.peer, here.user.all<called>().at(0), "too late");
    here.world.run_now();
    CHECK(answer->code() == error_code::stream_closed);
    here.world.run_for(15s);
    CHECK(here.user.count<opened>() == 2);
    CHECK(here.frames_at(1).empty());
  }
  SECTION("one that waits behind what the peer does not read") {
    held_up_peer here{numbered()};
    here.host.ends[0].send(encoded(question));
    here.world.run_for(50ms);
    const auto answer = here.user.reply(here.peer, here.user.all<called>().at(0), "behind");
    const auto message = here.user.send(here.peer, "any connection will do", {.policy = when_down::fail});
    here.world.run_for(50s);
    CHECK(here.user.count<opened>() == 2);
    CHECK(answer->count == 1);
    CHECK(answer->error);
    CHECK(message->value.value().generation == 2);
    CHECK(here.frames_at(1) == std::vector<plain_frame>{{frame_kind::data, 0, "any connection will do"}});
  }
  SECTION("a refusal by the library itself") {
    retiring_peer here{mortal(numbered())};
    here.user.unsubscribe(here.peer);
    here.user.receive(here.peer);
    here.world.run_now();
    here.await_next();
    here.host.ends[0].send(encoded(question));
    here.world.run_for(15s);
    CHECK(here.frames_at(1).empty());
  }
}

TEST_CASE("a peer is not degraded by what waits for a replacement, nor any more when one is there",
          "[simulation][P5]") {
  auto options = framed();
  options.transport.flow.degraded_age = 500ms;
  SECTION("by what waits while the old connection ends") {
    retiring_peer here{mortal(options)};
    here.retire();
    here.user.cast(here.peer, "waits");
    here.world.run_for(15s);
    CHECK(here.user.count<opened>() == 2);
    CHECK(here.user.count<health_changed>() == 0);
    here.check_was_always_ready();
  }
  SECTION("by what has waited before") {
    held_up_peer here{options};
    here.user.cast(here.peer, "waits");
    here.world.run_for(5s);
    REQUIRE(here.user.last_state() == connection_state::degraded);
    here.await_next();
    CHECK(here.user.last_state() == connection_state::ready);
    const auto health = here.user.get_health(here.peer);
    here.world.run_for(40s);
    CHECK(health->value.value().causes.empty());
    CHECK(here.user.count<opened>() == 2);
    const auto changes = here.user.all<health_changed>();
    REQUIRE(changes.size() == 2);
    CHECK(changes[0].change == health_change::cause_came);
    CHECK(changes[1].change == health_change::cause_went);
    CHECK(here.user.count<state_changed>() == here.states_until_ready + 2);
    CHECK(here.user.last_state() == connection_state::ready);
    check_story(here.user.notes(), here.snapshot->value.value());
  }
}

TEST_CASE("a prober that comes while a connection retires is asked on the next", "[simulation][P5][H2]") {
  retiring_peer here;
  prober asked{here.world};
  here.retire();
  here.user.set_probe(here.peer, asked.handle(), every_second);
  here.world.run_for(5s);
  CHECK(asked.asked().empty());
  REQUIRE(here.world.run_until([&] { return here.user.count<opened>() == 2; }));
  here.world.run_for(3s);
  REQUIRE_FALSE(asked.asked().empty());
  CHECK(asked.asked().front().generation == 2);
}

TEST_CASE("the silence of a connection that has replaced another begins with it", "[simulation][P5]") {
  retiring_peer here;
  here.retire();
  REQUIRE(here.world.run_until([&] { return here.user.count<opened>() == 2; }));
  here.world.run_for(2s);
  const auto health = here.user.get_health(here.peer);
  here.world.run_now();
  CHECK(health->value.value().generation == 2);
  CHECK(health->value->silence == 2s);
}

TEST_CASE("a replacement whose peer ends its side before it is used is not used, unless that may be half open",
          "[simulation][P5][D1]") {
  auto options = mortal(framed());
  options.transport.allow_half_open = GENERATE(false, true);
  retiring_peer here{options};
  here.retire();
  here.host.ends[1].finish();
  here.world.run_for(1s);
  const auto answer = here.user.send(here.peer, "precious", {.policy = when_down::fail});
  here.world.run_for(15s);
  CHECK(answer->value.value().generation == 2);
  CHECK(here.host.ends[1].text.empty() != options.transport.allow_half_open);
  CHECK(here.host.ends.size() == (options.transport.allow_half_open ? 2U : 3U));
  here.check_was_always_ready();
}

TEST_CASE("a replacement that is lost before it is used is replaced itself, in the same time", "[simulation][P5][D1]") {
  retiring_peer here;
  here.retire();
  const auto began = here.world.now();
  const auto answer = here.user.send(here.peer, "accepted while ready", {.policy = when_down::fail});
  const std::size_t lost = GENERATE(1U, 3U);
  for (std::size_t index = 1; index <= lost; ++index) {
    here.host.ends.at(index).crash();
    here.await_next(index + 2);
    CHECK(here.user.count<opened>() == 1);
  }
  REQUIRE(here.world.run_until([&] { return here.user.count<opened>() == 2; }));
  CHECK(here.world.now() <= began + 10s);
  here.world.run_for(1s);
  CHECK(answer->value.value().generation == 2);
  CHECK(here.figures().renewals == 1);
  here.check_was_always_ready();
  const auto stats = here.user.get_stats(here.peer);
  here.world.run_now();
  REQUIRE(stats->value.value().lifetime.failed_attempts.size() == 1);
  CHECK(stats->value->lifetime.failed_attempts.front().attempts == lost);
}

TEST_CASE("a connection that has not said its end goes on when its replacement is lost", "[simulation][P5][D1]") {
  held_up_peer here;
  here.await_next();
  here.world.hosts().stop_listening(tcp_server);
  here.host.ends[1].crash();
  here.world.run_for(1s);
  here.host.ends[0].read();
  for (int second = 0; second < 60; ++second) {
    const auto answer = here.user.send(here.peer, "goes on", {.policy = when_down::fail});
    here.world.run_for(1s);
    REQUIRE(answer->value.value().generation == 1);
  }
  CHECK_FALSE(here.host.ends[0].peer_finished);
  here.world.hosts().listen(tcp_server, here.host.accept());
  here.world.run_for(40s);
  CHECK(here.user.count<opened>() == 2);
  here.check_was_always_ready();
}

TEST_CASE("a replacement that is dismissed was no attempt that failed", "[simulation][P5]") {
  retiring_peer here;
  here.world.hosts().plan_next(tcp_server, {.answer = attempt_answer::ignore});
  REQUIRE(here.world.run_until([&] { return here.world.hosts().attempt_count(tcp_server) == 2; }));
  here.host.ends[0].crash();
  here.world.run_for(5s);
  CHECK(here.user.count<opened>() == 2);
  const auto stats = here.user.get_stats(here.peer);
  here.world.run_now();
  CHECK(stats->value.value().lifetime.failed_attempts.empty());
}

TEST_CASE("what finds no room while a connection retires does not cut it", "[simulation][P5]") {
  auto options = mortal(framed());
  options.transport.flow.overflow = overflow_policy::disconnect;
  retiring_peer here{options};
  here.retire();
  const std::string large(options.transport.flow.write_limit / 50, '.');
  std::vector<answer_to<sent>> answers;
  for (int count = 0; count < 200; ++count)
    answers.push_back(here.user.send(here.peer, large));
  here.world.run_for(5s);
  CHECK(answers.front()->count == 0);
  CHECK(answers.back()->code() == error_code::would_block);
  CHECK_FALSE(here.host.ends[0].is_over);
  here.world.run_for(10s);
  CHECK(answers.front()->value.value().generation == 2);
  here.check_was_always_ready();
}

TEST_CASE("a peer that ends does not count a replacement that it has not used", "[simulation][P5]") {
  held_up_peer here;
  here.user.subscribe_to_pool(here.world.supervisor());
  here.await_next();
  if (GENERATE(true, false))
    here.user.close(here.peer, close_mode::flush, 5s);
  else
    here.user.finish_stream(here.peer);
  here.host.ends[0].read();
  here.world.run_for(1min);
  CHECK(here.figures().peers == 0);
  CHECK(here.figures().connects == 1);
  CHECK(here.figures().renewals == 0);
  CHECK(here.world.hosts().open_count() == 0);
}

// -- streams ------------------------------------------------------------------------------------------------------------

namespace {

/// A peer of several streams whose connections last 10 s, and somebody who watches it.
struct retiring_streams : host_and_peer {
  retiring_streams() : host_and_peer(mortal(without_framing()), stream_manners::sink) {
    user.subscribe(peer);
    world.run_now();
  }

  void await_next() {
    REQUIRE(world.run_until([&] { return world.hosts().open_count() == 2; }));
    world.run_for(50ms);
  }
};

} // namespace

TEST_CASE("streams that are open when their connection is to be replaced go on until they end",
          "[simulation][P5][D1]") {
  retiring_streams here;
  const auto mine = here.open(stream_direction::unidirectional);
  const auto theirs = here.host.ends()[0].streams().open(stream_direction::unidirectional, {}).value();
  here.user.send(here.peer, "one half, ", on(mine));
  here.host.ends()[0].send(theirs, "one half, ");
  here.await_next();
  // None comes in addition, and all else goes on as before.
  const auto another = here.user.open_stream(here.peer);
  const auto message = here.user.send(here.peer, "on stream 0", {.policy = when_down::fail});
  const auto other_half = here.user.send(here.peer, "and the other", on(mine, outcome::acked));
  here.host.ends()[0].send(theirs, "and the other");
  here.world.run_for(1s);
  CHECK(another->code() == error_code::not_connected);
  CHECK(message->value.value().generation == 1);
  CHECK(other_half->value.value().result == outcome::acked);
  CHECK(here.user.count<opened>() == 0);
  here.user.finish_stream(here.peer, mine);
  here.world.run_for(100ms);
  CHECK(here.user.count<opened>() == 0);
  here.host.ends()[0].finish(theirs);
  here.world.run_for(100ms);
  CHECK(here.host.ends()[0].text.at(mine) == "one half, and the other");
  CHECK(here.host.ends()[0].finished.contains(mine));
  CHECK(here.user.text(theirs) == "one half, and the other");
  CHECK(here.user.count<stream_reset>() == 0);
  CHECK(here.user.count<opened>() == 1);
  CHECK(here.world.hosts().open_count() == 1);
  CHECK(here.open() == 4);
}

TEST_CASE("a stream that is open for too long is cut short, so that nobody takes it for complete",
          "[simulation][P5][D1]") {
  retiring_streams here;
  const auto mine = here.open();
  here.user.send(here.peer, "one half", on(mine));
  here.await_next();
  for (int second = 0; second < 12; ++second) {
    const auto message = here.user.send(here.peer, "on stream 0", {.policy = when_down::fail});
    here.world.run_for(1s);
    REQUIRE(message->value);
  }
  CHECK(here.user.count<opened>() == 1);
  CHECK_FALSE(here.host.ends()[0].finished.contains(mine));
  CHECK(here.host.ends()[0].reset.at(mine).second == stream_retired_code);
  const auto cuts = here.user.all<stream_reset>();
  REQUIRE(cuts.size() == 2);
  for (const auto& each : cuts)
    CHECK(each.code == stream_retired_code);
  CHECK(here.user.count<data_lost>() == 0);
}

TEST_CASE("a call waits for the replacement when the old connection's peer has ended its side",
          "[simulation][P5][D1]") {
  auto options = mortal(over_quic());
  options.transport.framing.mode = framing_mode::numbered;
  host_and_peer here{options, stream_manners::sink};
  here.user.subscribe(here.peer);
  here.world.run_now();
  // Keeps the old connection for as long as it may last.
  const auto theirs = here.host.ends()[0].streams().open(stream_direction::unidirectional, {}).value();
  here.host.ends()[0].send(theirs, encoded({frame_kind::data, 0, "a feed"}));
  REQUIRE(here.world.run_until([&] { return here.world.hosts().open_count() == 2; }));
  here.world.run_for(50ms);
  here.host.ends()[0].finish(0);
  here.world.run_for(50ms);
  const auto call = here.user.call(here.peer, "a question", {}, 30s);
  const auto message = here.user.send(here.peer, "a message", {.policy = when_down::fail});
  here.world.run_for(5s);
  CHECK(here.user.count<opened>() == 0);
  CHECK(call->count == 0);
  CHECK(message->count == 0);
  here.world.run_for(10s);
  CHECK(here.user.count<opened>() == 1);
  CHECK(message->value.value().generation == 2);
  CHECK(call->count == 0);
  auto bytes = here.host.last().text[0];
  const auto frames = take_frames(bytes);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].kind == frame_kind::call);
}

TEST_CASE("datagrams that come before a connection is used are counted as dropped", "[simulation][P5]") {
  retiring_streams here;
  const auto mine = here.open();
  here.await_next();
  for (int count = 0; count < 3; ++count)
    REQUIRE(here.host.last().streams().send_datagram(payload::copy_of("too early")));
  here.world.run_for(100ms);
  here.user.finish_stream(here.peer, mine);
  here.world.run_for(15s);
  CHECK(here.user.count<opened>() == 1);
  CHECK(here.user.count<datagram_received>() == 0);
  CHECK(std::get<quic_metrics>(here.figures().transport.metrics).datagrams.discarded == 3);
}

} // namespace actorwire::test
