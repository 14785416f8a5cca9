#include "tls_session_cache.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace actorwire {

void tls_session_cache::put(const std::string& server, tls_session session) {
  if (by_server_.count(server) >= sessions_per_server)
    forget(first_of(server));
  else if (entries_.size() >= size_max_)
    forget(entries_.begin());
  entries_.push_back({server, std::move(session), next_number_++});
  by_server_.emplace(server, std::prev(entries_.end()));
}

void tls_session_cache::put_token(const std::string& server, std::uint32_t quic_version, std::string token) {
  const auto found = last_of(server);
  if (found != entries_.end() && found->session.quic_version == quic_version && found->session.quic_token.empty())
    found->session.quic_token = std::move(token);
}

std::optional<tls_session> tls_session_cache::take(const std::string& server, time_point now) {
  const auto is_too_old = [&](const entry& each) { return now - each.session.since >= lifetime_; };
  while (!entries_.empty() && is_too_old(entries_.front()))
    forget(entries_.begin());
  // One that came late may be that of a session that was resumed over and over.
  for (auto found = last_of(server); found != entries_.end(); found = last_of(server)) {
    const auto is_good = !is_too_old(*found);
    auto session = std::move(found->session);
    forget(found);
    if (is_good)
      return session;
  }
  return std::nullopt;
}

tls_session_cache::entries::iterator tls_session_cache::first_of(const std::string& server) {
  const auto [first, last] = by_server_.equal_range(server);
  const auto found = std::min_element(first, last, [](const auto& left, const auto& right) {
    return left.second->number < right.second->number;
  });
  return found == last ? entries_.end() : found->second;
}

tls_session_cache::entries::iterator tls_session_cache::last_of(const std::string& server) {
  const auto [first, last] = by_server_.equal_range(server);
  const auto found = std::max_element(first, last, [](const auto& left, const auto& right) {
    return left.second->number < right.second->number;
  });
  return found == last ? entries_.end() : found->second;
}

void tls_session_cache::forget(entries::iterator which) {
  const auto [first, last] = by_server_.equal_range(which->server);
  by_server_.erase(std::find_if(first, last, [which](const auto& each) { return each.second == which; }));
  entries_.erase(which);
}

} // namespace actorwire
