#pragma once

#include "engine/name_memory.hpp"
#include "shard_answer.hpp"

#include <actorwire/transports/resolver.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace actorwire {

/// The look-ups of a resolver, the threads that they run on, and what they found. The threads are detached and share
/// ownership, because a look-up can hang for as long as the system's name service likes, and nobody should have to wait for
/// that. It knows no clock: the time comes with the questions.
/// *Thread:* any thread.
class lookup_pool : public std::enable_shared_from_this<lookup_pool> {
public:
  using asker = shard_answer<resolver::answer>;

  /// One look-up of one name, for however many ask.
  struct lookup {
    const std::string host;
    /// Later look-ups have higher ones.
    const std::uint64_t number;
    /// When the first of them did.
    const time_point asked_at;
    std::vector<std::shared_ptr<asker>> askers;
    /// Since when it is known to run; empty while it waits, and until somebody who knows the time has seen it.
    std::optional<time_point> running_since{};
    bool is_running = false;
    bool is_hung = false;
  };
  using ticket = std::shared_ptr<lookup>;

  lookup_pool(resolver::lookup_function look_up, std::size_t threads_max);

  /// Has `host` looked up for `who`. Null if that cannot be; then `who` is on the way to hearing why.
  [[nodiscard]] ticket ask(const std::string& host, const std::shared_ptr<asker>& who, time_point now);

  /// `who` does not wait for it any more.
  void withdraw(const ticket& from, const std::shared_ptr<asker>& who) noexcept;

  /// Sees which look-ups hang by now, and lets others run in their place. Whoever asked calls it from time to time.
  void note_time(time_point now);

  /// Returns why there is no answer yet, after this time.
  [[nodiscard]] transport_error lateness(const ticket& of, duration waited);

  /// A question for `host` has come to nothing. Returns what is remembered of it.
  [[nodiscard]] std::optional<std::vector<ip_address>> recall(const std::string& host, time_point now);

  void count_failed();

  [[nodiscard]] resolver::figures counts();

  /// Lets idle threads end now and busy ones after their look-up.
  void stop();

private:
  /// The look-ups of one name.
  struct name {
    ticket newest;
    std::size_t running = 0;
    /// The latest look-up that had an answer. Those that were asked for earlier and are heard later say nothing new.
    std::uint64_t answered = 0;
  };

  /// Runs of one name that need not be old; see `resolver`.
  static constexpr std::size_t running_per_name = 2;

  /// Whether another look-up of a name may run beside its newest.
  [[nodiscard]] bool may_look_again(const name& which, time_point now) const noexcept;
  /// What the look-up function says, or throws.
  [[nodiscard]] resolver::answer look_up(const std::string& host) const;

  [[nodiscard]] std::size_t threads_allowed() const noexcept;
  /// Threads that take what waits next, those included that have just been started.
  [[nodiscard]] std::size_t free_threads() const noexcept;
  void mark_hung(time_point now) noexcept;
  /// Starts threads if more look-ups wait than threads are free for; returns whether there is any thread at all.
  bool make_room(std::size_t waiting);
  void drop_unwanted();
  void forget_lookup(const ticket& which) noexcept;
  void run();
  void run_next(std::unique_lock<std::mutex>& locked);
  void finish(const ticket& done, const resolver::answer& found);

  const resolver::lookup_function look_up_;
  const std::size_t threads_max_;
  std::mutex guard_;
  std::condition_variable changed_;
  /// Of each name that is being looked up, or waits for that.
  std::unordered_map<std::string, name> names_;
  std::deque<ticket> waiting_;
  /// In the order in which they began.
  std::vector<ticket> running_;
  name_memory memory_;
  resolver::figures counts_;
  std::uint64_t last_number_ = 0;
  std::size_t threads_ = 0;
  bool is_stopping_ = false;
};

} // namespace actorwire
