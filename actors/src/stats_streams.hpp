#pragma once

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/transports/timer.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace actorwire {

/// How often figures may be asked for by `stream_stats`.
inline constexpr std::chrono::milliseconds shortest_stats_interval{10};
inline constexpr std::chrono::milliseconds longest_stats_interval{std::chrono::hours{24}};

/// Who is sent the figures of an actor at an interval. They are sent as a request, and whoever has not handled the last ones is
/// sent none: who is slow has one message of this kind in its mailbox, and misses what came between.
/// `Owner` is the actor, which watches them, and stops the streams of those that have ended.
/// *Thread:* shard only.
template <class Owner, class Figures>
class stats_streams {
public:
  /// `look` returns what is to be sent; `each_time`, unless it is empty, is called at each interval, be it one without figures.
  stats_streams(Owner& owner, Figures (Owner::*look)() const, std::function<void()> each_time = {}) noexcept
    : owner_(owner), look_(look), each_time_(std::move(each_time)) {}

  /// Sends figures to `who` every `interval`, at most every 10 ms and at least once a day, in place of an earlier interval.
  void start(const caf::strong_actor_ptr& who, std::chrono::milliseconds interval) {
    const auto every = std::clamp(interval, shortest_stats_interval, longest_stats_interval);
    const auto known = std::ranges::find_if(streams_, [&who](const auto& each) { return each->who == who; });
    if (known == streams_.end()) {
      streams_.push_back(std::make_unique<stream>(*this, who, every));
      return;
    }
    (*known)->interval = every;
    owner_.where().arm((*known)->tick, every);
  }

  /// Returns whether it was sent any.
  bool stop(const caf::actor_addr& who) {
    return std::erase_if(streams_, [&who](const auto& each) { return each->who == who; }) > 0;
  }

  [[nodiscard]] bool includes(const caf::actor_addr& who) const noexcept {
    return std::ranges::any_of(streams_, [&who](const auto& each) { return each->who == who; });
  }

  /// Ends all streams and returns to whom they went.
  [[nodiscard]] std::vector<caf::actor_addr> stop_all() {
    std::vector<caf::actor_addr> receivers;
    for (const auto& each : std::exchange(streams_, {}))
      receivers.push_back(caf::actor_cast<caf::actor_addr>(each->who));
    return receivers;
  }

private:
  struct stream {
    stream(stats_streams& all, caf::strong_actor_ptr to, std::chrono::milliseconds every)
      : who(std::move(to)),
        interval(every),
        is_owed(std::make_shared<bool>(false)),
        tick([this, &all] { all.owner_.in_actor([&] { all.send(*this); }); }) {
      all.owner_.where().arm(tick, interval);
    }

    caf::strong_actor_ptr who;
    std::chrono::milliseconds interval;
    /// Whether the last figures were not handled yet. Shared, since the answer may come when the stream is over.
    std::shared_ptr<bool> is_owed;
    timer tick;
  };

  void send(stream& to) {
    owner_.where().arm(to.tick, to.interval);
    if (each_time_)
      each_time_();
    if (std::exchange(*to.is_owed, true))
      return;
    // Any answer will do, even an error: it says that the receiver is done with the message.
    const auto settle = [is_owed = to.is_owed] { *is_owed = false; };
    ask(&owner_, caf::actor_cast<caf::actor>(to.who), caf::infinite, (owner_.*look_)())
        .then(settle, [settle](caf::error&) { settle(); });
  }

  Owner& owner_;
  Figures (Owner::*look_)() const;
  std::function<void()> each_time_;
  std::vector<std::unique_ptr<stream>> streams_;
};

} // namespace actorwire
