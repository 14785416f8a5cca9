#pragma once

#include <ctime>

namespace actorwire {

/// The time of day that certificates are judged by, passed in rather than read: while an object of this class lives,
/// GnuTLS sees `now` on this thread. Everywhere else it goes on to see the machine's time. *Thread:* of one thread.
class wall_time {
public:
  explicit wall_time(std::time_t now) noexcept;
  ~wall_time();

  wall_time(const wall_time&) = delete;
  wall_time& operator=(const wall_time&) = delete;

private:
  std::time_t now_;
  const std::time_t* outer_;
};

} // namespace actorwire
