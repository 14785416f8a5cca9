#include "quiet_thread.hpp"
#include "shard_answer.hpp"

#include <actorwire/transports/resolver.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace actorwire {

namespace {

using interest = shard_answer<resolver::answer>;

transport_error lookup_error(const std::string& host, std::string_view why, int system_code) {
  return make_error(error_code::resolve_failed, phase::resolve, origin::system,
                    "look-up of '" + host + "': " + std::string{why}, system_code);
}

ip_address address_of(const addrinfo& entry) {
  ip_address address;
  if (entry.ai_family == AF_INET6) {
    sockaddr_in6 numeric{};
    std::memcpy(&numeric, entry.ai_addr, sizeof numeric);
    std::memcpy(address.bytes.data(), &numeric.sin6_addr, sizeof numeric.sin6_addr);
    address.scope = numeric.sin6_scope_id;
    address.is_v6 = true;
  } else {
    sockaddr_in numeric{};
    std::memcpy(&numeric, entry.ai_addr, sizeof numeric);
    std::memcpy(address.bytes.data(), &numeric.sin_addr, sizeof numeric.sin_addr);
  }
  return address;
}

/// Asks the system, which orders its answer by RFC 6724.
resolver::answer system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const auto failure = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failure == EAI_SYSTEM)
    return lookup_error(host, std::generic_category().message(errno), errno);
  if (failure != 0)
    return lookup_error(host, ::gai_strerror(failure), failure);
  std::vector<ip_address> addresses;
  for (const auto* entry = found; entry != nullptr; entry = entry->ai_next)
    if (entry->ai_family == AF_INET || entry->ai_family == AF_INET6)
      addresses.push_back(address_of(*entry));
  ::freeaddrinfo(found);
  return addresses;
}

} // namespace

/// The threads and their questions. The threads are detached and share ownership, because a look-up can hang for as long
/// as the system's name service likes, and nobody should have to wait for that.
class resolver::worker_pool : public std::enable_shared_from_this<worker_pool> {
public:
  worker_pool(lookup_function lookup, std::size_t max_threads)
    : lookup_(std::move(lookup)), max_threads_(max_threads) {}

  void ask(std::string host, const std::shared_ptr<interest>& who) {
    std::unique_lock locked{guard_};
    if (questions_.size() >= waiting_max)
      std::erase_if(questions_, [](const question& waiting) { return waiting.is_withdrawn(); });
    if (questions_.size() >= waiting_max) {
      locked.unlock();
      interest::deliver(who, lookup_error(host, std::to_string(waiting_max) + " look-ups are waiting already", 0));
      return;
    }
    if (idle_ <= questions_.size() && threads_ < max_threads_ && !start_thread() && threads_ == 0) {
      locked.unlock();
      interest::deliver(who, lookup_error(host, "no thread can be started for it", EAGAIN));
      return;
    }
    questions_.push_back({std::move(host), who});
    locked.unlock();
    changed_.notify_one();
  }

  /// Lets idle threads end now and busy ones after their look-up.
  void stop() {
    {
      const std::lock_guard locked{guard_};
      is_stopping_ = true;
      questions_.clear();
    }
    changed_.notify_all();
  }

private:
  struct question {
    std::string host;
    std::weak_ptr<interest> who;

    [[nodiscard]] bool is_withdrawn() const {
      const auto asking = who.lock();
      return !asking || asking->is_withdrawn();
    }
  };

  bool start_thread() {
    try {
      start_quiet_thread([self = shared_from_this()] { self->run(); });
    } catch (const std::system_error&) {
      return false;
    }
    ++threads_;
    return true;
  }

  void run() {
    std::unique_lock locked{guard_};
    for (;;) {
      ++idle_;
      changed_.wait(locked, [this] { return is_stopping_ || !questions_.empty(); });
      --idle_;
      if (is_stopping_)
        return;
      const auto next = std::move(questions_.front());
      questions_.pop_front();
      locked.unlock();
      if (!next.is_withdrawn())
        answer_question(next);
      locked.lock();
    }
  }

  void answer_question(const question& asked) const {
    auto found = lookup_(asked.host);
    if (found && found->empty())
      found = lookup_error(asked.host, "the name has no address", 0);
    if (const auto asking = asked.who.lock())
      interest::deliver(asking, std::move(found));
  }

  const lookup_function lookup_;
  const std::size_t max_threads_;
  std::mutex guard_;
  std::condition_variable changed_;
  std::deque<question> questions_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool is_stopping_ = false;
};

resolver::resolver(lookup_function lookup, std::size_t max_threads)
  : workers_(std::make_shared<worker_pool>(lookup ? std::move(lookup) : lookup_function{system_lookup}, max_threads)) {
  assert(max_threads > 0);
}

resolver::~resolver() {
  workers_->stop();
}

resolver::query resolver::resolve(const std::string& host, shard& where, std::function<void(answer)> done) {
  auto asking = std::make_shared<interest>(where, std::move(done));
  query handle;
  // Whoever drops the last copy of the handle withdraws, even if a thread holds the state at that instant.
  handle.interest_ = std::shared_ptr<void>{asking.get(), [asking](void*) { asking->withdraw(); }};
  if (const auto address = parse_ip_address(host))
    interest::deliver(asking, std::vector{*address});
  else
    workers_->ask(host, asking);
  return handle;
}

} // namespace actorwire
