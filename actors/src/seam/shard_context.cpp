#include "seam/shard_context.hpp"

#include "seam/shard_actor.hpp"

#include <actorwire/actors/detail/caf_workers.hpp>

#include <caf/send.hpp>

#include <algorithm>
#include <cassert>
#include <utility>

namespace actorwire {

namespace {

/// Messages that one actor handles before the next has its turn.
constexpr std::size_t messages_per_run = 64;

/// Messages that are handled before sockets have their turn again, and a few more.
constexpr std::size_t messages_per_turn = 1'024;

[[gnu::tls_model("initial-exec")]] thread_local caf::resumable* now_running = nullptr;

} // namespace

shard_context::shard_context(caf::actor_system& system, shard::options settings)
  : routing_context(system),
    system_(system),
    shard_(std::move(settings)),
    outside_work_(shard_, [&system](std::vector<caf::resumable*> actors) {
      detail::run_on_workers(system, std::move(actors));
    }) {
  shard_.set_turn_work([this] { return run_actors(); });
}

void shard_context::launch() {
  shard_.start([this] { detail::thread_starts(system_); }, [this] { detail::thread_ends(system_); });
}

void shard_context::join() {
  shard_.stop();
  outside_work_.hand_over();
  // Every actor of the shard has ended. What still comes in is a sender that was on its way: between the moment in
  // which its message reached the mailbox and the call of `route`, the actor ended.
  std::vector<caf::resumable*> late;
  {
    const std::lock_guard guard{mutex_};
    is_stopped_ = true;
    late.swap(inbox_);
  }
  for (auto* what : late)
    turn_away(what);
}

void shard_context::turn_away(caf::resumable* what) {
  detail::turn_away(static_cast<caf::scheduled_actor&>(*what), this);
  caf::intrusive_ptr_release(what);
}

void shard_context::end_actors() {
  std::vector<caf::weak_actor_ptr> residents;
  {
    const std::lock_guard guard{mutex_};
    is_ending_ = true;
    for (auto* who = residents_; who != nullptr; who = who->next_resident_)
      residents.push_back(who->weak_handle());
  }
  for (const auto& weak : residents)
    if (const auto who = caf::actor_cast<caf::strong_actor_ptr>(weak))
      caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
}

void shard_context::move_in(shard_resident& who) {
  const std::lock_guard guard{mutex_};
  who.next_resident_ = residents_;
  if (residents_ != nullptr)
    residents_->previous_resident_ = &who;
  residents_ = &who;
}

void shard_context::move_out(shard_resident& who) noexcept {
  const std::lock_guard guard{mutex_};
  if (who.next_resident_ != nullptr)
    who.next_resident_->previous_resident_ = who.previous_resident_;
  if (who.previous_resident_ != nullptr)
    who.previous_resident_->next_resident_ = who.next_resident_;
  else
    residents_ = who.next_resident_;
}

bool shard_context::is_ending() {
  const std::lock_guard guard{mutex_};
  return is_ending_;
}

void shard_context::route(caf::resumable* what) {
  // CAF passes the sender's context along when it wakes the receiver, so actors that live elsewhere turn up here too.
  // They must not run on a shard: they are allowed to block.
  if (what->subtype() != caf::resumable::io_actor) {
    if (!shard_.is_current()) {
      detail::run_on_main_scheduler(system_, what);
      return;
    }
    outside_work_.add(what);
    shard_.wake_if_idle();
    return;
  }
  if (shard_.is_current()) {
    ready_.push_back({what, nullptr});
    shard_.wake_if_idle();
    return;
  }
  auto is_first = false;
  {
    const std::lock_guard guard{mutex_};
    if (!is_stopped_) {
      is_first = inbox_.empty();
      inbox_.push_back(what);
      has_mail_.store(true, std::memory_order_release);
      what = nullptr;
    }
  }
  if (what != nullptr)
    turn_away(what);
  // One wake-up for each burst. The task needs nothing but the turn it runs in: `run_actors` finds the inbox.
  if (is_first)
    shard_.post([] {});
}

bool shard_context::take_over(caf::scheduled_actor& receiver, detail::direct_handler by,
                              caf::mailbox_element_ptr& message) {
  if (!shard_.is_current() || !message->mid.is_normal_message() || !detail::is_idle(receiver))
    return false;
  caf::intrusive_ptr_add_ref(receiver.ctrl());
  ready_.push_back({&receiver, std::move(message), by});
  shard_.wake_if_idle();
  return true;
}

caf::resumable& shard_context::running() noexcept {
  assert(now_running != nullptr);
  return *now_running;
}

void shard_context::put_by(caf::scheduled_actor& receiver, caf::mailbox_element_ptr skipped) {
  detail::put_by(receiver, std::move(skipped));
  // An actor that puts messages by is rare, so this need not be fast. Whoever calls holds a reference to it.
  std::erase_if(ready_, [&receiver](run& entry) {
    if (entry.who != &receiver || !entry.message)
      return false;
    detail::put_by(receiver, std::move(entry.message));
    caf::intrusive_ptr_release(entry.who);
    return true;
  });
  if (!detail::must_be_woken(receiver))
    return;
  caf::intrusive_ptr_add_ref(receiver.ctrl());
  ready_.push_back({&receiver, nullptr});
}

bool shard_context::run_actors() {
  outside_work_.begin_round();
  if (has_mail_.load(std::memory_order_acquire)) {
    const std::lock_guard guard{mutex_};
    for (auto* what : inbox_)
      ready_.push_back({what, nullptr});
    inbox_.clear();
    has_mail_.store(false, std::memory_order_relaxed);
  }
  for (auto budget = messages_per_turn; budget > 0 && !ready_.empty(); --budget) {
    auto next = std::move(ready_.front());
    ready_.pop_front();
    now_running = next.who;
    if (next.message) {
      auto& receiver = static_cast<caf::scheduled_actor&>(*next.who);
      if (!next.by(receiver, *next.message))
        if (auto skipped = detail::handle_now(receiver, std::move(next.message), this))
          put_by(receiver, std::move(skipped));
    } else if (next.who->resume(this, messages_per_run) == caf::resumable::resume_later) {
      ready_.push_back({std::exchange(next.who, nullptr), nullptr});
      budget -= std::min(budget - 1, messages_per_run - 1);
    }
    now_running = nullptr;
    if (next.who != nullptr)
      caf::intrusive_ptr_release(next.who);
  }
  outside_work_.end_round();
  return !ready_.empty();
}

} // namespace actorwire
