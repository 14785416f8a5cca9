#pragma once

#include "session/session_book.hpp"

#include <actorwire/messages/events.hpp>
#include <actorwire/messages/sessions.hpp>
#include <actorwire/transports/clock.hpp>

#include <caf/actor_control_block.hpp>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace actorwire {

/// What is to be done when a `session_desk` was asked something, by whoever asked.
struct session_errands {
  /// Decided about the one who asked, in order.
  std::vector<session_step> own{};
  /// Other connections that are to `collect` what was decided about them.
  std::vector<caf::strong_actor_ptr> woken{};
  /// Sessions that were given up, and who is to hear of them; null if nobody is there any more.
  std::vector<session_lost> lost{};
  caf::strong_actor_ptr listener{};
};

/// The sessions of a listener, for connections on all of its shards: a `session_book` that several threads may use, and that
/// knows which actors its holders are. It keeps nobody alive, and sends nothing itself.
/// *Limits:* those of the book. *Thread:* any thread.
class session_desk {
public:
  session_desk(const session_book_limits& limits, const session_limits& each) noexcept : book_(limits, each) {}

  /// Who hears of sessions that were given up.
  void report_to(caf::weak_actor_ptr listener);

  /// A connection was said hello to, its first; see `session_book::claim`. It has to `leave` some day.
  [[nodiscard]] session_errands claim(const session_hello& hello, std::string_view identity, connection_id who,
                                      caf::weak_actor_ptr handle, time_point now);

  /// What was decided about a connection since it asked.
  [[nodiscard]] session_errands collect(connection_id who);

  /// A connection gives the session back that it was granted.
  [[nodiscard]] session_errands give_back(connection_id who, std::unique_ptr<session> subject, time_point now);

  /// A connection ends, and gives its session back if it has one; one that it was granted and does not give back is lost. One
  /// that never claimed any changes nothing.
  [[nodiscard]] session_errands leave(connection_id who, std::unique_ptr<session> subject, time_point now);

  /// Gives up what has been without a connection for long enough.
  [[nodiscard]] session_errands expire(time_point now);

  /// The same for all that has none, now and from now on.
  [[nodiscard]] session_errands close();

  /// When `expire` has something to do; nothing if nothing waits.
  [[nodiscard]] std::optional<time_point> next_timeout() const;

  [[nodiscard]] std::size_t session_count() const;

private:
  struct claimant {
    caf::weak_actor_ptr handle;
    session_id id;
    /// Decided, and not collected yet.
    std::deque<session_step> news{};
  };

  void park(connection_id who, std::unique_ptr<session> subject, time_point now);
  /// Sees to everything that the book has decided.
  [[nodiscard]] session_errands settle(connection_id own);

  mutable std::mutex mutex_;
  session_book book_;
  caf::weak_actor_ptr listener_;
  /// Connections that have claimed a session and not left.
  std::map<connection_id, claimant> claimants_;
  /// The last connection of each session that has none.
  std::map<session_id, connection_id> last_connections_;
  bool is_closed_ = false;
};

} // namespace actorwire
