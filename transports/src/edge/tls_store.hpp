#pragma once

#include "engine/tls_role.hpp"

#include <actorwire/export.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/tls_config.hpp>
#include <actorwire/transports/key_password.hpp>
#include <actorwire/transports/shard.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace actorwire {

class tls_credentials;
struct replay_memory;

/// One set of TLS settings in use, and the credentials that they stand for at present. *Thread:* any thread.
class tls_identity {
public:
  tls_identity(tls_role role, const tls_config& config, std::shared_ptr<const tls_credentials> present)
    : role_(role), config_(config), present_(std::move(present)) {}

  [[nodiscard]] tls_role role() const noexcept { return role_; }
  [[nodiscard]] const tls_config& config() const noexcept { return config_; }

  /// What the next handshake is to use.
  [[nodiscard]] std::shared_ptr<const tls_credentials> present() const {
    const std::lock_guard locked{guard_};
    return present_;
  }

  void replace(std::shared_ptr<const tls_credentials> fresh) {
    const std::lock_guard locked{guard_};
    present_.swap(fresh);
  }

  /// What the listeners for QUIC that are this one remember against replays. It has to last as long as the keys of their
  /// tickets, which one listener may hand out and another be shown. Whoever asks first makes it.
  [[nodiscard]] std::shared_ptr<replay_memory> replays(const std::function<std::shared_ptr<replay_memory>()>& make) {
    const std::lock_guard locked{guard_};
    if (!replays_)
      replays_ = make();
    return replays_;
  }

private:
  const tls_role role_;
  const tls_config config_;
  mutable std::mutex guard_;
  std::shared_ptr<const tls_credentials> present_;
  std::shared_ptr<replay_memory> replays_;
};

/// Makes credentials of settings, once for all connections with equal ones. Files are read on a thread of its own, which
/// runs while there is something to read, so that no shard waits for a disk.
/// *Thread:* any thread. *Lifetime:* destruction waits for a file that is being read, for `patience` at most; questions that
/// are open then stay unanswered.
class tls_store {
public:
  /// Identities that are kept although nobody uses them at present: a peer that is between two connections wants to find
  /// its sessions again.
  static constexpr std::size_t unused_max = 16;

  static constexpr std::chrono::seconds patience{2};

  using answer = result<std::shared_ptr<tls_identity>>;

  ACTORWIRE_EXPORT explicit tls_store(key_password_function ask_password = {});
  ACTORWIRE_EXPORT ~tls_store();

  tls_store(const tls_store&) = delete;
  tls_store& operator=(const tls_store&) = delete;

  /// Names one question; dropping it means that the answer no longer matters. *Thread:* the shard that asked.
  /// *Lifetime:* must be dropped before that shard ends.
  using query = std::shared_ptr<void>;

  /// Finds or makes the identity; `done` is called on `where` in a turn of its own, never before this returns.
  /// *Errors:* `invalid_credentials` and those of `validate`.
  [[nodiscard]] ACTORWIRE_EXPORT query find(tls_role role, const tls_config& config, shard& where,
                                            std::function<void(answer)> done);

  /// Reads all files of an identity again and checks them; then every handshake uses what they hold. After an error the
  /// old credentials stay. A set of settings that nobody uses is read like a new one.
  [[nodiscard]] ACTORWIRE_EXPORT query reload(tls_role role, const tls_config& config, shard& where,
                                              std::function<void(answer)> done);

  /// Finds or makes the identity; reads files on the calling thread, so not on a shard.
  [[nodiscard]] ACTORWIRE_EXPORT answer load(tls_role role, const tls_config& config);

private:
  class state;
  std::shared_ptr<state> state_;
};

} // namespace actorwire
