#include "range_check.hpp"

#include <actorwire/messages/quic_config.hpp>

#include <algorithm>

namespace actorwire {

namespace {

using namespace std::chrono_literals;

// With less than a handful of packets a stream would stop and go even on a short path; no path holds 4 GiB.
constexpr std::uint64_t least_window = std::uint64_t{16} << 10U;
constexpr std::uint64_t largest_stream_window = std::uint64_t{1} << 30U;
constexpr std::uint64_t largest_connection_window = std::uint64_t{4} << 30U;

// One packet of the largest size that UDP has.
constexpr std::size_t least_socket_buffer = std::size_t{64} << 10U;

constexpr std::uint32_t most_half_open = 1'000'000;
constexpr std::size_t longest_file_name = 4'096; // PATH_MAX of Linux.

bool are_different(const std::vector<quic_version>& versions) {
  return std::all_of(versions.begin(), versions.end(),
                     [&](auto each) { return std::count(versions.begin(), versions.end(), each) == 1; });
}

} // namespace

result<void> validate(const quic_config& config) {
  range_check checks{"quic"};
  checks.within("max_streams", config.max_streams, 1, 65'535)
      .zero_or_within("idle_timeout", config.idle_timeout, "off", 100ms, longest_time)
      .within("datagram_send_buffer_size", config.datagram_send_buffer_size, 1'200, most_bytes)
      .within("stream_window", config.stream_window, least_window, largest_stream_window)
      .within("stream_window_max", config.stream_window_max, least_window, largest_stream_window)
      .within("connection_window", config.connection_window, least_window, largest_connection_window)
      .within("connection_window_max", config.connection_window_max, least_window, largest_connection_window)
      .at_most("stream_window", config.stream_window, "stream_window_max", config.stream_window_max)
      .at_most("stream_window", config.stream_window, "connection_window", config.connection_window)
      .at_most("connection_window", config.connection_window, "connection_window_max", config.connection_window_max)
      .named("congestion_control", config.congestion_control)
      .within("versions.size", config.versions.size(), 1, names_of(quic_version{}).size());
  for (const auto each : config.versions)
    checks.named("versions", each);
  return checks.compatible("versions", are_different(config.versions), "must not name one twice")
      .named("migration", config.migration)
      .within("retry_threshold", config.retry_threshold, 0, most_half_open)
      .zero_or_within("socket_buffer_size", config.socket_buffer_size, "the system's default", least_socket_buffer,
                      most_bytes)
      .allowed("qlog_directory", "(not shown)",
               config.qlog_directory.size() <= longest_file_name
                   && config.qlog_directory.find('\0') == std::string::npos,
               "a path of at most 4096 bytes")
      .verdict();
}

} // namespace actorwire
