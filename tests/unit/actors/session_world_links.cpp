#include "session_world.hpp"

#include <actorwire/messages/payload.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace actorwire::test {

// -- links --------------------------------------------------------------------------------------------------------------

std::optional<session_world::links::iterator> session_world::any_link() {
  if (links_.empty())
    return std::nullopt;
  return std::next(links_.begin(), static_cast<std::ptrdiff_t>(below(links_.size())));
}

bool session_world::is_used(session_holder holder, const link& which) const {
  return clients_[which.client].uses == holder;
}

void session_world::transmit(session_holder holder, link& which) {
  const auto fill = [&](session& machine, std::deque<session_frame>& queue) {
    for (auto count = is_healing_ ? 1'000 : 1 + below(4); count > 0; --count) {
      auto frame = machine.poll_transmit(now_);
      if (!frame)
        return;
      if (frame->kind == frame_kind::goodbye)
        ++seen_.goodbyes;
      if (!which.is_cut)
        queue.push_back(std::move(*frame));
    }
  };
  if (is_used(holder, which)) {
    fill(*clients_[which.client].machine, which.up);
    see_to(clients_[which.client]);
  }
  if (which.held) {
    fill(*which.held, which.down);
    if (is_over(which.held->state()))
      close_host_end(holder, which);
  }
}

void session_world::arrive_up(session_holder holder, link& which) {
  if (which.up.empty()) {
    // The client has gone in order.
    if (!is_used(holder, which))
      close_host_end(holder, which);
    return;
  }
  const auto frame = std::move(which.up.front());
  which.up.pop_front();
  switch (which.at) {
    case stage::greeting: {
      REQUIRE(frame.kind == frame_kind::hello);
      const auto hello = parse_session_hello(frame.number, frame.body.bytes());
      REQUIRE(hello);
      which.at = stage::waiting;
      which.id = hello->id;
      book_->claim(*hello, clients_[which.client].identity, holder, now_);
      return carry_out();
    }
    case stage::waiting:
      FAIL("nothing of a client leaves before it was welcomed");
      return;
    case stage::closed:
      ++seen_.fenced_frames;
      return;
    case stage::holding:
      break;
  }
  auto& ledger = ledger_of(*which.held);
  const auto duplicates = which.held->receiving().duplicates();
  const auto progress = which.held->handle_frame(which.epoch, frame);
  REQUIRE(progress);
  seen_.duplicates += which.held->receiving().duplicates() - duplicates;
  if (progress->delivers) {
    ledger.to_host.note_got(frame.body.text());
    ++seen_.delivered;
  }
  ledger.to_client.note_confirmed(progress->confirmed);
  if (is_over(which.held->state()))
    close_host_end(holder, which);
}

void session_world::arrive_down(session_holder holder, link& which) {
  auto& who = clients_[which.client];
  if (which.down.empty()) {
    // The listener has gone in order.
    if (which.at == stage::closed && is_used(holder, which))
      drop(who);
    return;
  }
  const auto frame = std::move(which.down.front());
  which.down.pop_front();
  // The client's process is another than the one that the link was of, or its session is.
  if (which.serial != who.serial)
    return;
  auto& ledger = ledger_of(*who.machine);
  const auto duplicates = who.machine->receiving().duplicates();
  // The newer link may be in use already: then this is of no account.
  const auto progress = who.machine->handle_frame(which.epoch, frame);
  REQUIRE(progress);
  seen_.duplicates += who.machine->receiving().duplicates() - duplicates;
  if (!is_used(holder, which)) {
    REQUIRE_FALSE(progress->delivers);
    REQUIRE_FALSE(progress->has_moved);
    REQUIRE(progress->confirmed.empty());
    ++seen_.fenced_frames;
    return;
  }
  if (progress->delivers) {
    ledger.to_client.note_got(frame.body.text());
    ++seen_.delivered;
  }
  ledger.to_host.note_confirmed(progress->confirmed);
  if (progress->has_moved)
    see_to(who);
}

void session_world::cut(link& which) {
  which.is_cut = true;
  which.up.resize(std::min<std::size_t>(which.up.size(), below(which.up.size() + 1)));
  which.down.resize(std::min<std::size_t>(which.down.size(), below(which.down.size() + 1)));
}

void session_world::clean_up() {
  std::erase_if(links_, [this](const auto& entry) {
    const auto& [holder, which] = entry;
    return which.at == stage::closed && !is_used(holder, which) && which.up.empty() && which.down.empty();
  });
}

// -- the listener -------------------------------------------------------------------------------------------------------

void session_world::close_host_end(session_holder holder, link& which) {
  const auto was = std::exchange(which.at, stage::closed);
  if (was == stage::waiting) {
    book_->withdraw(holder, which.id);
  } else if (was == stage::holding) {
    std::erase(recalled_, holder);
    if (below(2) == 0)
      handle_some(*which.held, true);
    if (is_over(which.held->state()))
      ledger_of(*which.held).to_client.note_end(which.held->ranges());
    book_->give_back(holder, std::move(which.held), now_);
    carry_out();
  }
}

void session_world::carry_out() {
  while (auto step = book_->poll()) {
    switch (step->what) {
      case session_step::kind::grant: {
        auto& which = links_.at(step->holder);
        REQUIRE(which.at == stage::waiting);
        auto& ledger = ledger_of(*step->subject);
        if (step->subject->is_resumed()) {
          ++seen_.resumed;
        } else {
          // The first one that the client hears of, so none before can have carried anything.
          REQUIRE(ledger.to_host.got() == 0);
          REQUIRE(ledger.to_client.got() == 0);
          ledger.to_client = {};
        }
        ledger.to_client.note_confirmed(step->confirmed);
        which.held = std::move(step->subject);
        which.at = stage::holding;
        break;
      }
      case session_step::kind::refuse: {
        auto& which = links_.at(step->holder);
        REQUIRE(which.at == stage::waiting);
        which.at = stage::closed;
        if (!which.is_cut)
          which.down.push_back({frame_kind::welcome, 0, payload::copy_of(encode(step->welcome))});
        seen_.superseded += step->welcome.answer == session_answer::superseded ? 1 : 0;
        seen_.not_known += step->welcome.answer == session_answer::not_known ? 1 : 0;
        seen_.no_room += step->welcome.answer == session_answer::no_room ? 1 : 0;
        break;
      }
      case session_step::kind::surrender:
        REQUIRE(links_.at(step->holder).at == stage::holding);
        recalled_.push_back(step->holder);
        break;
      case session_step::kind::lost:
        ++seen_.hosts_lost;
        ledger_of(*step->subject).to_client.note_end(step->subject->ranges());
    }
  }
}

void session_world::surrender(std::size_t which) {
  const auto holder = recalled_[which];
  ++seen_.surrendered;
  close_host_end(holder, links_.at(holder));
}

void session_world::restart() {
  for (auto& [holder, each] : links_) {
    cut(each);
    each.up.clear();
    each.at = stage::closed;
    each.held = nullptr;
  }
  for (auto& [id, each] : ledgers_)
    each.to_client.note_vanished();
  recalled_.clear();
  book_ = std::make_unique<session_book>(book_limits_, limits_);
}

void session_world::intrude() {
  const auto& who = clients_[below(clients_.size())];
  // Without the id, or with it but as somebody else.
  const auto id = below(2) == 0 ? draw_id() : who.machine->id();
  const auto holder = ++last_holder_;
  const auto epoch = who.machine->epoch() + below(3);
  book_->claim({id, epoch + 1, true, {0, 1, 0}}, "a stranger", holder, now_);
  while (auto step = book_->poll()) {
    // It may have found out that something was kept for too long; that is nobody's loss but the sender's.
    if (step->what == session_step::kind::lost) {
      ledger_of(*step->subject).to_client.note_end(step->subject->ranges());
      continue;
    }
    REQUIRE(step->what == session_step::kind::refuse);
    REQUIRE(step->holder == holder);
    REQUIRE(step->welcome.answer == session_answer::not_known);
    ++seen_.strangers;
  }
}

} // namespace actorwire::test
