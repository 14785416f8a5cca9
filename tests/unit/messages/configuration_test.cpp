#include "limited_field.hpp"

#include <actorwire/messages/health.hpp>
#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/reconnection_policy.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

/// Every field valid at its upper limit, so that none is refused because of its neighbours.
flow_limits widest_flow() {
  flow_limits limits;
  limits.low_water = 1;
  limits.high_water = gibibyte;
  limits.write_limit = gibibyte;
  return limits;
}

transport_config widest_transport() {
  transport_config config;
  config.connect_timeout = 1ms;
  config.attempt_timeout = day;
  return config;
}

constexpr std::string_view any_size = "1..1073741824";

} // namespace

TEST_CASE("defaults are valid") {
  CHECK(validate(tcp_config{}));
  CHECK(validate(quic_config{}));
  CHECK(validate(framing_config{}));
  CHECK(validate(flow_limits{}));
  CHECK(validate(transport_config{}));
  CHECK(validate(reconnection_policy{}));
  CHECK(validate(pool_limits{}));
  CHECK(validate(listen_config{}));
  transport_config config;
  config.protocol_settings = quic_config{};
  CHECK(validate(config));
}

// -- tcp_config -------------------------------------------------------------------------------------------------------

TEST_CASE("tcp: buffer sizes are 0 or a page to 1 GiB") {
  constexpr std::string_view allowed = "0 (kernel autotuning) or 4096..1073741824";
  const limited_field send{"tcp.send_buffer_size", &tcp_config::send_buffer_size, std::size_t{4'096}, gibibyte,
                           allowed};
  send.check({});
  send.check_accepted({}, 0);
  send.check_refused({}, 1);
  const limited_field recv{"tcp.recv_buffer_size", &tcp_config::recv_buffer_size, std::size_t{4'096}, gibibyte,
                           allowed};
  recv.check({});
  recv.check_accepted({}, 0);
  recv.check_refused({}, 1);
}

TEST_CASE("tcp: 1 to 127 keepalive probes") {
  const limited_field probes{"tcp.keepalive_probes", &tcp_config::keepalive_probes, 1U, 127U, "1..127"};
  probes.check({});
  probes.check_refused({}, 0);
}

TEST_CASE("tcp: small writes may go at once or be collected") {
  for (const bool nodelay : {true, false}) {
    tcp_config config;
    config.nodelay = nodelay;
    CHECK(validate(config));
  }
}

// -- quic_config ------------------------------------------------------------------------------------------------------

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

// -- framing_config ---------------------------------------------------------------------------------------------------

TEST_CASE("framing: the mode is one of the named ones") {
  framing_config config;
  for (const auto mode :
       {framing_mode::none, framing_mode::length_prefixed, framing_mode::line, framing_mode::numbered}) {
    config.mode = mode;
    CHECK(validate(config));
  }
  config.mode = static_cast<framing_mode>(4);
  check_refused(config, error_code::invalid_value,
                "framing.mode = 4: must be one of none, length_prefixed, line, numbered");
}

TEST_CASE("framing: a frame has 1 byte to 1 GiB") {
  const limited_field size{"framing.max_frame_size", &framing_config::max_frame_size, std::size_t{1}, gibibyte,
                           any_size};
  size.check({});
  size.check_refused({}, 0);
}

TEST_CASE("framing: a frame is complete within 1 ms to 24 h") {
  limited_field{"framing.partial_frame_timeout", &framing_config::partial_frame_timeout, milliseconds{1}, day, any_time}
      .check({});
}

// -- flow_limits ------------------------------------------------------------------------------------------------------

TEST_CASE("flow: sizes are 1 byte to 1 GiB") {
  const auto check = [](std::string_view path, std::size_t flow_limits::*member) {
    const limited_field size{path, member, std::size_t{1}, gibibyte, any_size};
    auto limits = widest_flow();
    // The limit that is tested takes its neighbours along, so that their order holds.
    if (member == &flow_limits::low_water) {
      size.check(limits);
    } else {
      size.check_accepted(limits, gibibyte);
      size.check_refused(limits, gibibyte + 1);
      size.check_refused(limits, std::numeric_limits<std::size_t>::max());
      limits.high_water = 1;
      size.check_accepted(limits, 1);
    }
    size.check_refused(limits, 0);
  };
  check("flow.read_credit", &flow_limits::read_credit);
  check("flow.high_water", &flow_limits::high_water);
  check("flow.low_water", &flow_limits::low_water);
  check("flow.write_limit", &flow_limits::write_limit);
  check("flow.queue_bytes", &flow_limits::queue_bytes);
}

TEST_CASE("flow: 1 to 1,000,000 messages wait") {
  const limited_field messages{"flow.queue_messages", &flow_limits::queue_messages, 1U, 1'000'000U, "1..1000000"};
  messages.check({});
  messages.check_refused({}, 0);
}

TEST_CASE("flow: 1 to 1,000,000 calls are open") {
  const limited_field open{"flow.open_calls", &flow_limits::open_calls, 1U, 1'000'000U, "1..1000000"};
  open.check({});
  open.check_refused({}, 0);
}

TEST_CASE("flow: messages wait 1 ms to 24 h") {
  limited_field{"flow.queue_age", &flow_limits::queue_age, milliseconds{1}, day, any_time}.check({});
}

TEST_CASE("flow: messages that wait make a connection degraded after 10 ms to 24 h, or never") {
  const limited_field<flow_limits, milliseconds> field{"flow.degraded_age", &flow_limits::degraded_age, 10ms, day,
                                                       "0 (never) or 10..86400000 ms"};
  field.check_accepted({}, 0ms);
  field.check({});
}

TEST_CASE("probe: an interval is 10 ms to 24 h, a timeout 1 ms to 24 h, and 1 to 1,000 failures count, or none") {
  limited_field<probe_policy, milliseconds>{"probe.interval", &probe_policy::interval, 10ms, day, "10..86400000 ms"}
      .check({});
  limited_field<probe_policy, milliseconds>{"probe.timeout", &probe_policy::timeout, 1ms, day, "1..86400000 ms"}.check(
      {});
  auto rarely = probe_policy{};
  rarely.failures_to_fail = 0;
  for (const std::uint32_t failures : {0U, 1U, 1'000U}) {
    rarely.failures_to_degrade = failures;
    CHECK(validate(rarely));
  }
  rarely.failures_to_degrade = 1'001;
  check_refused(rarely, error_code::invalid_value, "probe.failures_to_degrade = 1001: must be 0 (never) or 1..1000");
  probe_policy often;
  often.failures_to_fail = 1'001;
  check_refused(often, error_code::invalid_value, "probe.failures_to_fail = 1001: must be 0 (never) or 1..1000");
  often.failures_to_degrade = 4;
  often.failures_to_fail = 3;
  check_refused(often, error_code::conflicting_values,
                "probe.failures_to_degrade = 4: must be at most probe.failures_to_fail = 3");
}

TEST_CASE("a half-open connection is found after interval and timeout and a second, and never without keepalive",
          "[H1]") {
  transport_config config;
  CHECK(half_open_bound(config, protocol::tcp) == 36s);
  CHECK(half_open_bound(config, protocol::tls) == 36s);
  CHECK(half_open_bound(config, protocol::quic) == 36s);
  config.keepalive_interval = 1'500ms;
  config.keepalive_timeout = 1ms;
  // A second for each of four probes.
  CHECK(half_open_bound(config, protocol::tcp) == 2s + 4s + 1s);
  CHECK(half_open_bound(config, protocol::quic) == 2s + 1ms + 1s);
  config.keepalive_interval = 0ms;
  CHECK(half_open_bound(config, protocol::tcp) == 0ms);
  CHECK(half_open_bound(config, protocol::quic) == 30s + 1ms + 1s);
  config.protocol_settings = quic_config{.idle_timeout = 0ms};
  CHECK(half_open_bound(config, protocol::quic) == 0ms);
}

TEST_CASE("flow: what happens to a message that does not fit is one of what can") {
  flow_limits limits;
  for (std::size_t number = 0; number < names_of(overflow_policy{}).size(); ++number) {
    limits.overflow = static_cast<overflow_policy>(number);
    CHECK(validate(limits));
  }
  limits.overflow = static_cast<overflow_policy>(7);
  check_refused(limits, error_code::invalid_value,
                "flow.overflow = 7: must be one of fail, drop_newest, drop_oldest, conflate, disconnect");
}

TEST_CASE("flow: low water, high water and write limit rise or are equal") {
  flow_limits limits;
  limits.low_water = limits.high_water = limits.write_limit = 10;
  CHECK(validate(limits));
  limits.low_water = 11;
  check_refused(limits, error_code::conflicting_values, "flow.low_water = 11: must be at most flow.high_water = 10");
  limits.low_water = 10;
  limits.high_water = 11;
  check_refused(limits, error_code::conflicting_values, "flow.high_water = 11: must be at most flow.write_limit = 10");
}

TEST_CASE("send_batch: 1 to 65,536 messages without a key") {
  for (const std::size_t count : {1U, 65'536U})
    CHECK(validate(send_batch{std::vector<payload>(count), {}}));
  for (const std::size_t count : {0U, 65'537U})
    check_refused(send_batch{std::vector<payload>(count), {}}, error_code::invalid_value,
                  "send_batch.bodies = " + std::to_string(count) + ": must be 1..65536");
  send_options options;
  options.key = 3;
  check_refused(send_batch{std::vector<payload>(1), options}, error_code::invalid_value,
                "send_batch.options.key = 3: must be 0 for a batch");
}

// -- transport_config -------------------------------------------------------------------------------------------------

TEST_CASE("transport: a TCP segment has 536 to 32,767 bytes or what the path decides") {
  const limited_field mtu{"transport.mtu", &transport_config::mtu, std::size_t{536}, std::size_t{32'767},
                          "0 (the path decides) or 536..32767"};
  mtu.check({});
  mtu.check_accepted({}, 0);
}

TEST_CASE("transport: a QUIC datagram has 1,200 to 65,527 bytes or what the path decides") {
  transport_config config;
  config.protocol_settings = quic_config{};
  const limited_field mtu{"transport.mtu", &transport_config::mtu, std::size_t{1'200}, std::size_t{65'527},
                          "0 (the path decides) or 1200..65527"};
  mtu.check(config);
  mtu.check_accepted(config, 0);
}

TEST_CASE("transport: probing is off or every second to every 32,767 seconds") {
  const limited_field interval{"transport.keepalive_interval", &transport_config::keepalive_interval,
                               milliseconds{1'000}, milliseconds{32'767'000}, "0 (off) or 1000..32767000 ms"};
  interval.check({});
  interval.check_accepted({}, 0ms);
  interval.check_refused({}, 1ms);
}

TEST_CASE("transport: timeouts are 1 ms to 24 h") {
  const auto check = [](std::string_view path, milliseconds transport_config::*member) {
    limited_field{path, member, milliseconds{1}, day, any_time}.check(widest_transport());
  };
  check("transport.keepalive_timeout", &transport_config::keepalive_timeout);
  check("transport.connect_timeout", &transport_config::connect_timeout);
  check("transport.attempt_timeout", &transport_config::attempt_timeout);
  check("transport.operation_timeout", &transport_config::operation_timeout);
}

TEST_CASE("transport: the next address is tried after 10 ms to 2 s") {
  limited_field{"transport.happy_eyeballs_delay", &transport_config::happy_eyeballs_delay, milliseconds{10},
                milliseconds{2'000}, "10..2000 ms"}
      .check({});
}

TEST_CASE("transport: the next endpoint is tried after 10 ms to 2 s") {
  limited_field{"transport.fallback_delay", &transport_config::fallback_delay, milliseconds{10}, milliseconds{2'000},
                "10..2000 ms"}
      .check({});
}

TEST_CASE("acquire: at most three alternatives, with a port, and no endpoint twice") {
  actorwire::acquire request{{protocol::quic, "a", 1}, {}, {{protocol::tls, "a", 1}, {protocol::tls, "a", 2}}};
  CHECK(validate(request));
  request.alternatives.push_back({protocol::tcp, "a", 1});
  CHECK(validate(request));
  request.alternatives.push_back({protocol::tcp, "a", 2});
  check_refused(request, error_code::invalid_value, "acquire.alternatives = 4: must be 0..3");
  request.alternatives = {{protocol::tls, "a", 0}};
  check_refused(request, error_code::invalid_value, "endpoint.port = 0: must be 1..65535 to connect to");
  const std::string twice = ": must be endpoints of which none is named twice";
  request.alternatives = {request.remote};
  check_refused(request, error_code::invalid_value, "acquire.alternatives = quic://a:1" + twice);
  request.alternatives = {{protocol::tls, "a", 1}, {protocol::tcp, "a", 1}, {protocol::tls, "a", 1}};
  check_refused(request, error_code::invalid_value, "acquire.alternatives = tls://a:1" + twice);
  request.alternatives = {};
  request.remote.port = 0;
  check_refused(request, error_code::invalid_value, "endpoint.port = 0: must be 1..65535 to connect to");
  request.remote.port = 1;
  request.options.transport.fallback_delay = 9ms;
  check_refused(request, error_code::invalid_value, "transport.fallback_delay = 9 ms: must be 10..2000 ms");
}

TEST_CASE("acquire: 1 to 64 peers share an endpoint, and connections last for ever or 1 s to 24 h") {
  actorwire::acquire request{{protocol::tcp, "a", 1}, {}};
  for (const auto count : {1U, 64U}) {
    request.options.max_per_endpoint = count;
    CHECK(validate(request));
  }
  for (const auto count : {0U, 65U}) {
    request.options.max_per_endpoint = count;
    check_refused(request, error_code::invalid_value,
                  "acquire.options.max_per_endpoint = " + std::to_string(count) + ": must be 1..64");
  }
  request.options.max_per_endpoint = 1;
  for (const auto lifetime : {milliseconds{0}, milliseconds{1'000}, milliseconds{day}}) {
    request.options.max_lifetime = lifetime;
    CHECK(validate(request));
  }
  for (const auto lifetime : {milliseconds{-1}, milliseconds{999}, milliseconds{day} + 1ms}) {
    request.options.max_lifetime = lifetime;
    check_refused(request, error_code::invalid_value,
                  "acquire.options.max_lifetime = " + std::to_string(lifetime.count())
                      + " ms: must be 0 (for ever) or 1000..86400000 ms");
  }
  request.options.max_lifetime = 0ms;
  for (const auto idle : {milliseconds{0}, milliseconds{1'000}, milliseconds{day}}) {
    request.options.idle_timeout = idle;
    CHECK(validate(request));
  }
  for (const auto idle : {milliseconds{-1}, milliseconds{999}, milliseconds{day} + 1ms}) {
    request.options.idle_timeout = idle;
    check_refused(request, error_code::invalid_value,
                  "acquire.options.idle_timeout = " + std::to_string(idle.count())
                      + " ms: must be 0 (for ever) or 1000..86400000 ms");
  }
  request.options.transport.framing.mode = framing_mode::numbered;
  request.options.transport.session.mode = session_mode::on;
  request.options.idle_timeout = 5s;
  check_refused(
      request, error_code::invalid_value,
      "acquire.options.idle_timeout = 5000 ms: must be 0 with a session, which would be lost by a rest of more "
      "than session_keep");
  request.options.idle_timeout = 0ms;
  CHECK(validate(request));
}

TEST_CASE("checkout: it says whom and how like acquire, waits for 0 ms to 24 h and holds for 1 ms to 24 h") {
  actorwire::checkout request{{protocol::tcp, "a", 1}, {}, {{protocol::tls, "a", 2}}};
  CHECK(validate(request));
  limited_field{"checkout.wait", &actorwire::checkout::wait, milliseconds{0}, day, "0..86400000 ms"}.check(request);
  limited_field{"checkout.hold", &actorwire::checkout::hold, milliseconds{1}, day, any_time}.check(request);
  request.policy = when_down::fail;
  CHECK(validate(request));
  request.policy = when_down::drop;
  check_refused(request, error_code::invalid_value, "checkout.policy = drop: must be one of queue, fail");
  request.policy = when_down::queue;
  request.alternatives = {request.remote};
  check_refused(request, error_code::invalid_value,
                "checkout.alternatives = tcp://a:1: must be endpoints of which none is named twice");
  request.alternatives = {};
  request.options.transport.framing.mode = framing_mode::numbered;
  CHECK(validate(request));
  request.options.transport.session.mode = session_mode::on;
  check_refused(request, error_code::invalid_value,
                "checkout.options.transport.session.mode = on: must be off for a peer that is lent, since a session "
                "would go on with the next owner");
  request.options.transport.session.mode = session_mode::off;
  request.remote.port = 0;
  check_refused(request, error_code::invalid_value, "endpoint.port = 0: must be 1..65535 to connect to");
  request.remote.port = 1;
  request.options.reconnection.jitter = 1.0;
  check_refused(request, error_code::invalid_value, "reconnection.jitter = 1: must be at least 0 and below 1");
}

TEST_CASE("transport: the connection may outlive the end of the peer's stream or not") {
  for (const bool allow : {true, false}) {
    transport_config config;
    config.allow_half_open = allow;
    CHECK(validate(config));
  }
}

TEST_CASE("transport: connecting to one address takes no longer than the whole attempt") {
  transport_config config;
  config.attempt_timeout = config.connect_timeout = 5s;
  CHECK(validate(config));
  config.connect_timeout = 5'001ms;
  check_refused(config, error_code::conflicting_values,
                "transport.connect_timeout = 5001 ms: must be at most transport.attempt_timeout = 5000 ms");
}

TEST_CASE("transport: QUIC probes before the connection counts as idle") {
  transport_config config;
  config.keepalive_interval = 15s;
  config.protocol_settings = quic_config{.idle_timeout = 15'001ms};
  CHECK(validate(config));
  config.protocol_settings = quic_config{.idle_timeout = 15s};
  check_refused(config, error_code::conflicting_values,
                "transport.keepalive_interval = 15000 ms: must be below quic.idle_timeout = 15000 ms");
  config.protocol_settings = quic_config{.idle_timeout = 0ms};
  CHECK(validate(config));
  config.protocol_settings = quic_config{.idle_timeout = 1s};
  config.keepalive_interval = 0ms;
  CHECK(validate(config));
}

TEST_CASE("transport: data in the first flight of QUIC need sessions that are remembered") {
  transport_config config;
  config.protocol_settings = quic_config{.early_data = true};
  CHECK(validate(config));
  config.tls.session_resumption = false;
  check_refused(config, error_code::conflicting_values, "quic.early_data: needs tls.session_resumption");
  config.protocol_settings = quic_config{};
  CHECK(validate(config));
}

TEST_CASE("transport: QUIC goes by its own settings, or by the defaults where those of TCP are given") {
  transport_config config;
  CHECK(quic_settings(config) == quic_config{});
  config.protocol_settings = quic_config{.max_streams = 3};
  CHECK(quic_settings(config).max_streams == 3);
}

TEST_CASE("transport: a fault in a nested configuration is found and named") {
  transport_config config;
  config.framing.max_frame_size = 0;
  check_refused(config, error_code::invalid_value, "framing.max_frame_size = 0: must be 1..1073741824");
  config = {};
  config.flow.read_credit = 0;
  check_refused(config, error_code::invalid_value, "flow.read_credit = 0: must be 1..1073741824");
  config = {};
  config.protocol_settings = tcp_config{.send_buffer_size = 5};
  check_refused(config, error_code::invalid_value,
                "tcp.send_buffer_size = 5: must be 0 (kernel autotuning) or 4096..1073741824");
  config.protocol_settings = quic_config{.max_streams = 0};
  check_refused(config, error_code::invalid_value, "quic.max_streams = 0: must be 1..65535");
}

// -- reconnection_policy ----------------------------------------------------------------------------------------------

TEST_CASE("reconnection: any number of attempts may be allowed") {
  for (const auto attempts : {0U, 1U, std::numeric_limits<std::uint32_t>::max()}) {
    reconnection_policy policy;
    policy.max_attempts = attempts;
    CHECK(validate(policy));
  }
}

TEST_CASE("reconnection: delays are 1 ms to 24 h") {
  reconnection_policy policy;
  policy.max_delay = day;
  limited_field{"reconnection.base_delay", &reconnection_policy::base_delay, milliseconds{1}, day, any_time}.check(
      policy);
  policy.base_delay = 1ms;
  limited_field{"reconnection.max_delay", &reconnection_policy::max_delay, milliseconds{1}, day, any_time}.check(
      policy);
}

TEST_CASE("reconnection: the first delay is not longer than the longest") {
  reconnection_policy policy;
  policy.base_delay = policy.max_delay = 1s;
  CHECK(validate(policy));
  policy.base_delay = 1'001ms;
  check_refused(policy, error_code::conflicting_values,
                "reconnection.base_delay = 1001 ms: must be at most reconnection.max_delay = 1000 ms");
}

TEST_CASE("reconnection: delays grow by a factor of 1 to 100") {
  reconnection_policy policy;
  for (const double factor : {1.0, 100.0}) {
    policy.backoff_factor = factor;
    CHECK(validate(policy));
  }
  const auto refuse = [&](double factor, const std::string& shown) {
    policy.backoff_factor = factor;
    check_refused(policy, error_code::invalid_value, "reconnection.backoff_factor = " + shown + ": must be 1..100");
  };
  refuse(0.99, "0.99");
  refuse(100.5, "100.5");
  refuse(0.0, "0");
  refuse(-2.0, "-2");
  refuse(std::nextafter(1.0, 0.0), "0.9999999999999999");
  refuse(std::numeric_limits<double>::quiet_NaN(), "nan");
  refuse(std::numeric_limits<double>::infinity(), "inf");
  refuse(-std::numeric_limits<double>::infinity(), "-inf");
  refuse(std::numeric_limits<double>::lowest(), "-1.7976931348623157e+308");
}

TEST_CASE("reconnection: jitter is a share from 0 to below 1") {
  reconnection_policy policy;
  for (const double jitter : {0.0, 0.5, std::nextafter(1.0, 0.0)}) {
    policy.jitter = jitter;
    CHECK(validate(policy));
  }
  const auto refuse = [&](double jitter, const std::string& shown) {
    policy.jitter = jitter;
    check_refused(policy, error_code::invalid_value,
                  "reconnection.jitter = " + shown + ": must be at least 0 and below 1");
  };
  refuse(1.0, "1");
  refuse(-0.1, "-0.1");
  refuse(std::numeric_limits<double>::quiet_NaN(), "nan");
  refuse(std::numeric_limits<double>::infinity(), "inf");
}

TEST_CASE("reconnection: delays start again after 0 to 24 h") {
  limited_field{"reconnection.reset_after", &reconnection_policy::reset_after, milliseconds{0}, day, "0..86400000 ms"}
      .check({});
}

TEST_CASE("reconnection: the answer to permanent errors is one of the named ones") {
  reconnection_policy policy;
  policy.on_permanent = permanent_error_policy::keep_trying;
  CHECK(validate(policy));
  policy.on_permanent = static_cast<permanent_error_policy>(200);
  check_refused(policy, error_code::invalid_value, "reconnection.on_permanent = 200: must be one of fail, keep_trying");
}

// -- pool_limits ------------------------------------------------------------------------------------------------------

TEST_CASE("pool: connections are counted from 1 to 1,000,000") {
  const auto check = [](std::string_view path, std::uint32_t pool_limits::*member) {
    const limited_field count{path, member, 1U, 1'000'000U, "1..1000000"};
    count.check({});
    count.check_refused({}, 0);
  };
  check("pool.max_connections", &pool_limits::max_connections);
  check("pool.max_connecting", &pool_limits::max_connecting);
  check("pool.reconnect_burst", &pool_limits::reconnect_burst);
}

TEST_CASE("pool: reconnects come at 0.001 to 1,000,000 a second") {
  pool_limits limits;
  for (const double rate : {0.001, 1'000'000.0}) {
    limits.reconnects_per_second = rate;
    CHECK(validate(limits));
  }
  const auto refuse = [&](double rate, const std::string& shown) {
    limits.reconnects_per_second = rate;
    check_refused(limits, error_code::invalid_value,
                  "pool.reconnects_per_second = " + shown + ": must be 0.001..1000000");
  };
  refuse(0.0, "0");
  refuse(0.00095, "0.00095");
  refuse(1'000'000.5, "1000000.5");
  refuse(-1.0, "-1");
  refuse(std::numeric_limits<double>::quiet_NaN(), "nan");
  refuse(std::numeric_limits<double>::infinity(), "inf");
}

TEST_CASE("pool: 0 to 1,000 crashes are healed within 1 ms to 24 h") {
  limited_field{"pool.crash_limit", &pool_limits::crash_limit, 0U, 1'000U, "0..1000"}.check({});
  limited_field{"pool.crash_window", &pool_limits::crash_window, milliseconds{1}, day, any_time}.check({});
}

TEST_CASE("pool: a breaker opens after 1 to 1,000,000 failures, or never") {
  limited_field{"pool.breaker_failures", &pool_limits::breaker_failures, 0U, 1'000'000U, "0..1000000"}.check({});
}

TEST_CASE("pool: no more peers are kept free than may be lent") {
  CHECK(validate(pool_limits{.max_leased = 7, .min_idle = 7}));
  check_refused(pool_limits{.max_leased = 7, .min_idle = 8}, error_code::conflicting_values,
                "pool.min_idle = 8: must be at most pool.max_leased = 7");
}

TEST_CASE("pool: 1 to 1,024 peers are lent for the same endpoints and options, and kept for ever or 1 ms to 24 h") {
  limited_field{"pool.max_leased", &pool_limits::max_leased, 1U, 1'024U, "1..1024"}.check({});
  CHECK(validate(pool_limits{.lease_idle_timeout = 0ms}));
  limited_field{"pool.lease_idle_timeout", &pool_limits::lease_idle_timeout, milliseconds{1}, day,
                "0 (for ever) or 1..86400000 ms"}
      .check({});
}

// -- requests ---------------------------------------------------------------------------------------------------------

TEST_CASE("receive: data are waited for for ever, or 1 ms to 24 h") {
  CHECK(validate(receive{0ms}));
  limited_field{"receive.timeout", &receive::timeout, milliseconds{1}, day, "0 (for ever) or 1..86400000 ms"}.check({});
}

TEST_CASE("streams: the urgency is 0 to 7, wherever it is given") {
  for (const auto urgency : {std::uint8_t{0}, std::uint8_t{7}}) {
    CHECK(validate(open_stream{stream_direction::unidirectional, {urgency, true}}));
    CHECK(validate(prioritize_stream{0, {urgency, false}}));
  }
  const auto text = "priority.urgency = 8: must be 0..7";
  check_refused(open_stream{stream_direction::bidirectional, {8, false}}, error_code::invalid_value, text);
  check_refused(prioritize_stream{4, {8, false}}, error_code::invalid_value, text);
}

TEST_CASE("streams: the direction is one of the named ones") {
  check_refused(open_stream{static_cast<stream_direction>(2), {}}, error_code::invalid_value,
                "open_stream.direction = 2: must be one of bidirectional, unidirectional");
}

TEST_CASE("streams: any but stream 0 may be cut short, with a code of up to 62 bits") {
  constexpr std::uint64_t largest_code = (std::uint64_t{1} << 62U) - 1;
  limited_field{"reset_stream.code", &reset_stream::code, std::uint64_t{0}, largest_code, "0..4611686018427387903"}
      .check({.stream = 4});
  limited_field{"stop_stream.code", &stop_stream::code, std::uint64_t{0}, largest_code, "0..4611686018427387903"}.check(
      {.stream = 4});
  check_refused(reset_stream{}, error_code::invalid_value,
                "reset_stream.stream = 0: must be another than 0, which ends with finish_stream or close");
  check_refused(stop_stream{}, error_code::invalid_value,
                "stop_stream.stream = 0: must be another than 0, which ends with finish_stream or close");
}
