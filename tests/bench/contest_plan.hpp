#pragma once

#include "arguments.hpp"
#include "contest.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::bench {

/// What every contest takes from its command line.
struct contest_plan {
  contest_options contest;
  /// Size of the messages of a stream, bytes.
  std::size_t chunk_size = 65'536;
  /// Where the one side runs that profilers want alone; -1: anywhere.
  int cpu = -1;
  /// Whether curves over connections and sizes are wanted, which take long.
  bool has_curves = false;
  /// Whether calls are to be counted, and in how many messages.
  bool has_counts = false;
  std::uint64_t counted_messages = 4'000;
  std::vector<std::size_t> curve_connections{1, 10, 100, 1'000, 10'000};
  std::vector<std::size_t> curve_sizes{64, 1'024, 16'384, 65'536, 262'144, 1'048'576};

  /// Takes an option that all contests share, or throws `usage_error`.
  void take(std::string_view option, arguments& words);
  /// As little as proves that everything works.
  void make_smoke();
};

/// How a contest is used. `options` are the lines of those that it does not share, `sides` of what runs one side alone.
[[nodiscard]] std::string contest_usage(std::string_view name, std::string_view options, std::string_view sides);

/// The one of `rivals` that the user means.
template <class Rivals>
[[nodiscard]] const typename Rivals::value_type* find_rival(const Rivals& rivals, std::string_view option) {
  const auto found = std::ranges::find(rivals, option, &Rivals::value_type::option);
  if (found == rivals.end())
    throw usage_error("unknown rival '" + std::string{option} + "'");
  return &*found;
}

} // namespace actorwire::bench
