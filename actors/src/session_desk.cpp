#include "session_desk.hpp"

#include <actorwire/messages/error.hpp>

#include <cassert>
#include <utility>

namespace actorwire {

namespace {

/// An accepted connection has one.
constexpr std::uint64_t only_generation = 1;

transport_error given_up() {
  return make_error(error_code::session_lost, phase::established, origin::local,
                    "the client did not come back in time, or others needed the room");
}

transport_error gone_with_connection() {
  return make_error(error_code::session_lost, phase::established, origin::local,
                    "the connection that had the session has failed, and did not give it back");
}

} // namespace

void session_desk::report_to(caf::weak_actor_ptr listener) {
  const std::lock_guard lock{mutex_};
  listener_ = std::move(listener);
}

session_errands session_desk::claim(const session_hello& hello, std::string_view identity, connection_id who,
                                    caf::weak_actor_ptr handle, time_point now) {
  const std::lock_guard lock{mutex_};
  claimants_.insert_or_assign(who, claimant{std::move(handle), hello.id});
  book_.claim(hello, identity, who, now);
  return settle(who);
}

session_errands session_desk::collect(connection_id who) {
  const std::lock_guard lock{mutex_};
  session_errands errands;
  if (const auto found = claimants_.find(who); found != claimants_.end())
    for (auto& step : std::exchange(found->second.news, {}))
      errands.own.push_back(std::move(step));
  return errands;
}

session_errands session_desk::give_back(connection_id who, std::unique_ptr<session> subject, time_point now) {
  const std::lock_guard lock{mutex_};
  park(who, std::move(subject), now);
  return settle(who);
}

session_errands session_desk::leave(connection_id who, std::unique_ptr<session> subject, time_point now) {
  const std::lock_guard lock{mutex_};
  auto left = claimants_.extract(who);
  if (!left)
    return {};
  if (subject != nullptr)
    park(who, std::move(subject), now);
  // Granted, and never known to it.
  for (auto& step : left.mapped().news)
    if (step.subject != nullptr)
      park(who, std::move(step.subject), now);
  // Of what was given back it has nothing by now.
  book_.withdraw(who, left.mapped().id);
  return settle(who);
}

void session_desk::park(connection_id who, std::unique_ptr<session> subject, time_point now) {
  const auto id = subject->id();
  last_connections_.insert_or_assign(id, who);
  const auto is_gone = is_over(subject->state());
  book_.give_back(who, std::move(subject), now);
  if (is_gone)
    last_connections_.erase(id);
  if (is_closed_)
    book_.handle_timeout(time_point::max());
}

session_errands session_desk::expire(time_point now) {
  const std::lock_guard lock{mutex_};
  book_.handle_timeout(now);
  return settle(0);
}

session_errands session_desk::close() {
  const std::lock_guard lock{mutex_};
  is_closed_ = true;
  book_.handle_timeout(time_point::max());
  return settle(0);
}

std::optional<time_point> session_desk::next_timeout() const {
  const std::lock_guard lock{mutex_};
  return book_.next_timeout();
}

std::size_t session_desk::session_count() const {
  const std::lock_guard lock{mutex_};
  return book_.session_count();
}

session_errands session_desk::settle(connection_id own) {
  session_errands errands;
  while (auto step = book_.poll()) {
    if (step->what == session_step::kind::lost) {
      if (step->subject == nullptr) {
        errands.lost.push_back({own, only_generation, {}, gone_with_connection()});
        continue;
      }
      const auto last = last_connections_.extract(step->subject->id());
      errands.lost.push_back(
          {last ? last.mapped() : 0, last ? only_generation : 0, step->subject->ranges(), given_up()});
      continue;
    }
    if (step->what == session_step::kind::grant)
      last_connections_.erase(step->subject->id());
    if (step->holder == own) {
      errands.own.push_back(std::move(*step));
      continue;
    }
    const auto found = claimants_.find(step->holder);
    // Who waits is told that it left.
    assert(found != claimants_.end());
    found->second.news.push_back(std::move(*step));
    if (auto handle = found->second.handle.lock())
      errands.woken.push_back(std::move(handle));
  }
  if (!errands.lost.empty())
    errands.listener = listener_.lock();
  return errands;
}

} // namespace actorwire
