#include "session/session_book.hpp"

#include <actorwire/messages/flow_limits.hpp>

#include <cassert>
#include <utility>

namespace actorwire {

namespace {

/// What a session counts for while it is parked.
std::size_t parked_size(const session& subject) noexcept {
  const auto& kept = subject.sending().buffer();
  return kept.size_bytes() + kept.message_count() * waiting_message_cost;
}

} // namespace

session_book::session_book(const session_book_limits& limits, const session_limits& each) noexcept
  : limits_(limits), each_(each) {
  assert(limits_.sessions_max > 0);
}

// -- connections --------------------------------------------------------------------------------------------------------

void session_book::claim(const session_hello& hello, std::string_view identity, session_holder who, time_point now) {
  assert(who != 0);
  // What is too old must not be found because nobody has looked since.
  handle_timeout(now);
  const auto found = entries_.find(hello.id);
  if (found == entries_.end()) {
    // A hello that was held up may come when the session that its client went on to begin is gone already. If it began another
    // under the same id, the client would resume that one, and be delivered twice what the first had taken.
    if (hello.resumes || hello.epoch != 1)
      refuse(hello, who, session_answer::not_known);
    else
      begin(hello, identity, who);
    return;
  }
  if (found->second.identity != identity)
    refuse(hello, who, session_answer::not_known);
  else if (hello.epoch <= found->second.epoch)
    refuse(hello, who, session_answer::superseded);
  else
    take_over(found, hello, who);
}

void session_book::begin(const session_hello& hello, std::string_view identity, session_holder who) {
  if (entries_.size() >= limits_.sessions_max) {
    if (parked_.empty()) {
      refuse(hello, who, session_answer::no_room);
      return;
    }
    give_up_first_parked();
  }
  auto made = std::make_unique<session>(hello.id, each_);
  grant(entries_.emplace(hello.id, entry{std::string{identity}, hello.epoch}).first, std::move(made), hello, who);
}

void session_book::take_over(entries::iterator where, const session_hello& hello, session_holder who) {
  auto& known = where->second;
  known.epoch = hello.epoch;
  if (known.holder == 0) {
    grant(where, unpark(known), hello, who);
    return;
  }
  if (known.next)
    refuse(known.next->hello, known.next->who, session_answer::superseded);
  if (!std::exchange(known.is_recalled, true))
    steps_.push_back({session_step::kind::surrender, known.holder, nullptr, {}, {.id = hello.id}});
  known.next = claimant{who, hello};
}

void session_book::grant(entries::iterator where, std::unique_ptr<session> subject, const session_hello& hello,
                         session_holder who) {
  const auto confirmed = subject->handle_hello(hello);
  if (!confirmed) {
    refuse(hello, who, session_answer::not_known);
    tell_lost(std::move(subject));
    entries_.erase(where);
    return;
  }
  where->second.holder = who;
  steps_.push_back({session_step::kind::grant, who, std::move(subject), *confirmed, {}});
}

void session_book::refuse(const session_hello& hello, session_holder who, session_answer answer) {
  steps_.push_back({session_step::kind::refuse, who, nullptr, {}, {answer, hello.id, hello.epoch, {}}});
}

void session_book::give_back(session_holder from, std::unique_ptr<session> subject, time_point now) {
  const auto found = entries_.find(subject->id());
  assert(found != entries_.end() && found->second.holder == from);
  static_cast<void>(from);
  auto& known = found->second;
  known.holder = 0;
  known.is_recalled = false;
  const auto next = std::exchange(known.next, std::nullopt);
  subject->handle_disconnected(subject->epoch());
  if (is_over(subject->state())) {
    if (next)
      refuse(next->hello, next->who, session_answer::not_known);
    entries_.erase(found);
  } else if (next) {
    grant(found, std::move(subject), next->hello, next->who);
  } else {
    park(found, std::move(subject), now);
  }
}

void session_book::withdraw(session_holder who, const session_id& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end())
    return;
  auto& known = found->second;
  if (known.holder == who) {
    if (known.next)
      refuse(known.next->hello, known.next->who, session_answer::not_known);
    steps_.push_back({session_step::kind::lost, 0, nullptr, {}, {.id = id}});
    entries_.erase(found);
  } else if (known.next && known.next->who == who) {
    // The epoch stays: whoever held the session before was told to give it back.
    known.next.reset();
  }
}

// -- what waits for its client ------------------------------------------------------------------------------------------

void session_book::park(entries::iterator where, std::unique_ptr<session> subject, time_point now) {
  auto& known = where->second;
  parked_bytes_ += parked_size(*subject);
  known.parked = std::move(subject);
  known.parked_as = ++last_parked_;
  known.parked_at = now;
  parked_.emplace(known.parked_as, where);
  while (parked_bytes_ > limits_.parked_bytes_max)
    give_up_first_parked();
}

std::unique_ptr<session> session_book::unpark(entry& where) noexcept {
  parked_bytes_ -= parked_size(*where.parked);
  parked_.erase(where.parked_as);
  return std::move(where.parked);
}

void session_book::give_up_first_parked() {
  const auto first = parked_.begin()->second;
  auto subject = unpark(first->second);
  subject->forget();
  tell_lost(std::move(subject));
  entries_.erase(first);
}

void session_book::tell_lost(std::unique_ptr<session> subject) {
  const auto id = subject->id();
  steps_.push_back({session_step::kind::lost, 0, std::move(subject), {}, {.id = id}});
}

void session_book::handle_timeout(time_point now) {
  for (auto next = next_timeout(); next && *next <= now; next = next_timeout())
    give_up_first_parked();
}

std::optional<time_point> session_book::next_timeout() const noexcept {
  if (parked_.empty())
    return std::nullopt;
  return parked_.begin()->second->second.parked_at + limits_.keep;
}

std::optional<session_step> session_book::poll() {
  if (steps_.empty())
    return std::nullopt;
  auto step = std::move(steps_.front());
  steps_.pop_front();
  return step;
}

} // namespace actorwire
