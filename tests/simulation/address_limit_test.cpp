// How many connections a listener lets one address have.

#include "entrance.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <algorithm>

namespace actorwire::test {

namespace {

listen_config with_share(std::uint32_t of_one_address) {
  listen_config config;
  config.max_connections_per_address = of_one_address;
  return config;
}

std::ptrdiff_t served(const diary& told) {
  return std::ranges::count(told.words, "opened");
}

} // namespace

TEST_CASE("an address has as many connections as it may, one more is turned away and counted, and others come",
          "[simulation][F4][P7]") {
  diary told;
  const auto takes_time = GENERATE(true, false);
  entrance at{told.keep(), with_share(2), takes_time};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.1");
  at.become_ready(first);
  for (int count = 0; count < 5; ++count) {
    const auto refused = at.knock("192.0.2.1");
    CHECK(refused->is_gone);
    CHECK(refused->observer == nullptr);
  }
  CHECK_FALSE(at.knock("192.0.2.2")->is_gone);
  CHECK_FALSE(first->closed_with);
  CHECK_FALSE(second->closed_with);
  const auto stats = at.stats();
  CHECK(stats.connections_refused == 5);
  CHECK(stats.handshakes_refused == 0);
  CHECK(stats.handshakes_evicted == 0);
  CHECK(stats.open == 3);
  CHECK(stats.accepted == 3);
  CHECK(stats.accept_errors == 0);
  CHECK(stats.accepting);
}

TEST_CASE("a place of an address is free again when its connection has ended, ready or not", "[simulation][P7]") {
  diary told;
  entrance at{told.keep(), with_share(1)};
  for (int round = 0; round < 3; ++round) {
    const auto one = at.knock("192.0.2.1");
    if (round != 0)
      at.become_ready(one);
    CHECK(at.knock("192.0.2.1")->is_gone);
    CHECK(at.address_count() == 1);
    at.hang_up(one);
    CHECK(at.address_count() == 0);
  }
  CHECK(at.stats().connections_refused == 3);
  CHECK(at.stats().open == 0);
}

TEST_CASE("an IPv6 /64 is one address, and an IPv4 address is one however it is written", "[simulation][P7]") {
  diary told;
  entrance at{told.keep(), with_share(1)};
  CHECK_FALSE(at.knock("2001:db8::1")->is_gone);
  CHECK(at.knock("2001:db8::ffff")->is_gone);
  CHECK_FALSE(at.knock("2001:db8:0:1::1")->is_gone);
  CHECK_FALSE(at.knock("192.0.2.1")->is_gone);
  CHECK(at.knock("::ffff:192.0.2.1")->is_gone);
  CHECK(at.stats().connections_refused == 2);
}

TEST_CASE("an address has its connections over all shards together", "[simulation][P7]") {
  diary told;
  entrance at{told.keep(), with_share(2), true, 2};
  const auto first = at.knock("192.0.2.1", 0);
  CHECK_FALSE(at.knock("192.0.2.1", 1)->is_gone);
  CHECK(at.knock("192.0.2.1", 0)->is_gone);
  CHECK(at.knock("192.0.2.1", 1)->is_gone);
  at.hang_up(first);
  CHECK_FALSE(at.knock("192.0.2.1", 1)->is_gone);
}

TEST_CASE("without the limit an address has any number of connections", "[simulation][P7]") {
  diary told;
  entrance at{told.keep(), listen_config{}, false};
  for (int count = 0; count < 200; ++count)
    CHECK_FALSE(at.knock("192.0.2.1")->is_gone);
  CHECK(at.stats().connections_refused == 0);
  CHECK(at.has_no_addresses());
}

TEST_CASE("nobody goes for a client that its address has no place for, and it takes no place among all",
          "[simulation][P7]") {
  diary told;
  auto config = with_share(1);
  config.max_handshakes = 2;
  config.max_handshakes_per_address = 2;
  config.max_connections = 3;
  entrance at{told.keep(), config};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.2");
  const auto before = at.times_resumed();
  for (int count = 0; count < 10; ++count)
    CHECK(at.knock("192.0.2.1")->is_gone);
  CHECK_FALSE(first->closed_with);
  CHECK_FALSE(second->closed_with);
  CHECK(at.stats().open == 2);
  CHECK(at.stats().handshaking == 2);
  CHECK(at.times_resumed() == before);
  CHECK_FALSE(at.is_paused());
}

TEST_CASE("a client that is turned away for another reason takes no place of its address", "[simulation][P7]") {
  diary told;
  auto config = with_share(5);
  config.max_connections = 2;
  config.max_handshakes_per_address = 1;
  entrance at{told.keep(), config};
  const auto one = at.knock("192.0.2.1");
  CHECK(at.knock("192.0.2.1")->is_gone);
  CHECK(at.stats().handshakes_refused == 1);
  at.knock("192.0.2.2");
  CHECK(at.knock("192.0.2.3")->is_gone);
  CHECK(at.address_count() == 2);
  at.hang_up(one);
  CHECK(at.address_count() == 1);
}

TEST_CASE("addresses that are mere claims count when their handshake proves them, and not before", "[simulation][P7]") {
  diary told;
  entrance at{told.keep(), with_share(2)};
  std::vector<client> all;
  // As many as claim to come from there keep nobody out who does.
  for (int count = 0; count < 5; ++count)
    all.push_back(at.knock("192.0.2.1", 0, address_proof::claimed));
  CHECK(at.address_count() == 0);
  const auto proved = at.knock("192.0.2.1");
  CHECK_FALSE(proved->is_gone);
  at.become_ready(all[0]);
  CHECK_FALSE(all[0]->closed_with);
  CHECK(served(told) == 1);
  // Two are there now: a third that proves it goes, and nobody was told of it.
  at.become_ready(all[1]);
  CHECK(all[1]->closed_with == error_code::closed);
  CHECK(all[1]->is_gone);
  CHECK(served(told) == 1);
  CHECK(at.stats().connections_refused == 1);
  // Nor does a claim come in while there is no place.
  CHECK(at.knock("192.0.2.1", 0, address_proof::claimed)->is_gone);
  CHECK(at.stats().connections_refused == 2);
  at.hang_up(proved);
  at.become_ready(all[2]);
  CHECK_FALSE(all[2]->closed_with);
  CHECK(served(told) == 2);
}

TEST_CASE("a client that is ready early counts for its address when its handshake is done", "[simulation][P7]") {
  diary told;
  entrance at{told.keep(), with_share(1)};
  const auto early = at.knock("192.0.2.1", 0, address_proof::claimed);
  const auto other = at.knock("192.0.2.1", 0, address_proof::claimed);
  const auto third = at.knock("192.0.2.1", 0, address_proof::claimed);
  at.become_ready_early(early);
  at.become_ready_early(other);
  CHECK(served(told) == 2);
  CHECK(at.address_count() == 0);
  at.finish_handshake(early);
  CHECK(at.address_count() == 1);
  CHECK_FALSE(early->closed_with);
  at.finish_handshake(other);
  CHECK(other->closed_with == error_code::closed);
  CHECK(other->is_gone);
  // And one that comes when there is no place is not even ready early.
  at.become_ready_early(third);
  CHECK(third->is_gone);
  CHECK(served(told) == 2);
  CHECK(at.stats().connections_refused == 2);
  at.hang_up(early);
  CHECK(at.address_count() == 0);
}

TEST_CASE("a listener that closes leaves nothing of the connections of each address behind", "[simulation][P7]") {
  diary told;
  entrance at{told.keep(), with_share(2), true, 2};
  at.become_ready(at.knock("192.0.2.1"));
  at.knock("192.0.2.2", 1);
  at.become_ready(at.knock("192.0.2.3", 1, address_proof::claimed));
  CHECK(at.close(close_mode::flush).complete);
  CHECK(at.has_no_addresses());
}

} // namespace actorwire::test
