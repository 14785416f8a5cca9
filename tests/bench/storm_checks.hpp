#pragma once

#include "posix.hpp"
#include "storm_log.hpp"

#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/reconnection_policy.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::bench {

/// A statement that holds or not, which it prints. Returns whether no promise is broken by it: an aim is none.
bool judge(bool holds, std::string_view kind, const std::string& text);

/// As `std::snprintf` does.
[[nodiscard]] std::string text_of(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

/// Holds one storm against what the policies promise: by what the peers were told, and by whom the server has accepted.
class storm_checks {
public:
  struct storm {
    std::size_t peers = 0;
    pool_limits pool;
    reconnection_policy policy;
    /// Whether the gate held nobody back.
    bool is_open = false;
    /// What statements are that the machine can break: "promise" or "aim".
    std::string_view measured;
    steady_clock::time_point killed_at;
    /// When the new server was known to listen.
    steady_clock::time_point back_at;
    /// How many the new server has accepted, and when.
    std::size_t accepted = 0;
    std::vector<steady_clock::time_point> accept_times;
  };

  storm_checks(storm what, const storm_log& log);

  /// Prints all of it. Returns whether all promises were kept.
  [[nodiscard]] bool run() const;

private:
  [[nodiscard]] bool check_count() const;
  [[nodiscard]] bool check_spread() const;
  [[nodiscard]] bool check_lateness() const;
  [[nodiscard]] bool check_rate() const;
  [[nodiscard]] bool check_time() const;

  /// How long there was no server, seconds.
  [[nodiscard]] double gap() const;
  /// Attempts that can have found nobody: of one peer in a row, and of all together.
  [[nodiscard]] double most_failures_in_a_row() const;
  [[nodiscard]] double most_failures() const;

  storm what_;
  const storm_log& log_;
};

} // namespace actorwire::bench
