#include "channel/audience.hpp"

#include <algorithm>
#include <memory>

namespace actorwire {

void audience::add(const caf::strong_actor_ptr& who, event_mask mask, credit_mode mode) {
  if (auto* entry = find(caf::actor_cast<caf::actor_addr>(who))) {
    entry->mask = mask;
    entry->mode = mode;
    return;
  }
  auto& entry = members_.emplace_back();
  entry.who = who;
  entry.mask = mask;
  entry.mode = mode;
}

void audience::remove(const caf::actor_addr& who) {
  std::erase_if(members_, [&who](const member& entry) { return entry.who == who; });
}

bool audience::contains(const caf::actor_addr& who) const noexcept {
  return std::any_of(members_.begin(), members_.end(), [&who](const member& entry) { return entry.who == who; });
}

void audience::deliver(received&& data) {
  // All but the last get a copy of the reference, the last one the reference itself.
  member* last = nullptr;
  for (auto& entry : members_) {
    if (!includes(entry.mask, event_mask::data))
      continue;
    if (last != nullptr)
      deliver_to(*last, received{data});
    last = &entry;
  }
  if (last != nullptr)
    deliver_to(*last, std::move(data));
}

void audience::deliver_to(member& entry, received&& data) {
  entry.delivered += data.body.size();
  const auto is_exhausted = entry.owed() >= credit_;
  if (entry.mode == credit_mode::manual) {
    const auto source = data.source;
    detail::enqueue_to(entry.who, self_.ctrl(), self_.context(), std::move(data));
    if (is_exhausted)
      detail::enqueue_to(entry.who, self_.ctrl(), self_.context(), passivated{source});
    return;
  }
  // The message that exhausts the credit is always asked about: nothing would be delivered after it to ask with.
  if (!is_exhausted && entry.delivered - entry.asked < credit_ / 4) {
    detail::enqueue_to(entry.who, self_.ctrl(), self_.context(), std::move(data));
    return;
  }
  entry.asked = entry.delivered;
  // Any answer will do, even an error: it says that the subscriber is done with the message.
  auto settle = [this, who = caf::actor_cast<caf::actor_addr>(entry.who), up_to = entry.delivered] {
    account_payment(who, up_to);
  };
  ask(&self_, caf::actor_cast<caf::actor>(entry.who), caf::infinite, std::move(data))
      .then(settle, [settle](caf::error&) { settle(); });
}

void audience::await_handling(const peer_closing& last, std::function<void()> handled) {
  const auto is_listener = [](const member& entry) { return includes(entry.mask, event_mask::data); };
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
  if (auto* entry = find(who); entry != nullptr && entry->mode == credit_mode::manual)
    account_payment(who, entry->paid + std::min(bytes, entry->owed()));
}

void audience::account_payment(const caf::actor_addr& who, std::uint64_t up_to) {
  auto* entry = find(who);
  if (entry == nullptr)
    return;
  entry->paid = std::clamp(up_to, entry->paid, entry->delivered);
  paid_();
}

std::size_t audience::credit_left() const noexcept {
  auto left = credit_;
  auto anyone = false;
  for (const auto& entry : members_) {
    if (!includes(entry.mask, event_mask::data))
      continue;
    anyone = true;
    left = std::min<std::size_t>(left, credit_ - std::min<std::uint64_t>(entry.owed(), credit_));
  }
  return anyone ? left : 0;
}

bool audience::wants_data() const noexcept {
  return std::any_of(members_.begin(), members_.end(),
                     [](const member& entry) { return includes(entry.mask, event_mask::data); });
}

audience::member* audience::find(const caf::actor_addr& who) noexcept {
  const auto found =
      std::find_if(members_.begin(), members_.end(), [&who](const member& entry) { return entry.who == who; });
  return found == members_.end() ? nullptr : &*found;
}

} // namespace actorwire
