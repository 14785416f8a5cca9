// reference_test <docs folder>: compares what the documentation tabulates with what the code says.

#include "frame_vectors.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events_missed.hpp>
#include <actorwire/messages/quic_config.hpp>

// Of these only constants are used, which need no part of the library that a shared one would hide.
#include "channel/wire.hpp"
#include "edge/tls_store.hpp"
#include "engine/name_memory.hpp"
#include "pool_census.hpp"
#include "supervision/endpoint_book.hpp"
#include "supervision/lease_book.hpp"
#include "supervision/winner_memory.hpp"
#if ACTORWIRE_WITH_TLS
#  include "engine/tls_engine.hpp"
#endif
#if ACTORWIRE_WITH_QUIC
#  include "edge/quic/qlog_file.hpp"
#  include "edge/quic/quic_group.hpp"
#  include "edge/quic/replay_memory.hpp"
#  include "edge/quic/udp_send_queue.hpp"
#  include "engine/quic/quic_connection.hpp"
#endif

#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

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

std::string size(std::uint64_t bytes) {
  constexpr auto half = std::uint64_t{512} << 10U;
  if (bytes > 2 * half && bytes % half == 0)
    return std::to_string(bytes >> 20U) + (bytes % (2 * half) == 0 ? " MiB" : ".5 MiB");
  if (bytes % (2 * half) == 0)
    return std::to_string(bytes >> 20U) + " MiB";
  if (bytes % (1U << 10U) == 0)
    return std::to_string(bytes >> 10U) + " KiB";
  return std::to_string(bytes);
}

template <class Rep, class Period>
std::string time(std::chrono::duration<Rep, Period> length) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(length).count();
  if (count % 1'000 == 0)
    return std::to_string(count / 1'000) + " s";
  return std::to_string(count) + " ms";
}

std::string minutes(std::chrono::minutes length) {
  return std::to_string(length.count()) + " min";
}

/// The table of limits, whose first column names what bounds something, and whose second says how much it is.
class limits_table {
public:
  explicit limits_table(const std::string& architecture) {
    std::istringstream lines{architecture};
    auto is_inside = false;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("## "))
        is_inside = line == "## Limits";
      const auto name_end = line.find(" | ", 2);
      if (!is_inside || !line.starts_with("| ") || name_end == std::string::npos)
        continue;
      const auto value_end = line.find(" | ", name_end + 3);
      rows_.push_back({line.substr(2, name_end - 2), line.substr(name_end + 3, value_end - name_end - 3)});
    }
  }

  /// The row that names this limit, and perhaps others, has these values.
  void expect_row(const std::string& name, const std::string& values) {
    for (auto& each : rows_)
      if (each.name.find(quoted(name)) != std::string::npos) {
        each.was_compared = true;
        expect(each.values == values, std::string{"architecture.md: "}
                                          .append(name)
                                          .append(" is not ")
                                          .append(each.values)
                                          .append(" but ")
                                          .append(values));
        return;
      }
    expect(false, "architecture.md: no row for " + name);
  }

  /// Whatever the table names was compared with what it names.
  void expect_complete() const {
    for (const auto& each : rows_)
      expect(each.was_compared || each.name.find("::") == std::string::npos, "nobody compares the row " + each.name);
  }

private:
  struct row {
    std::string name;
    std::string values;
    bool was_compared = false;
  };

  std::vector<row> rows_;
};

void check_settings(limits_table& table) {
  const auto row = [&](const std::string& name, const std::string& values) { table.expect_row(name, values); };
  const flow_limits flow;
  row("flow_limits::read_credit", size(flow.read_credit));
  row("flow_limits::high_water", size(flow.high_water));
  row("flow_limits::low_water", size(flow.low_water));
  row("flow_limits::write_limit", size(flow.write_limit));
  row("flow_limits::queue_messages", std::to_string(flow.queue_messages));
  row("flow_limits::queue_bytes", size(flow.queue_bytes));
  row("flow_limits::queue_age", time(flow.queue_age));
  row("flow_limits::degraded_age", std::to_string(flow.degraded_age.count()));
  row("flow_limits::open_calls", std::to_string(flow.open_calls));
  const framing_config framing;
  row("framing_config::max_frame_size", size(framing.max_frame_size));
  row("framing_config::partial_frame_timeout", time(framing.partial_frame_timeout));
  const transport_config transport;
  row("transport_config::connect_timeout", time(transport.connect_timeout));
  row("transport_config::attempt_timeout", time(transport.attempt_timeout));
  row("transport_config::fallback_delay", time(transport.fallback_delay));
  row("transport_config::operation_timeout", time(transport.operation_timeout));
  row("transport_config::keepalive_interval", time(transport.keepalive_interval));
  row("transport_config::keepalive_timeout", time(transport.keepalive_timeout));
  row("tls_config::session_cache_size", std::to_string(transport.tls.session_cache_size));
  const probe_policy probing;
  row("probe_policy::failures_to_degrade", std::to_string(probing.failures_to_degrade));
  row("probe_policy::failures_to_fail", std::to_string(probing.failures_to_fail));
  const pool_limits pool;
  row("pool_limits::max_connections", std::to_string(pool.max_connections));
  row("pool_limits::max_connecting", std::to_string(pool.max_connecting));
  row("pool_limits::reconnects_per_second", std::to_string(static_cast<int>(pool.reconnects_per_second)));
  row("pool_limits::reconnect_burst", std::to_string(pool.reconnect_burst));
  row("pool_limits::breaker_failures", std::to_string(pool.breaker_failures));
  row("pool_limits::max_leased", std::to_string(pool.max_leased));
  row("pool_limits::min_idle", std::to_string(pool.min_idle));
  row("pool_limits::lease_idle_timeout", time(pool.lease_idle_timeout));
  row("pool_limits::crash_limit", std::to_string(pool.crash_limit) + " in " + time(pool.crash_window));
  row("acquire_options::max_per_endpoint", std::to_string(acquire_options{}.max_per_endpoint));
  const listen_config listening;
  row("listen_config::backlog", std::to_string(listening.backlog));
  row("listen_config::max_connections", std::to_string(listening.max_connections));
  row("listen_config::max_connections_per_address", std::to_string(listening.max_connections_per_address));
  row("listen_config::max_handshakes", std::to_string(listening.max_handshakes));
  row("listen_config::max_handshakes_per_address", std::to_string(listening.max_handshakes_per_address));
  row("listen_config::sessions_max", std::to_string(listening.sessions_max));
  row("listen_config::parked_bytes_max", size(listening.parked_bytes_max));
  row("listen_config::session_keep", time(listening.session_keep));
  const session_config session;
  row("session_config::replay_messages", std::to_string(session.replay_messages));
  row("session_config::replay_bytes", size(session.replay_bytes));
  const quic_config quic;
  row("quic_config::max_streams", std::to_string(quic.max_streams));
  row("quic_config::stream_window", size(quic.stream_window) + ", " + size(quic.connection_window));
  row("quic_config::stream_window_max", size(quic.stream_window_max) + ", " + size(quic.connection_window_max));
  row("quic_config::datagram_send_buffer_size", size(quic.datagram_send_buffer_size));
  row("quic_config::idle_timeout", time(quic.idle_timeout));
  const network_options network;
  row("network_options::memory_limit", size(network.memory_limit));
  row("network_options::drain_timeout", time(network.drain_timeout));
}

/// What nobody can set.
void check_constants(limits_table& table) {
  const auto row = [&](const std::string& name, const std::string& values) { table.expect_row(name, values); };
  row("batch_messages_max", std::to_string(batch_messages_max));
  row("events_owed_max", std::to_string(events_owed_max));
  row("refusal_text_max", std::to_string(refusal_text_max));
  row("endpoints_per_peer_max", std::to_string(endpoints_per_peer_max));
  row("histogram::bucket_count_max", std::to_string(histogram::bucket_count_max));
  row("winner_memory::lifetime", minutes(std::chrono::duration_cast<std::chrono::minutes>(winner_memory::lifetime)));
  row("endpoint_book::endpoints_max", std::to_string(endpoint_book::endpoints_max));
  row("endpoint_book::changes_max", std::to_string(endpoint_book::changes_max));
  row("lease_book::waiters_max", std::to_string(lease_book::waiters_max));
  row("pool_census::waiting_max", std::to_string(pool_census::waiting_max));
  row("wire::events_max", std::to_string(wire::events_max));
  row("wire::read_ahead_max", size(wire::read_ahead_max));
#if ACTORWIRE_WITH_TLS
  row("tls_engine::handshake_bytes_max", size(tls_engine::handshake_bytes_max));
#endif
  row("tls_store::unused_max", std::to_string(tls_store::unused_max));
  row("resolver::waiting_max", std::to_string(resolver::waiting_max));
  row("resolver::lookup_timeout", time(resolver::lookup_timeout));
  row("resolver::hung_after", time(resolver::hung_after));
  row("resolver::look_again_after", time(resolver::look_again_after));
  row("resolver::hung_threads_max", std::to_string(resolver::hung_threads_max));
  row("resolver::addresses_per_family_max", std::to_string(resolver::addresses_per_family_max));
  row("name_memory::names_max", std::to_string(name_memory::names_max) + ", "
                                    + minutes(std::chrono::duration_cast<std::chrono::minutes>(name_memory::lifetime)));
#if ACTORWIRE_WITH_QUIC
  row("quic_connection::waiting_datagrams_max", std::to_string(quic_connection::waiting_datagrams_max));
  row("udp_send_queue::bytes_max", size(udp_send_queue::bytes_max));
  row("quic_group::strays_max", std::to_string(quic_group::strays_max));
  row("replay_memory::tokens_max", std::to_string(replay_memory::tokens_max));
  row("qlog_folder::files_max", std::to_string(qlog_folder::files_max) + ", " + size(qlog_file::bytes_max));
  table.expect_complete();
#endif
}

/// The frames that are shown are those that the tests of the decoder run.
void check_frames(const std::string& framing) {
  const auto shown = [&](std::string_view what) {
    expect(framing.find(what) != std::string::npos, "framing.md: nowhere " + std::string{what});
  };
  for (const auto& each : test::frame_vectors)
    shown("| `" + std::string{each.hex} + "` |");
  for (const auto& each : test::malformed_vectors)
    shown("| `" + std::string{each.hex} + "` | " + std::string{each.text} + " |");
  const auto kinds = names_of(frame_kind{});
  for (std::size_t number = 0; number < kinds.size(); ++number)
    shown("| " + std::to_string(number) + " | " + std::string{kinds[number]} + " |");
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
  check_names<session_mode>(reference);
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
  check_names<health_cause>(reference);
  check_names<health_change>(reference);
  check_names<protocol>(reference);
  check_names<permanent_error_policy>(reference);
  check_names<listener_change>(reference);
  limits_table table{read(folder + "/architecture.md")};
  check_settings(table);
  check_constants(table);
  check_frames(read(folder + "/framing.md"));
  return faults == 0 ? 0 : 1;
}
