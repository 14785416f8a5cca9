#include "returning_peers.hpp"

#include <algorithm>
#include <cstdio>

namespace actorwire::bench {

void returning_peers::take(std::string_view option, arguments& words) {
  if (option == "--peers")
    peers = words.number(1U, 25'000U);
  else if (option == "--base-delay")
    base_delay = std::chrono::milliseconds{words.number(1, 30'000)};
  else if (option == "--rate")
    rate = words.number(0.001, 1e6);
  else if (option == "--burst")
    burst = words.number(1U, 1'000'000U);
  else
    words.refuse();
}

void returning_peers::fit_into_limits() {
  needed = peers;
  peers = static_cast<std::uint32_t>(affordable_connections(peers));
}

bool returning_peers::judge_number() const {
  if (peers == needed)
    return true;
  std::printf("  promise SHORT    %u peers, where %u are needed: allow more open files, or say --peers %u\n", peers,
              needed, peers);
  return false;
}

pool_limits returning_peers::limits() const {
  pool_limits result;
  result.max_connections = peers;
  result.reconnects_per_second = rate;
  result.reconnect_burst = burst;
  return result;
}

reconnection_policy returning_peers::policy() const {
  reconnection_policy result;
  result.base_delay = base_delay;
  return result;
}

std::size_t most_in_a_second(std::vector<steady_clock::time_point> times) {
  std::ranges::sort(times);
  std::size_t most = 0;
  for (auto first = times.begin(), last = times.begin(); last != times.end(); ++last) {
    while (*last - *first >= std::chrono::seconds{1})
      ++first;
    most = std::max(most, static_cast<std::size_t>(last - first) + 1);
  }
  return most;
}

} // namespace actorwire::bench
