#pragma once

#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

namespace actorwire {

/// Finds out that a connection has carried nothing for a time. It notes nothing for each message, but looks at figures that are
/// kept anyway, four times in that time: so it is found between that time and a quarter more.
/// *Thread:* shard only.
class idle_watch {
public:
  /// What changes whenever something is carried.
  struct traffic {
    std::uint64_t bytes_sent = 0;
    time_point last_arrival{};

    friend bool operator==(const traffic&, const traffic&) = default;
  };

  /// `look` is called when it is time for `handle_timeout`. `limit` is more than 0.
  idle_watch(std::chrono::milliseconds limit, std::function<void()> look) : limit_(limit), timer_(std::move(look)) {}

  /// There is a connection.
  void begin(shard& where) {
    idle_since_.reset();
    where.arm(timer_, limit_ / looks);
  }

  /// There is none any more.
  void end() noexcept { timer_.cancel(); }

  /// Something is wanted of the connection that `traffic` does not show.
  void note_use() noexcept { idle_since_.reset(); }

  /// Returns whether the time is over. Otherwise it goes on to look, and a connection that `is_in_use` is not idle.
  [[nodiscard]] bool handle_timeout(shard& where, const traffic& seen, bool is_in_use) {
    const auto now = where.now();
    if (is_in_use || !idle_since_ || seen != last_seen_)
      idle_since_ = now;
    last_seen_ = seen;
    if (now - *idle_since_ >= limit_)
      return true;
    where.arm(timer_, limit_ / looks);
    return false;
  }

private:
  static constexpr int looks = 4;

  duration limit_;
  timer timer_;
  traffic last_seen_;
  /// When nothing new was seen for the first time; nothing while that has not been.
  std::optional<time_point> idle_since_;
};

} // namespace actorwire
