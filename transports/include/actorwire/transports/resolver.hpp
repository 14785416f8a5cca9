#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/ip_address.hpp>
#include <actorwire/transports/shard.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace actorwire {

class lookup_pool;

/// Turns names into addresses without blocking a shard: look-ups run on a few threads of their own, started when the
/// first name is asked for. Names that are numeric addresses are answered without them.
///
/// Every question has a name looked up anew, unless that name is being looked up already: then it waits for the same
/// answer. The last good answer is remembered and used only where the look-up fails or takes too long, and whoever asked
/// is told so (`resolution::stale_because`). An answer that the name does not exist is one, and what was remembered is
/// forgotten (RFC 8767, 4).
///
/// A look-up that the system keeps hanging blocks nobody for longer than `lookup_timeout`: its questions are answered from
/// memory or with an error, and after `hung_after` another thread takes its place, as long as no more than
/// `hung_threads_max` hang. Of one name two look-ups run; a third when the second has run for `look_again_after`, and each
/// further one after twice the time, as long as half of those threads are left for other names. So one that hangs for ever
/// neither takes all threads nor keeps the name from being found later.
/// *Thread:* any thread. *Limits:* a resolver has `max_threads` and `hung_threads_max` threads at most, and a network one
/// resolver. *Lifetime:* destruction does not wait for a look-up that the system keeps hanging, and its thread stays for as
/// long as that; questions that are open then are answered when their time is over.
class resolver {
public:
  /// What a look-up finds: addresses in order of preference; or `name_unknown` if there is no such name or it has no
  /// address, and `resolve_failed` if that could not be found out.
  using answer = result<std::vector<ip_address>>;
  /// The blocking look-up, `getaddrinfo` by default; passed in by tests. *Thread:* called by several at once. *Errors:* what
  /// it throws is `resolve_failed`.
  using lookup_function = std::function<answer(const std::string& host)>;

  /// What is dialled.
  struct resolution {
    /// In order of preference, at least one.
    std::vector<ip_address> addresses;
    /// Why the look-up failed, if it did: then the addresses are those of an earlier one, at most 10 minutes old.
    std::optional<transport_error> stale_because{};

    friend bool operator==(const resolution&, const resolution&) = default;
  };
  using resolved = result<resolution>;

  /// What was done so far.
  struct figures {
    /// Look-ups that began.
    std::uint64_t lookups = 0;
    /// Questions that waited for a look-up that ran for another one.
    std::uint64_t joined = 0;
    /// Questions that were answered with the addresses of an earlier look-up.
    std::uint64_t stale = 0;
    /// Questions that were answered with an error.
    std::uint64_t failed = 0;
    /// Look-ups that have been running for longer than `hung_after`.
    std::uint32_t hung = 0;

    friend bool operator==(const figures&, const figures&) = default;
  };

  /// Names that wait for a thread; further ones are answered with `resolve_failed`, which names this limit.
  static constexpr std::size_t waiting_max = 1'024;
  /// Longest time until a question is answered. Resolvers wait for 5 s before they turn from one server to the next
  /// (resolv.conf(5)), so one that is down need not make a look-up fail.
  static constexpr duration lookup_timeout = std::chrono::seconds{8};
  /// Time after which a look-up does not count among the threads any more. A name service that is well is far quicker, and
  /// questions that wait for a thread have time left.
  static constexpr duration hung_after = std::chrono::seconds{2};
  /// How long the second look-up of a name has to hang until there is a third; for each further one twice as long.
  static constexpr duration look_again_after = std::chrono::seconds{30};
  /// Threads beside the others that may hang in look-ups.
  static constexpr std::size_t hung_threads_max = 28;
  /// Addresses of a family, of one name; further ones are dropped. Both families are kept, so that they can take turns.
  static constexpr std::size_t addresses_per_family_max = 32;

  explicit ACTORWIRE_EXPORT resolver(lookup_function lookup = {}, std::size_t max_threads = 4);
  ACTORWIRE_EXPORT ~resolver();

  resolver(const resolver&) = delete;
  resolver& operator=(const resolver&) = delete;

  /// Names one question; dropping it means that the answer no longer matters, and it is then not delivered.
  /// *Thread:* the shard that asked. *Lifetime:* must be dropped before that shard ends.
  class query {
  public:
    query() = default;

  private:
    friend class resolver;
    std::shared_ptr<void> interest_;
  };

  /// Looks `host` up; `done` is called on `where` in a turn of its own, never before this returns, and within `patience`,
  /// which is no more than `lookup_timeout`.
  [[nodiscard]] ACTORWIRE_EXPORT query resolve(const std::string& host, shard& where,
                                               std::function<void(const resolved&)> done,
                                               duration patience = lookup_timeout);

  /// *Thread:* any thread.
  [[nodiscard]] ACTORWIRE_EXPORT figures counts() const;

private:
  class question;

  std::shared_ptr<lookup_pool> lookups_;
};

} // namespace actorwire
