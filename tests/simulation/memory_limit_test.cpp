// What arrives in parts while the network's memory is used up.

#include "host_and_peer.hpp"
#include "prefixed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::size_t limit = std::size_t{1} << 20U;

acquire_options patient() {
  auto options = over_quic();
  options.transport.framing.partial_frame_timeout = 30s;
  options.transport.operation_timeout = 1h;
  options.reconnection.base_delay = options.reconnection.max_delay = 1h;
  return options;
}

/// Peers of one network with little memory, and one of them that holds most of it until its host goes on.
struct used_up_memory {
  used_up_memory() : user(world.make_probe()) {
    world.hosts().listen(server, host.accept());
    world.hosts().listen("tcp://holder:1", sink_service());
    auto options = framed();
    options.transport.operation_timeout = 1h;
    const auto holder = world.acquire("tcp://holder:1", options);
    peer = world.acquire(server, patient());
    user.subscribe(peer);
    world.run_for(1s);
    world.hosts().set_path("holder", simulated_network::path_state::stalled);
    for (int count = 0; count < 9; ++count)
      held.push_back(user.send(holder, std::string(100'000, 'x'), {.wanted = outcome::acked}));
    world.run_for(1s);
    REQUIRE(world.net().memory_used() >= 900'000);
  }

  /// A stream that both sides know.
  stream_id open() {
    const auto opened = user.open_stream(peer);
    world.run_now();
    user.cast(peer, "hello", on(opened->value.value().stream));
    world.run_for(1s);
    return opened->value->stream;
  }

  void give_back() { world.hosts().heal("holder"); }

  stream_host host{stream_manners::sink};
  simulated_system world{{.memory_limit = limit}};
  probe user;
  connection_actor peer;
  std::vector<answer_to<sent>> held;
};

} // namespace

TEST_CASE("a frame for which there is no memory waits until there is, and nothing ends", "[simulation][F3]") {
  used_up_memory with;
  const std::string text(500'000, 'y');
  const auto changes = with.user.count<state_changed>();
  stream_id stream = 0;
  SECTION("on the stream that every connection has") {}
  SECTION("on another one") {
    stream = with.open();
  }
  with.host.last().send(stream, prefixed(text));
  for (int count = 0; count < 200; ++count) {
    with.world.run_for(100ms);
    REQUIRE(with.world.net().memory_used() <= limit);
  }
  CHECK(with.user.count<received>() == 0);
  CHECK(with.user.count<state_changed>() == changes);
  with.give_back();
  with.world.run_for(1s);
  CHECK((with.user.text(stream) == text));
  CHECK(with.user.count<state_changed>() == changes);
  CHECK(with.user.count<stream_reset>() == 0);
  CHECK(with.world.net().memory_used() == 0);
}

TEST_CASE("what comes meanwhile stays with the peer, but for the allowance that was given before",
          "[simulation][F1][F3]") {
  used_up_memory with;
  with.host.last().send(0, prefixed(std::string(8'000'000, 'y')));
  with.world.run_for(10s);
  const auto figures = with.user.get_stats(with.peer);
  with.world.run_now();
  CHECK(figures->value.value().transport.bytes_received <= patient().transport.flow.read_credit);
}

TEST_CASE("a connection whose frame finds no memory for partial_frame_timeout ends, and gives back what it has",
          "[simulation][F3][F4]") {
  used_up_memory with;
  with.host.last().send(0, prefixed(std::string(500'000, 'y')));
  with.world.run_for(29s);
  CHECK(with.user.last_state() == connection_state::ready);
  with.world.run_for(2s);
  REQUIRE(with.user.last_state() == connection_state::backoff);
  CHECK(with.user.all<state_changed>().back().reason.code == error_code::memory_limit);
  with.give_back();
  with.world.run_for(1s);
  CHECK(with.world.net().memory_used() == 0);
}

TEST_CASE("another stream whose frame finds no memory for partial_frame_timeout is cut, and the connection stays",
          "[simulation][streams][F3][F4]") {
  used_up_memory with;
  const auto stream = with.open();
  const auto state = with.user.get_state(with.peer);
  auto& host = with.host.last();
  host.send(stream, prefixed(std::string(500'000, 'y')));
  with.world.run_for(29s);
  CHECK(with.user.count<stream_reset>() == 0);
  with.world.run_for(2s);
  const stream_reset expected{state->value.value().info.id, 1, stream, stream_half::receiving, stream_no_memory_code};
  CHECK(with.user.all<stream_reset>() == std::vector{expected});
  CHECK(host.reset.at(stream) == std::pair{stream_half::sending, stream_no_memory_code});
  CHECK(with.user.last_state() == connection_state::ready);
  host.send(0, prefixed("small"));
  with.world.run_for(1s);
  CHECK(with.user.text(0) == "small");
  with.give_back();
  with.world.run_for(1s);
  CHECK(with.world.net().memory_used() == 0);
}

TEST_CASE("frames that take each other's memory do not hold each other up for ever", "[simulation][F3]") {
  stream_host first_host{stream_manners::sink};
  stream_host second_host{stream_manners::sink};
  simulated_system world{{.memory_limit = limit}};
  world.hosts().listen("quic://first:1", first_host.accept());
  world.hosts().listen("quic://second:1", second_host.accept());
  auto first_user = world.make_probe();
  auto second_user = world.make_probe();
  const auto first = world.acquire("quic://first:1", patient());
  const auto second = world.acquire("quic://second:1", patient());
  first_user.subscribe(first);
  second_user.subscribe(second);
  world.run_for(1s);
  const std::string text(900'000, 'y');
  // Each has begun before the other can complete.
  first_host.last().send(0, prefixed(text).substr(0, 400'000));
  second_host.last().send(0, prefixed(text).substr(0, 400'000));
  world.run_for(1s);
  first_host.last().send(0, prefixed(text).substr(400'000));
  world.run_for(1s);
  second_host.last().send(0, prefixed(text).substr(400'000));
  world.run_for(40s);
  CHECK(first_user.all<state_changed>().back().reason.code == error_code::memory_limit);
  CHECK((second_user.text() == text));
  CHECK(second_user.last_state() == connection_state::ready);
}

TEST_CASE("what a peer has sent before its orderly end waits for memory too", "[simulation][F3]") {
  used_up_memory with;
  const std::string text(900'000, 'y');
  with.host.last().send(0, prefixed(text));
  with.host.last().finish_all();
  with.world.run_for(5s);
  CHECK(with.user.count<received>() == 0);
  with.give_back();
  with.world.run_for(1s);
  CHECK((with.user.text() == text));
}

TEST_CASE("what a peer has sent on another stream before its orderly end waits for memory too",
          "[simulation][streams][F3]") {
  used_up_memory with;
  const std::string text(500'000, 'y');
  const auto stream = with.open();
  with.host.last().send(stream, prefixed(text));
  with.host.last().finish(stream);
  with.host.last().finish_all();
  with.world.run_for(5s);
  CHECK(with.user.count<received>() == 0);
  SECTION("until there is some") {
    with.give_back();
    with.world.run_for(1s);
    CHECK((with.user.text(stream) == text));
  }
  SECTION("and not for ever") {
    with.world.run_for(40s);
    const auto cut = with.user.all<stream_reset>();
    REQUIRE(cut.size() == 1);
    CHECK(cut.front().code == stream_no_memory_code);
    CHECK(with.user.last_state() == connection_state::backoff);
    with.give_back();
    with.world.run_for(1s);
    CHECK(with.world.net().memory_used() == 0);
  }
}

} // namespace actorwire::test
