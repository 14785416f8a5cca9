#pragma once

#include "supervision/backoff.hpp"

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <unordered_map>

namespace actorwire {

/// What a pool still knows of endpoints whose peers were closed, so that a program that closes and acquires in a loop
/// dials no faster than one that waits. Each is forgotten at its time, and before it when there are too many: then the
/// one that would have gone next. *Thread:* shard only.
class dial_memory {
public:
  /// Endpoints that are remembered at most.
  static constexpr std::size_t endpoints_max = 1'024;

  /// Remembers `history` until `until`. Of what is known already, the later instant and the higher number count.
  void keep(const endpoint& remote, const dial_history& history, time_point until, time_point now);

  /// Returns what is known of the endpoint. It stays known: who acquires the same with other options is to wait as well.
  [[nodiscard]] std::optional<dial_history> find(const endpoint& remote, time_point now);

  /// Whatever the endpoint did counts no longer.
  void forget(const endpoint& remote) noexcept;

  /// Endpoints that are remembered, those included whose time is over and that nobody has asked about since.
  [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }

private:
  using queue = std::multimap<time_point, endpoint>;

  struct record {
    dial_history history;
    queue::iterator place;
  };

  void erase(queue::iterator place) noexcept;
  void forget_until(time_point now) noexcept;

  std::unordered_map<endpoint, record> records_;
  /// The next to be forgotten first.
  queue by_end_;
};

} // namespace actorwire
