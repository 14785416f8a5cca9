#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/ip_address.hpp>
#include <actorwire/transports/shard.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace actorwire {

/// Turns names into addresses without blocking a shard: look-ups run on a few threads of their own, started when the
/// first name is asked for. Names that are numeric addresses are answered without them.
/// *Thread:* any thread. *Lifetime:* destruction does not wait for a look-up that the system keeps hanging; questions
/// that are open then stay unanswered.
class resolver {
public:
  /// The addresses in order of preference, at least one; or `resolve_failed`.
  using answer = result<std::vector<ip_address>>;
  /// The blocking look-up, `getaddrinfo` by default; passed in by tests. *Thread:* called by several at once.
  using lookup_function = std::function<answer(const std::string& host)>;

  /// Questions that wait for a thread; further ones are answered with `resolve_failed`, which names this limit.
  static constexpr std::size_t waiting_max = 1'024;

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

  /// Looks `host` up; `done` is called on `where` in a turn of its own, never before this returns.
  [[nodiscard]] ACTORWIRE_EXPORT query resolve(const std::string& host, shard& where, std::function<void(answer)> done);

private:
  class worker_pool;
  std::shared_ptr<worker_pool> workers_;
};

} // namespace actorwire
