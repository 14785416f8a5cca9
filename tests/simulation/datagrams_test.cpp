// Datagrams of a connection, which nobody sends twice, and the addresses between which they go.

#include "host_and_peer.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <set>
#include <string>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

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
