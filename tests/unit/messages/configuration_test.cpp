#include "limited_field.hpp"

#include <actorwire/messages/health.hpp>
#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/reconnection_policy.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <chrono>
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
