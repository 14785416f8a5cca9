#pragma once

#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

namespace actorwire {

/// Where clients keep the sessions that they may resume. *Thread:* any thread; implementations take care of that.
class tls_session_memory {
public:
  virtual ~tls_session_memory() = default;

  /// Keeps a session with `server`.
  virtual void put(const std::string& server, std::string session, time_point now) = 0;

  /// Hands out a session with `server`, if there is one; to nobody else from then on.
  [[nodiscard]] virtual std::optional<std::string> take(const std::string& server, time_point now) = 0;
};

/// The sessions that clients with the same settings may resume. Each is handed out once, because a ticket that is used
/// twice lets an onlooker connect the two uses (RFC 8446, appendix C.4).
/// *Thread:* one at a time.
class tls_session_cache {
public:
  /// Sessions of one server that are kept: servers send two at a time.
  static constexpr std::size_t sessions_per_server = 4;

  tls_session_cache(std::size_t size_max, duration lifetime) : size_max_(size_max), lifetime_(lifetime) {}

  /// Keeps a session with `server`; beyond the limits the oldest are forgotten.
  void put(const std::string& server, std::string session, time_point now);

  /// Hands out the newest session with `server`, if there is one that is not too old.
  [[nodiscard]] std::optional<std::string> take(const std::string& server, time_point now);

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

private:
  struct entry {
    std::string server;
    std::string session;
    time_point since;
  };
  using entries = std::list<entry>;

  void forget(entries::iterator which);

  const std::size_t size_max_;
  const duration lifetime_;
  /// The oldest first.
  entries entries_;
  std::unordered_multimap<std::string, entries::iterator> by_server_;
};

} // namespace actorwire
