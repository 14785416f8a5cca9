#pragma once

#include "sha256.hpp"

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace transfer {

/// How one connection does.
struct connection_view {
  actorwire::connection_state state = actorwire::connection_state::idle;
  double bytes_per_second = 0;
  std::chrono::microseconds round_trip{0};
  std::uint32_t reconnects = 0;
  std::uint64_t queued_bytes = 0;
};

/// How the transfer does.
struct progress_view {
  std::chrono::duration<double> elapsed{0};
  std::uint64_t size = 0;
  std::uint64_t stored = 0;
  double bytes_per_second = 0;
  std::vector<connection_view> connections;
};

/// A connection was lost, or could not be made, until it was ready again.
struct outage {
  std::size_t connection = 0;
  /// When it began, since the beginning of the transfer, and how long it was; none while it goes on.
  std::chrono::duration<double> began{0};
  std::optional<std::chrono::duration<double>> lasted;
  actorwire::transport_error reason;
  /// The delay before each attempt to connect.
  std::vector<std::chrono::milliseconds> delays;
};

/// How it ended.
struct summary {
  std::string name;
  std::chrono::duration<double> elapsed{0};
  std::uint64_t size = 0;
  /// What the receiver had from an earlier transfer of the same content.
  std::uint64_t resumed = 0;
  sha256_digest sent{};
  sha256_digest stored{};
  /// The account of all connections.
  actorwire::delivery_totals delivery;
  std::vector<outage> outages;
};

/// Whoever shows or records a transfer. *Thread:* that of the sender.
class observer {
public:
  observer() = default;
  observer(const observer&) = delete;
  observer& operator=(const observer&) = delete;
  virtual ~observer() = default;

  /// Comes often; whoever draws decides how often to draw.
  virtual void update(const progress_view& now) = 0;
  /// A connection waits for its next attempt: the last of `what.delays`.
  virtual void waiting(const outage& what) = 0;
  /// A connection is ready again.
  virtual void recovered(const outage& what) = 0;
  virtual void finished(const summary& result) = 0;
};

/// For people. On a terminal a bar and a line for each connection, redrawn ten times a second, without colours if
/// NO_COLOR is set (https://no-color.org); elsewhere a line every second and one for each event.
[[nodiscard]] std::unique_ptr<observer> make_display(std::FILE* out);

/// For programs: one JSON object on each line.
[[nodiscard]] std::unique_ptr<observer> make_json_log(std::FILE* out);

} // namespace transfer
