// What described structs become when CAF writes them for another node, and reads them again.

#include <actorwire/actors/system_config.hpp>
#include <actorwire/actors/type_ids.hpp>

#include <caf/actor_system.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace actorwire;

namespace {

#if ACTORWIRE_CAF_0_17
using byte_buffer = std::vector<char>;
#else
using byte_buffer = caf::byte_buffer;
#endif

/// What `value` is written as.
template <class T>
byte_buffer bytes_of(caf::actor_system& system, T value) {
  byte_buffer bytes;
  caf::binary_serializer sink{system, bytes};
#if ACTORWIRE_CAF_0_17
  REQUIRE_FALSE(sink(value));
#else
  REQUIRE(sink.apply(value));
#endif
  return bytes;
}

/// Whether `bytes` are read as a value of this type.
template <class T>
bool reads(caf::actor_system& system, const byte_buffer& bytes, T& value) {
  caf::binary_deserializer source{system, bytes};
#if ACTORWIRE_CAF_0_17
  return !source(value);
#else
  return source.apply(value);
#endif
}

/// Writes `value` and reads what was written into another one.
template <class T>
T there_and_back(caf::actor_system& system, const T& value) {
  T other;
  REQUIRE(reads(system, bytes_of(system, value), other));
  return other;
}

} // namespace

TEST_CASE("what is said about leases and breakers arrives at another node as it was") {
  system_config config;
  caf::actor_system system{config};
  const auto check = [&](const auto& message) { CHECK(there_and_back(system, message) == message); };
  const endpoint remote{protocol::tls, "a", 1};
  checkout wanted{remote, {}, {{protocol::tcp, "b", 2}}};
  wanted.wait = std::chrono::milliseconds{1};
  wanted.hold = std::chrono::milliseconds{2};
  wanted.policy = when_down::fail;
  check(wanted);
  check(release{7, false});
  check(pool_event{pool_change::breaker_opened, 0, remote,
                   make_error(error_code::breaker_open, phase::connect, origin::remote, "why", 111)});
  check(pool_event{pool_change::lease_taken_back, 3, remote,
                   make_error(error_code::lease_ended, phase::established, origin::local, "why")});
  check(pool_limits{.breaker_failures = 1,
                    .max_leased = 2,
                    .min_idle = 1,
                    .lease_idle_timeout = std::chrono::milliseconds{3}});
  pool_stats figures;
  figures.open_breakers = 1;
  figures.breaker_openings = 2;
  figures.leased = 3;
  figures.leasable = 4;
  figures.lease_waiters = 5;
  figures.leases = 6;
  figures.leases_taken_back = 7;
  figures.renewals = 8;
  check(figures);
}

TEST_CASE("what is said about streams and datagrams arrives at another node as it was") {
  system_config config;
  caf::actor_system system{config};
  const auto body = payload::copy_of("abc");
  const auto check = [&](const auto& message) { CHECK(there_and_back(system, message) == message); };
  check(open_stream{stream_direction::unidirectional, {7, true}});
  check(reset_stream{4, 1});
  check(stop_stream{8, 2});
  check(prioritize_stream{12, {0, true}});
  check(send_datagram{body});
  check(actorwire::send{body,
                        {when_down::fail, outcome::acked, std::chrono::milliseconds{5}, 4, true, 6, 3, 7,
                         message_report::acked}});
  check(received{1, 2, 4, body});
  check(sent{1, 2, outcome::acked, 3});
  check(send_batch{{body, payload::copy_of(""), body}, {.ttl = std::chrono::milliseconds{5}}});
  check(batch_sent{1, 2, {outcome::acked, outcome::not_sent}, {}, 3});
  check(message_settled{1, 2, 3, 4, outcome::not_sent,
                        make_error(error_code::expired, phase::connect, origin::local, "late")});
  check(stream_opened{1, 2, 4, stream_direction::unidirectional, true});
  check(stream_reset{1, 2, 4, stream_half::sending, 9});
  check(stream_closed{1, 2, 4, true, 9});
  check(streams_available{1, 2, stream_direction::unidirectional});
  check(datagram_received{1, 2, body});
  check(datagram_sent{datagram_outcome::dropped});
  check(address_changed{1, 2, "10.0.0.1:80", "10.0.0.2:81"});
  stats figures;
  figures.transport.metrics = quic_metrics{.version = quic_version::v2,
                                           .pto_count = 3,
                                           .ecn = ecn_state::capable,
                                           .unidirectional_streams_left = 5};
  figures.lifetime.send_latency.record(std::chrono::milliseconds{3});
  figures.lifetime.queue_age.record(std::chrono::seconds{3});
  figures.lifetime.queue_age.record(std::chrono::microseconds{3});
  figures.lifetime.add_drops(error_code::expired, {1, 2}, {3, 4});
  figures.lifetime.add_failed_attempts(error_code::refused, 5);
  figures.lifetime.add_failed_attempts(error_code::resolve_failed, 6);
  figures.lifetime.time_in[connection_state::backoff] = std::chrono::microseconds{7};
  figures.present_generation = {4, 1, 2, std::chrono::microseconds{5}};
  figures.last_generation = {3, 6, 7, std::chrono::microseconds{8}};
  check(figures);
  pool_totals totals;
  totals += figures;
  check(totals);
}

TEST_CASE("what is said about health arrives at another node as it was") {
  system_config config;
  caf::actor_system system{config};
  const auto check = [&](const auto& message) { CHECK(there_and_back(system, message) == message); };
  const probe_policy policy{std::chrono::seconds{1}, std::chrono::milliseconds{2}, 3, 4, false};
  check(policy);
  check(get_health{});
  check(health_probe{1, 2, 3});
  const std::vector causes{health_cause::queue_too_old, health_cause::probe_failing};
  check(health_changed{1, 2, health_change::prober_ended, causes,
                       make_error(error_code::probe_failed, phase::established, origin::remote, "why")});
  health_report report;
  report.source = 1;
  report.generation = 2;
  report.state = connection_state::degraded;
  report.time_in_state = std::chrono::milliseconds{3};
  report.causes = causes;
  report.round_trip = std::chrono::microseconds{4};
  report.silence = std::chrono::milliseconds{5};
  report.oldest_waiting = std::chrono::milliseconds{6};
  report.probe_successes = 7;
  report.probe_failures = 8;
  report.probe_failures_in_a_row = 9;
  report.probe_round_trip = std::chrono::microseconds{10};
  report.half_open_bound = std::chrono::milliseconds{11};
  check(report);
  const auto removal = there_and_back(system, set_probe{{}, policy});
  CHECK_FALSE(removal.prober);
  CHECK(removal.policy == policy);
}

TEST_CASE("what is said about calls arrives at another node as it was") {
  system_config config;
  caf::actor_system system{config};
  const auto body = payload::copy_of("abc");
  const auto check = [&](const auto& message) { CHECK(there_and_back(system, message) == message); };
  check(call{body, {.policy = when_down::fail, .stream = 4}, std::chrono::milliseconds{5}});
  check(answered{1, 2, 3, body});
  check(called{1, 2, 4, 5, body});
  check(answer{1, 4, 5, body});
  check(refuse{1, 4, 5, 6, "why"});
  stats figures;
  figures.lifetime.calls = {1, 2, 3, 4, 5};
  check(figures);
  transport_config settings;
  settings.framing.mode = framing_mode::numbered;
  settings.flow.open_calls = 7;
  check(settings);
}

TEST_CASE("a histogram takes little room on its way to another node, and an empty one none") {
  system_config config;
  caf::actor_system system{config};
  histogram counted;
  CHECK(bytes_of(system, counted).size() <= 4);
  for (int count = 0; count < 1'000; ++count)
    counted.record(std::chrono::microseconds{count});
  CHECK(there_and_back(system, counted) == counted);
  CHECK(bytes_of(system, counted).size() < 250);
}

TEST_CASE("what another node calls a histogram and is none is refused") {
  system_config config;
  caf::actor_system system{config};
  for (const std::string text : {"1 1 1 0", "2 1 1 1,1", "1 1 240 1", "1 1 1 99999999999999999999", "x"}) {
    CAPTURE(text);
    const auto bytes = bytes_of(system, text);
    histogram read;
    read.record(std::chrono::microseconds{1});
    CHECK_FALSE(reads(system, bytes, read));
    CHECK(read.count() == 1);
  }
  const std::string good = "1 1 1 2";
  histogram read;
  CHECK(reads(system, bytes_of(system, good), read));
  CHECK(read.count() == 2);
}

TEST_CASE("settings of QUIC arrive at another node as they were, lists of versions of any length included") {
  system_config config;
  caf::actor_system system{config};
  using enum quic_version;
  for (const auto& versions : {std::vector<quic_version>{}, std::vector{v2}, std::vector{v2, v1}}) {
    transport_config settings;
    settings.protocol_settings = quic_config{.congestion_control = quic_congestion_control::bbr,
                                             .versions = versions,
                                             .migration = quic_migration::refuse,
                                             .qlog_directory = "somewhere"};
    CHECK(there_and_back(system, settings) == settings);
  }
}

TEST_CASE("a request for a peer of several endpoints arrives at another node as it was") {
  system_config config;
  caf::actor_system system{config};
  acquire_options options;
  options.transport.fallback_delay = std::chrono::milliseconds{100};
  options.max_per_endpoint = 4;
  options.max_lifetime = std::chrono::hours{1};
  options.idle_timeout = std::chrono::minutes{5};
  for (const auto& alternatives :
       {std::vector<endpoint>{}, std::vector<endpoint>{{protocol::tls, "a", 2}, {protocol::tcp, "b", 3}}}) {
    const actorwire::acquire request{{protocol::quic, "a", 1}, options, alternatives};
    CHECK(there_and_back(system, request) == request);
  }
  opened event;
  event.info.remote = {protocol::quic, "a", 1};
  event.info.carried_by = {protocol::tls, "a", 2};
  CHECK(there_and_back(system, event) == event);
}
