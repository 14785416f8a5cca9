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

/// Writes `value` and reads what was written into another one.
template <class T>
T there_and_back(caf::actor_system& system, T value) {
  T other;
#if ACTORWIRE_CAF_0_17
  std::vector<char> bytes;
  caf::binary_serializer sink{system, bytes};
  REQUIRE_FALSE(sink(value));
  caf::binary_deserializer source{system, bytes};
  REQUIRE_FALSE(source(other));
#else
  caf::byte_buffer bytes;
  caf::binary_serializer sink{system, bytes};
  REQUIRE(sink.apply(value));
  caf::binary_deserializer source{system, bytes};
  REQUIRE(source.apply(other));
#endif
  return other;
}

} // namespace

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
  figures.losses = {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}, {11, 12}};
  check(figures);
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
