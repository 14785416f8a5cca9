#include "tls_session_cache.hpp"

#include <iterator>
#include <utility>

namespace actorwire {

void tls_session_cache::put(const std::string& server, std::string session, time_point now) {
  if (by_server_.count(server) >= sessions_per_server) {
    const auto [first, last] = by_server_.equal_range(server);
    auto oldest = first;
    for (auto position = first; position != last; ++position)
      if (position->second->since < oldest->second->since)
        oldest = position;
    forget(oldest->second);
  } else if (entries_.size() >= size_max_) {
    forget(entries_.begin());
  }
  entries_.push_back({server, std::move(session), now});
  by_server_.emplace(server, std::prev(entries_.end()));
}

std::optional<std::string> tls_session_cache::take(const std::string& server, time_point now) {
  while (!entries_.empty() && now - entries_.front().since >= lifetime_)
    forget(entries_.begin());
  const auto [first, last] = by_server_.equal_range(server);
  if (first == last)
    return std::nullopt;
  auto newest = first;
  for (auto position = first; position != last; ++position)
    if (position->second->since >= newest->second->since)
      newest = position;
  auto session = std::move(newest->second->session);
  entries_.erase(newest->second);
  by_server_.erase(newest);
  return session;
}

void tls_session_cache::forget(entries::iterator which) {
  const auto [first, last] = by_server_.equal_range(which->server);
  for (auto position = first; position != last; ++position) {
    if (position->second == which) {
      by_server_.erase(position);
      break;
    }
  }
  entries_.erase(which);
}

} // namespace actorwire
