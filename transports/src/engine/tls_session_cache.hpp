#pragma once

#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

namespace actorwire {

/// What a client needs to go on with a session.
struct tls_session {
  /// As GnuTLS packs it.
  std::string data;
  /// When the server was verified. Resuming does not make a session younger.
  time_point since;
  /// What QUIC remembers besides: the limits that early data must keep (RFC 9001, 4.6.3), and a proof of the own address
  /// (RFC 9000, 8.1.3). Empty for TLS over TCP.
  std::string quic_parameters{};
  std::string quic_token{};
  /// The version of QUIC that was agreed on; nothing of the session is good for another (RFC 9369, 5).
  std::uint32_t quic_version = 0;
};

/// Where clients keep the sessions that they may resume. *Thread:* any thread; implementations take care of that.
class tls_session_memory {
public:
  virtual ~tls_session_memory() = default;

  /// Keeps a session with `server`.
  virtual void put(const std::string& server, tls_session session) = 0;

  /// Gives a proof of the own address (RFC 9000, 8.1.3), which came after the ticket, to the youngest session with `server` of
  /// this version of QUIC, if that has none.
  virtual void put_token(const std::string& server, std::uint32_t quic_version, std::string token) = 0;

  /// Hands out a session with `server`, if there is one; to nobody else from then on.
  [[nodiscard]] virtual std::optional<tls_session> take(const std::string& server, time_point now) = 0;
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
  void put(const std::string& server, tls_session session);

  /// As `tls_session_memory::put_token`.
  void put_token(const std::string& server, std::uint32_t quic_version, std::string token);

  /// Hands out the session with `server` that came last, unless it is too old.
  [[nodiscard]] std::optional<tls_session> take(const std::string& server, time_point now);

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

private:
  struct entry {
    std::string server;
    tls_session session;
    /// Counts those that came.
    std::uint64_t number;
  };
  using entries = std::list<entry>;

  void forget(entries::iterator which);
  /// The entry of `server` that came first, or last; the end if there is none.
  [[nodiscard]] entries::iterator first_of(const std::string& server);
  [[nodiscard]] entries::iterator last_of(const std::string& server);

  const std::size_t size_max_;
  const duration lifetime_;
  /// In the order in which they came.
  entries entries_;
  std::unordered_multimap<std::string, entries::iterator> by_server_;
  std::uint64_t next_number_ = 0;
};

} // namespace actorwire
