#include "tls_store.hpp"

#include "engine/tls_credentials.hpp"
#include "quiet_thread.hpp"
#include "shard_answer.hpp"
#include "tls_files.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <deque>
#include <list>
#include <optional>
#include <system_error>
#include <utility>

namespace actorwire {

namespace {

using interest = shard_answer<tls_store::answer>;

/// Sessions that the connections of all shards share.
class shared_sessions final : public tls_session_memory {
public:
  explicit shared_sessions(const tls_config& config) : sessions_(config.session_cache_size, config.session_lifetime) {}

  void put(const std::string& server, tls_session session) override {
    const std::lock_guard locked{guard_};
    sessions_.put(server, std::move(session));
  }
  void put_token(const std::string& server, std::uint32_t quic_version, std::string token) override {
    const std::lock_guard locked{guard_};
    sessions_.put_token(server, quic_version, std::move(token));
  }
  std::optional<tls_session> take(const std::string& server, time_point now) override {
    const std::lock_guard locked{guard_};
    return sessions_.take(server, now);
  }

private:
  std::mutex guard_;
  tls_session_cache sessions_;
};

result<std::shared_ptr<const tls_credentials>> read_credentials(tls_role role, const tls_config& config,
                                                                const key_password_function& ask_password) {
  if (auto checked = validate(config); !checked)
    return checked.error();
  auto material = read_tls_material(config);
  if (!material)
    return material.error();
  auto log = open_key_log(config);
  if (!log)
    return log.error();
  tls_services services{ask_password, nullptr, std::move(*log)};
  if (role == tls_role::client)
    services.sessions = std::make_shared<shared_sessions>(config);
  return tls_credentials::make(role, config, *material, std::move(services), std::time(nullptr));
}

void warn_of_insecurity(const tls_config& config) {
  if (std::holds_alternative<insecure_no_verification>(config.verification))
    std::fputs("actorwire: warning: TLS connections do not verify the other side (insecure_no_verification)\n", stderr);
}

} // namespace

/// What the store and its thread share: the thread may outlive the store.
class tls_store::state : public std::enable_shared_from_this<state> {
public:
  explicit state(key_password_function ask_password) : ask_password_(std::move(ask_password)) {}

  [[nodiscard]] std::shared_ptr<tls_identity> find(tls_role role, const tls_config& config) {
    const std::lock_guard locked{guard_};
    return find_locked(role, config);
  }

  answer load(tls_role role, const tls_config& config) {
    if (auto found = find(role, config))
      return found;
    auto fresh = read_credentials(role, config, ask_password_);
    if (!fresh)
      return fresh.error();
    if (role == tls_role::client)
      warn_of_insecurity(config);
    auto made = std::make_shared<tls_identity>(role, config, std::move(*fresh));
    const std::lock_guard locked{guard_};
    // Another thread may have been as fast; then its identity is the one.
    if (auto found = find_locked(role, config))
      return found;
    forget_unused();
    identities_.push_front(made);
    return made;
  }

  answer reload(tls_role role, const tls_config& config) {
    auto found = find(role, config);
    if (!found)
      return load(role, config);
    auto fresh = read_credentials(role, config, ask_password_);
    if (!fresh)
      return fresh.error();
    found->replace(std::move(*fresh));
    return found;
  }

  void ask(std::function<answer(state&)> work, const std::shared_ptr<interest>& who) {
    {
      const std::lock_guard locked{guard_};
      questions_.push_back({std::move(work), who});
      if (is_running_)
        return;
      is_running_ = true;
    }
    try {
      start_quiet_thread([self = shared_from_this()] { self->run(); });
    } catch (const std::system_error&) {
      refuse_all();
    }
  }

  /// Waits for what is being read, within reason: at the end of a program GnuTLS is taken down below the thread.
  void stop() {
    std::unique_lock locked{guard_};
    questions_.clear();
    ended_.wait_for(locked, patience, [this] { return !is_running_; });
  }

private:
  struct question {
    std::function<answer(state&)> work;
    std::weak_ptr<interest> who;
  };

  /// Ends when there is nothing left to do.
  void run() {
    while (auto next = take_question()) {
      const auto is_wanted = [&next] {
        const auto asking = next->who.lock();
        return asking && !asking->is_withdrawn();
      };
      if (!is_wanted())
        continue;
      auto found = next->work(*this);
      if (const auto asking = next->who.lock())
        interest::deliver(asking, std::move(found));
    }
  }

  /// With the guard held.
  std::shared_ptr<tls_identity> find_locked(tls_role role, const tls_config& config) {
    const auto found = std::ranges::find_if(identities_, [&](const auto& each) {
      return each->role() == role && each->config() == config;
    });
    if (found == identities_.end())
      return nullptr;
    // The one that was used last comes first.
    identities_.splice(identities_.begin(), identities_, found);
    return identities_.front();
  }

  std::optional<question> take_question() {
    const std::lock_guard locked{guard_};
    if (questions_.empty()) {
      is_running_ = false;
      ended_.notify_all();
      return std::nullopt;
    }
    auto next = std::move(questions_.front());
    questions_.pop_front();
    return next;
  }

  void refuse_all() {
    while (const auto next = take_question())
      if (const auto asking = next->who.lock())
        interest::deliver(asking, make_system_error(EAGAIN, phase::setup, "start a thread that reads certificates"));
  }

  void forget_unused() {
    std::size_t unused = 0;
    for (auto position = identities_.begin(); position != identities_.end();) {
      const auto is_unused = position->use_count() == 1;
      unused += is_unused ? 1 : 0;
      position = is_unused && unused >= unused_max ? identities_.erase(position) : std::next(position);
    }
  }

  const key_password_function ask_password_;
  std::mutex guard_;
  std::condition_variable ended_;
  std::list<std::shared_ptr<tls_identity>> identities_;
  std::deque<question> questions_;
  bool is_running_ = false;
};

tls_store::tls_store(key_password_function ask_password) : state_(std::make_shared<state>(std::move(ask_password))) {}

tls_store::~tls_store() {
  state_->stop();
}

tls_store::answer tls_store::load(tls_role role, const tls_config& config) {
  return state_->load(role, config);
}

namespace {

tls_store::query query_of(const std::shared_ptr<interest>& asking) {
  return {asking.get(), [asking](void*) { asking->withdraw(); }};
}

} // namespace

tls_store::query tls_store::find(tls_role role, const tls_config& config, shard& where,
                                 std::function<void(answer)> done) {
  const auto asking = std::make_shared<interest>(where, std::move(done));
  if (auto found = state_->find(role, config))
    interest::deliver(asking, std::move(found));
  else
    state_->ask([role, config](state& store) { return store.load(role, config); }, asking);
  return query_of(asking);
}

tls_store::query tls_store::reload(tls_role role, const tls_config& config, shard& where,
                                   std::function<void(answer)> done) {
  const auto asking = std::make_shared<interest>(where, std::move(done));
  state_->ask([role, config](state& store) { return store.reload(role, config); }, asking);
  return query_of(asking);
}

} // namespace actorwire
