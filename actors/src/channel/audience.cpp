#include "channel/audience.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace actorwire {

namespace {

/// What a message costs a subscriber beside its bytes: about the memory that CAF takes for it.
constexpr std::uint64_t message_cost = 128;

} // namespace

void audience::add(const caf::strong_actor_ptr& who, event_mask mask, credit_mode mode) {
  if (auto* entry = find(caf::actor_cast<caf::actor_addr>(who))) {
    // A debt that was to be paid the other way would never be.
    if (std::exchange(entry->mode, mode) != mode)
      entry->granted.paid = entry->granted.delivered;
    entry->mask = mask;
    return;
  }
  auto& entry = members_.emplace_back();
  entry.who = who;
  entry.mask = mask;
  entry.mode = mode;
  entry.membership = ++memberships_;
}

bool audience::remove(const caf::actor_addr& who) {
  return std::erase_if(members_, [&who](const member& entry) { return entry.who == who; }) > 0;
}

bool audience::includes(const caf::actor_addr& who) const noexcept {
  return std::any_of(members_.begin(), members_.end(), [&who](const member& entry) { return entry.who == who; });
}

void audience::deliver(received&& data) {
  // All but the last get a copy of the reference, the last one the reference itself.
  member* last = nullptr;
  for (auto& entry : members_) {
    if (!wants_data(entry))
      continue;
    if (last != nullptr)
      deliver_to(*last, received{data});
    last = &entry;
  }
  if (last != nullptr)
    deliver_to(*last, std::move(data));
}

void audience::deliver_to(member& entry, received&& data) {
  const auto is_manual = entry.mode == credit_mode::manual;
  entry.answered.delivered += message_cost + (is_manual ? 0 : data.body.size());
  if (is_manual)
    entry.granted.delivered += data.body.size();
  const auto has_used_all = is_manual && entry.granted.owed() >= credit_;
  const auto source = data.source;
  // The message that exhausts the credit is always asked about: nothing would be delivered after it to ask with.
  if (entry.answered.owed() >= credit_ || entry.answered.delivered - entry.asked >= credit_ / 4) {
    entry.asked = entry.answered.delivered;
    // Any answer will do, even an error: it says that the subscriber is done with the message.
    auto settle = [this, membership = entry.membership, up_to = entry.asked] { note_answer(membership, up_to); };
    ask(&self_, caf::actor_cast<caf::actor>(entry.who), caf::infinite, std::move(data))
        .then(settle, [settle](caf::error&) { settle(); });
  } else {
    detail::enqueue_to(entry.who, self_.ctrl(), self_.context(), std::move(data));
  }
  if (has_used_all)
    detail::enqueue_to(entry.who, self_.ctrl(), self_.context(), passivated{source});
}

void audience::await_handling(const peer_closing& last, std::function<void()> handled) {
  const auto is_listener = [](const member& entry) { return wants_data(entry); };
  const auto open_answers =
      std::make_shared<std::ptrdiff_t>(std::count_if(members_.begin(), members_.end(), is_listener));
  if (*open_answers == 0) {
    handled();
    return;
  }
  auto note = [open_answers, handled = std::move(handled)] {
    if (--*open_answers == 0)
      handled();
  };
  for (auto& entry : members_)
    if (is_listener(entry))
      ask(&self_, caf::actor_cast<caf::actor>(entry.who), caf::infinite, last).then(note, [note](caf::error&) {
        note();
      });
}

void audience::grant(const caf::actor_addr& who, std::uint64_t bytes) {
  auto* entry = find(who);
  if (entry == nullptr)
    return;
  entry->granted.paid += std::min(bytes, entry->granted.owed());
  paid_(self_);
}

void audience::note_answer(std::uint64_t membership, std::uint64_t up_to) {
  const auto entry = std::find_if(members_.begin(), members_.end(),
                                  [membership](const member& one) { return one.membership == membership; });
  if (entry == members_.end())
    return;
  entry->answered.paid = std::clamp(up_to, entry->answered.paid, entry->answered.delivered);
  paid_(self_);
}

std::size_t audience::credit_left() const noexcept {
  auto left = credit_;
  auto anyone = false;
  for (const auto& entry : members_) {
    if (!wants_data(entry))
      continue;
    anyone = true;
    left = std::min<std::size_t>(left, credit_ - std::min<std::uint64_t>(entry.owed(), credit_));
  }
  return anyone ? left : 0;
}

bool audience::wants_data() const noexcept {
  return std::any_of(members_.begin(), members_.end(), [](const member& entry) { return wants_data(entry); });
}

audience::member* audience::find(const caf::actor_addr& who) noexcept {
  const auto found =
      std::find_if(members_.begin(), members_.end(), [&who](const member& entry) { return entry.who == who; });
  return found == members_.end() ? nullptr : &*found;
}

} // namespace actorwire
