// Which peer of its group an acquire gets.

#include "supervision/pool.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <tuple>

namespace actorwire {

namespace {

/// The lower, the sooner it is chosen.
int rank_of(connection_state state) noexcept {
  if (state == connection_state::ready || state == connection_state::degraded)
    return 0;
  return state == connection_state::failed ? 2 : 1;
}

} // namespace

result<acquired> pool::acquire(const endpoint& remote, const acquire_options& options, time_point now,
                               const std::vector<endpoint>& alternatives) {
  entry* best = nullptr;
  std::uint32_t members = 0;
  auto least_handed_out = std::numeric_limits<std::uint32_t>::max();
  if (const auto known = options_.find(options)) {
    const auto [first, last] = listed_.equal_range(key{remote, alternatives, known.get()});
    for (auto position = first; position != last; ++position) {
      auto* peer = *position;
      ++members;
      least_handed_out = std::min(least_handed_out, peer->handed_out);
      if (best == nullptr || is_better(*peer, *best))
        best = peer;
    }
  }
  if (best != nullptr && (members >= options.max_per_endpoint || entries_.size() >= limits_.max_connections)) {
    if (best->handed_out < std::numeric_limits<std::uint32_t>::max())
      ++best->handed_out;
    return acquired{best->id, false};
  }
  const auto made = make_peer(remote, options, now, alternatives);
  if (!made)
    return made.error();
  auto& peer = **made;
  // One that comes late does not get everything until it has been handed out as often as the others were in their lives.
  peer.handed_out = best != nullptr ? least_handed_out : 1;
  if (options.max_per_endpoint > 1)
    peer.gauge = std::make_shared<load_gauge>();
  listed_.insert(&peer);
  peer.is_listed = true;
  return acquired{peer.id, true};
}

std::shared_ptr<load_gauge> pool::gauge(connection_id id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.gauge;
}

bool pool::is_better(const entry& left, const entry& right) noexcept {
  const auto merit = [](const entry& peer) {
    return std::tuple{rank_of(peer.state), peer.gauge != nullptr ? peer.gauge->bytes() : 0, peer.handed_out, peer.id};
  };
  return merit(left) < merit(right);
}

} // namespace actorwire
