#include <actorwire/messages/events.hpp>
#include <actorwire/messages/lifetime_stats.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>

using namespace actorwire;
using namespace std::chrono_literals;

TEST_CASE("losses and failures are counted by reason, in the order of their numbers") {
  lifetime_stats figures;
  figures.add_drops(error_code::expired, {1, 10}, {});
  figures.add_drops(error_code::reset, {2, 20}, {1, 5});
  figures.add_drops(error_code::expired, {1, 7}, {});
  CHECK(figures.drops
        == std::vector{drop_count{error_code::reset, {2, 20}, {1, 5}}, drop_count{error_code::expired, {2, 17}, {}}});
  figures.add_failed_attempts(error_code::refused, 1);
  figures.add_failed_attempts(error_code::resolve_failed, 2);
  figures.add_failed_attempts(error_code::refused, 1);
  CHECK(figures.failed_attempts
        == std::vector{failure_count{error_code::resolve_failed, 2}, failure_count{error_code::refused, 2}});
}

TEST_CASE("failed attempts are told by kind of reason as well") {
  lifetime_stats figures;
  CHECK(figures.failed_attempts_of(error_kind::connection) == 0);
  figures.add_failed_attempts(error_code::refused, 3);
  figures.add_failed_attempts(error_code::connect_timeout, 4);
  figures.add_failed_attempts(error_code::malformed, 1);
  CHECK(figures.failed_attempts_of(error_kind::connection) == 7);
  CHECK(figures.failed_attempts_of(error_kind::protocol) == 1);
  CHECK(figures.failed_attempts_of(error_kind::send) == 0);
}

TEST_CASE("what two went through adds up") {
  lifetime_stats left;
  left.send_latency.record(1ms);
  left.add_drops(error_code::expired, {1, 10}, {});
  left.time_in[connection_state::ready] = 5us;
  lifetime_stats right;
  right.send_latency.record(2ms);
  right.queue_age.record(3ms);
  right.round_trip.record(4ms);
  right.add_drops(error_code::expired, {1, 1}, {});
  right.add_failed_attempts(error_code::refused, 2);
  right.time_in[connection_state::ready] = 7us;
  right.time_in[connection_state::backoff] = 1us;
  left.calls = {1, 2, 3, 4, 5};
  right.calls = {10, 20, 30, 40, 50};
  left += right;
  CHECK(left.send_latency.count() == 2);
  CHECK(left.queue_age == right.queue_age);
  CHECK(left.round_trip == right.round_trip);
  CHECK(left.drops == std::vector{drop_count{error_code::expired, {2, 11}, {}}});
  CHECK(left.failed_attempts == right.failed_attempts);
  CHECK(left.time_in[connection_state::ready] == 12us);
  CHECK(left.time_in[connection_state::backoff] == 1us);
  CHECK(left.calls == call_totals{11, 22, 33, 44, 55});
}

TEST_CASE("the totals of a pool are the sum of its peers") {
  stats peer;
  peer.transport.bytes_sent = 10;
  peer.transport.bytes_received = 20;
  peer.transport.reconnect_count = 1;
  peer.delivery.accepted = {3, 30};
  peer.delivery.written = {3, 30};
  peer.lifetime.send_latency.record(1ms);
  pool_totals sum;
  sum += peer;
  sum += peer;
  CHECK(sum.peers == 2);
  CHECK(sum.bytes_sent == 20);
  CHECK(sum.bytes_received == 40);
  CHECK(sum.reconnect_count == 2);
  CHECK(sum.delivery.accepted == tally{6, 60});
  CHECK(sum.lifetime.send_latency.count() == 2);
}
