#include "limited_field.hpp"

#include <actorwire/messages/quic_config.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

TEST_CASE("quic: 1 to 65,535 streams") {
  const limited_field streams{"quic.max_streams", &quic_config::max_streams, 1U, 65'535U, "1..65535"};
  streams.check({});
  streams.check_refused({}, 0);
}

TEST_CASE("quic: the idle timeout is off or 100 ms to 24 h") {
  const limited_field timeout{"quic.idle_timeout", &quic_config::idle_timeout, milliseconds{100}, day,
                              "0 (off) or 100..86400000 ms"};
  timeout.check({});
  timeout.check_accepted({}, 0ms);
}

TEST_CASE("quic: datagrams may wait in 1,200 bytes to 1 GiB") {
  const limited_field buffer{"quic.datagram_send_buffer_size", &quic_config::datagram_send_buffer_size,
                             std::size_t{1'200}, gibibyte, "1200..1073741824"};
  buffer.check({});
  buffer.check_refused({}, 0);
}

TEST_CASE("quic: a stream may be 16 KiB to 1 GiB ahead of its reader, a connection 16 KiB to 4 GiB") {
  constexpr std::uint64_t least = 16'384;
  constexpr std::uint64_t most_of_connection = std::uint64_t{4} << 30U;
  const limited_field stream{"quic.stream_window", &quic_config::stream_window, least, std::uint64_t{gibibyte},
                             "16384..1073741824"};
  const limited_field stream_max{"quic.stream_window_max", &quic_config::stream_window_max, least,
                                 std::uint64_t{gibibyte}, "16384..1073741824"};
  const limited_field connection{"quic.connection_window", &quic_config::connection_window, least, most_of_connection,
                                 "16384..4294967296"};
  const limited_field connection_max{"quic.connection_window_max", &quic_config::connection_window_max, least,
                                     most_of_connection, "16384..4294967296"};
  // Each has its neighbours out of the way, so that their order holds.
  stream.check({.stream_window_max = gibibyte,
                .connection_window = most_of_connection,
                .connection_window_max = most_of_connection});
  stream_max.check({.stream_window = least});
  connection.check({.stream_window = least, .connection_window_max = most_of_connection});
  connection_max.check({.stream_window = least, .connection_window = least});
}

TEST_CASE("quic: windows grow, and that of the connection holds that of a stream") {
  quic_config config;
  config.stream_window = config.stream_window_max = config.connection_window = config.connection_window_max = 20'000;
  CHECK(validate(config));
  config.stream_window_max = 19'999;
  check_refused(config, error_code::conflicting_values,
                "quic.stream_window = 20000: must be at most quic.stream_window_max = 19999");
  config.stream_window_max = 20'000;
  config.connection_window = 19'999;
  check_refused(config, error_code::conflicting_values,
                "quic.stream_window = 20000: must be at most quic.connection_window = 19999");
  config.connection_window = 20'001;
  check_refused(config, error_code::conflicting_values,
                "quic.connection_window = 20001: must be at most quic.connection_window_max = 20000");
}

TEST_CASE("quic: congestion control and what is done about migration are among the named ones") {
  quic_config config;
  for (const auto each :
       {quic_congestion_control::cubic, quic_congestion_control::bbr, quic_congestion_control::reno}) {
    config.congestion_control = each;
    CHECK(validate(config));
  }
  config.congestion_control = static_cast<quic_congestion_control>(3);
  check_refused(config, error_code::invalid_value, "quic.congestion_control = 3: must be one of cubic, bbr, reno");
  config = {};
  config.migration = quic_migration::refuse;
  CHECK(validate(config));
  config.migration = static_cast<quic_migration>(2);
  check_refused(config, error_code::invalid_value, "quic.migration = 2: must be one of follow, refuse");
}

TEST_CASE("quic: at least one version is spoken, and each is named once") {
  using enum quic_version;
  for (const auto& versions : {std::vector{v1}, std::vector{v2}, std::vector{v1, v2}, std::vector{v2, v1}})
    CHECK(validate(quic_config{.versions = versions}));
  check_refused(quic_config{.versions = {}}, error_code::invalid_value, "quic.versions.size = 0: must be 1..2");
  check_refused(quic_config{.versions = {v1, v2, v1}}, error_code::invalid_value,
                "quic.versions.size = 3: must be 1..2");
  check_refused(quic_config{.versions = {v2, v2}}, error_code::conflicting_values,
                "quic.versions: must not name one twice");
  check_refused(quic_config{.versions = {v1, static_cast<quic_version>(2)}}, error_code::invalid_value,
                "quic.versions = 2: must be one of v1, v2");
}

TEST_CASE("quic: addresses are to be proved by all, or beyond up to 1,000,000 half-open clients") {
  limited_field{"quic.retry_threshold", &quic_config::retry_threshold, 0U, 1'000'000U, "0..1000000"}.check({});
}

TEST_CASE("quic: the socket's buffers are 0 or 64 KiB to 1 GiB") {
  const limited_field size{"quic.socket_buffer_size", &quic_config::socket_buffer_size, std::size_t{65'536}, gibibyte,
                           "0 (the system's default) or 65536..1073741824"};
  size.check({});
  size.check_accepted({}, 0);
  size.check_refused({}, 1);
}

TEST_CASE("quic: the folder for qlog is a path that is not shown") {
  CHECK(validate(quic_config{.qlog_directory = std::string(4'096, 'a'), .qlog_forced = true}));
  const auto text = "quic.qlog_directory = (not shown): must be a path of at most 4096 bytes";
  check_refused(quic_config{.qlog_directory = std::string(4'097, 'a')}, error_code::invalid_value, text);
  check_refused(quic_config{.qlog_directory = std::string{"a\0b", 3}}, error_code::invalid_value, text);
}
