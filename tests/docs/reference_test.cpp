// reference_test <docs folder>: compares what the documentation tabulates with what the code says.

#include <actorwire/actors/network.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/quic_config.hpp>

#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

namespace {

using namespace actorwire;

int faults = 0;

void expect(bool holds, const std::string& what) {
  if (holds)
    return;
  std::cerr << what << '\n';
  ++faults;
}

std::string read(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string quoted(std::string_view name) {
  return "`" + std::string{name} + "`";
}

/// Every code has the row that its number, kind and retryability ask for.
void check_errors(const std::string& reference) {
  const auto names = names_of(error_code{});
  for (std::size_t number = 1; number < names.size(); ++number) {
    const auto code = static_cast<error_code>(number);
    std::string row = "| " + std::to_string(number) + " | " + quoted(names[number]) + " | ";
    row.append(name_of(kind_of(code))).append(" | ").append(is_retryable(code) ? "yes" : "no").append(" | ");
    expect(reference.find(row) != std::string::npos, "reference.md: no row \"" + row + "\"");
  }
  expect(reference.find("\n| " + std::to_string(names.size()) + " | `") == std::string::npos,
         "reference.md: more codes than there are");
}

/// Each enumeration that programs see is listed with all its names, in order.
template <class E>
void check_names(const std::string& reference) {
  std::string all;
  for (const auto name : names_of(E{}))
    all.append(all.empty() ? "" : ", ").append(quoted(name));
  expect(reference.find(all) != std::string::npos, "reference.md: nowhere " + all);
}

std::string size(std::size_t bytes) {
  if (bytes % (1U << 20U) == 0)
    return std::to_string(bytes >> 20U) + " MiB";
  if (bytes % (1U << 10U) == 0)
    return std::to_string(bytes >> 10U) + " KiB";
  return std::to_string(bytes);
}

std::string time(std::chrono::milliseconds length) {
  if (length.count() % 1'000 == 0)
    return std::to_string(length.count() / 1'000) + " s";
  return std::to_string(length.count()) + " ms";
}

/// Limits are tabulated with their defaults.
void check_limits(const std::string& architecture) {
  const auto row = [&](const std::string& name, const std::string& value) {
    const auto wanted = "| `" + name + "` | " + value + " | ";
    expect(architecture.find(wanted) != std::string::npos, "architecture.md: no row \"" + wanted + "\"");
  };
  const flow_limits flow;
  row("flow_limits::read_credit", size(flow.read_credit));
  row("flow_limits::high_water", size(flow.high_water));
  row("flow_limits::low_water", size(flow.low_water));
  row("flow_limits::write_limit", size(flow.write_limit));
  row("flow_limits::queue_messages", std::to_string(flow.queue_messages));
  row("flow_limits::queue_bytes", size(flow.queue_bytes));
  row("flow_limits::queue_age", time(flow.queue_age));
  const framing_config framing;
  row("framing_config::max_frame_size", size(framing.max_frame_size));
  row("framing_config::partial_frame_timeout", time(framing.partial_frame_timeout));
  const transport_config transport;
  row("transport_config::connect_timeout", time(transport.connect_timeout));
  row("transport_config::attempt_timeout", time(transport.attempt_timeout));
  row("transport_config::operation_timeout", time(transport.operation_timeout));
  row("transport_config::keepalive_interval", time(transport.keepalive_interval));
  row("transport_config::keepalive_timeout", time(transport.keepalive_timeout));
  const pool_limits pool;
  row("pool_limits::max_connections", std::to_string(pool.max_connections));
  row("pool_limits::max_connecting", std::to_string(pool.max_connecting));
  row("pool_limits::reconnects_per_second", std::to_string(static_cast<int>(pool.reconnects_per_second)));
  row("pool_limits::reconnect_burst", std::to_string(pool.reconnect_burst));
  row("pool_limits::breaker_failures", std::to_string(pool.breaker_failures));
  row("pool_limits::max_leased", std::to_string(pool.max_leased));
  row("pool_limits::lease_idle_timeout", time(pool.lease_idle_timeout));
  row("pool_limits::crash_limit", std::to_string(pool.crash_limit) + " in " + time(pool.crash_window));
  const listen_config listening;
  row("listen_config::backlog", std::to_string(listening.backlog));
  row("listen_config::max_connections", std::to_string(listening.max_connections));
  row("listen_config::max_connections_per_address", std::to_string(listening.max_connections_per_address));
  row("listen_config::max_handshakes", std::to_string(listening.max_handshakes));
  row("listen_config::max_handshakes_per_address", std::to_string(listening.max_handshakes_per_address));
  const network_options network;
  const quic_config quic;
  row("quic_config::max_streams", std::to_string(quic.max_streams));
  row("quic_config::datagram_send_buffer_size", size(quic.datagram_send_buffer_size));
  row("quic_config::idle_timeout", time(quic.idle_timeout));
  row("network_options::memory_limit", size(network.memory_limit));
  row("network_options::drain_timeout", time(network.drain_timeout));
  row("resolver::waiting_max", std::to_string(resolver::waiting_max));
  row("resolver::lookup_timeout",
      time(std::chrono::duration_cast<std::chrono::milliseconds>(resolver::lookup_timeout)));
  row("resolver::hung_after", time(std::chrono::duration_cast<std::chrono::milliseconds>(resolver::hung_after)));
  row("resolver::hung_threads_max", std::to_string(resolver::hung_threads_max));
  row("resolver::addresses_per_family_max", std::to_string(resolver::addresses_per_family_max));
}

} // namespace

int main(int, char** argv) {
  const std::string folder = argv[1];
  const auto reference = read(folder + "/reference.md");
  check_errors(reference);
  check_names<error_kind>(reference);
  check_names<phase>(reference);
  check_names<origin>(reference);
  check_names<connection_state>(reference);
  check_names<outcome>(reference);
  check_names<when_down>(reference);
  check_names<overflow_policy>(reference);
  check_names<message_report>(reference);
  check_names<credit_mode>(reference);
  check_names<close_mode>(reference);
  check_names<framing_mode>(reference);
  check_names<stream_direction>(reference);
  check_names<stream_half>(reference);
  check_names<datagram_outcome>(reference);
  check_names<quic_version>(reference);
  check_names<quic_congestion_control>(reference);
  check_names<quic_migration>(reference);
  check_names<ecn_state>(reference);
  check_names<tls_version>(reference);
  check_names<client_certificates>(reference);
  check_names<pool_change>(reference);
  check_names<protocol>(reference);
  check_names<permanent_error_policy>(reference);
  check_limits(read(folder + "/architecture.md"));
  return faults == 0 ? 0 : 1;
}
