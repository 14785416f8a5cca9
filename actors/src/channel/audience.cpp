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
    if (std::exchange(entry->mode, mode) != mode) {
      const auto forgive = [](debt& owed) { owed.granted.paid = owed.granted.delivered; };
      forgive(entry->main);
      if (entry->others != nullptr)
        for (auto& [stream, owed] : *entry->others)
          forgive(owed);
    }
    entry->mask = mask;
    return;
  }
  auto& entry = members_.emplace_back();
  entry.who = who;
  entry.mask = mask;
  entry.mode = mode;
  entry.main.number = ++debts_begun_;
}

bool audience::remove(const caf::actor_addr& who) {
  return std::erase_if(members_, [&who](const member& entry) { return entry.who == who; }) > 0;
}

bool audience::includes(const caf::actor_addr& who) const noexcept {
  return std::any_of(members_.begin(), members_.end(), [&who](const member& entry) { return entry.who == who; });
}

handler_seat& audience::make_seat(channel_actor& owner) {
  if (seat_ == nullptr)
    seat_ = std::make_unique<handler_seat>(owner);
  return *seat_;
}

void audience::deliver(received&& data) {
  const auto stream = data.stream;
  deliver_to_all(std::move(data), stream);
}

void audience::deliver(called&& question) {
  const auto stream = question.stream;
  deliver_to_all(std::move(question), stream);
}

bool audience::deliver(datagram_received&& datagram) {
  const auto has_room = [this](const member& entry) { return entry.wants(datagrams) && room_of(entry, datagrams) > 0; };
  if (!is_handled(event_mask::datagrams))
    return send_to_all(std::move(datagram), datagrams, has_room);
  send_to_all(datagram_received{datagram}, datagrams, has_room);
  seat_->deliver(std::move(datagram));
  return true;
}

template <class Data>
void audience::deliver_to_all(Data&& data, stream_id stream) {
  const auto wants_it = [stream](const member& entry) { return entry.wants(stream); };
  if (!is_handled(topic_of(stream))) {
    send_to_all(std::forward<Data>(data), stream, wants_it);
    return;
  }
  if (!members_.empty())
    send_to_all(Data{data}, stream, wants_it);
  seat_->deliver(std::forward<Data>(data));
}

template <class Data, class Chosen>
bool audience::send_to_all(Data&& data, stream_id stream, Chosen&& chosen) {
  // All but the last get a copy of the reference, the last one the reference itself.
  member* last = nullptr;
  for (auto& entry : members_) {
    if (!chosen(entry))
      continue;
    if (last != nullptr)
      deliver_to(*last, Data{data}, stream);
    last = &entry;
  }
  if (last != nullptr)
    deliver_to(*last, std::forward<Data>(data), stream);
  return last != nullptr;
}

template <class Data>
void audience::deliver_to(member& entry, Data&& data, stream_id stream) {
  // Nobody can name datagrams in a `grant`.
  const auto is_manual = entry.mode == credit_mode::manual && stream != datagrams;
  auto& owed = debt_of(entry, stream);
  owed.answered.delivered += message_cost + (is_manual ? 0 : data.body.size());
  if (is_manual)
    owed.granted.delivered += data.body.size();
  const auto has_used_all = is_manual && owed.granted.owed() >= credit_;
  const auto source = data.source;
  // The message that exhausts the credit is always asked about: nothing would be delivered after it to ask with.
  if (owed.answered.owed() >= credit_ || owed.answered.delivered - owed.asked >= credit_ / 4) {
    owed.asked = owed.answered.delivered;
    // Any answer will do, even an error: it says that the subscriber is done with the message.
    auto settle = [this, number = owed.number, stream, up_to = owed.asked] { note_answer(number, stream, up_to); };
    ask(&self_, caf::actor_cast<caf::actor>(entry.who), caf::infinite, std::forward<Data>(data))
        .then(settle, [settle](caf::error&) { settle(); });
  } else {
    detail::enqueue_to(entry.who, self_.ctrl(), self_.context(), std::forward<Data>(data));
  }
  if (has_used_all)
    detail::enqueue_to(entry.who, self_.ctrl(), self_.context(), passivated{source, stream});
}

void audience::await_handling(const peer_closing& last, std::function<void()> handled) {
  if (is_handled(topic_of(last.stream))) {
    seat_->put(event_mask::data, last);
    handled = [this, handled = std::move(handled)] { seat_->when_told(handled); };
  }
  const auto is_listener = [&last](const member& entry) { return entry.wants(last.stream); };
  const auto open_answers =
      std::make_shared<std::ptrdiff_t>(std::count_if(members_.begin(), members_.end(), is_listener));
  if (*open_answers == 0) {
    handled();
    return;
  }
  for (auto& entry : members_) {
    if (!is_listener(entry))
      continue;
    // Whoever has that much to do is not waited for any longer than for one that does not answer.
    if (entry.events.is_full()) {
      entry.events.miss(last);
      continue;
    }
    auto note = [open_answers, handled, settle = note_of(entry, last.source), up_to = entry.events.count_request()] {
      settle(up_to);
      if (--*open_answers == 0)
        handled();
    };
    ask(&self_, caf::actor_cast<caf::actor>(entry.who), caf::infinite, last).then(note, [note](caf::error&) {
      note();
    });
  }
}

void audience::clear(connection_id source) {
  for (const auto& entry : members_)
    tell_missed(source, caf::actor_cast<caf::actor_addr>(entry.who));
  members_.clear();
}

void audience::tell_missed(connection_id source, const caf::actor_addr& who) {
  if (auto* entry = find(who))
    entry->events.tell_missed(source, [&]<class Event>(const Event& event) {
      detail::enqueue_to(entry->who, self_.ctrl(), self_.context(), Event{event});
    });
}

bool audience::has_room_for_stream() noexcept {
  const auto has_none = [](const member& entry) {
    return actorwire::includes(entry.mask, event_mask::streams) && entry.events.is_half_full();
  };
  const auto is_there = std::none_of(members_.begin(), members_.end(), has_none);
  holds_back_streams_ = holds_back_streams_ || !is_there;
  return is_there;
}

void audience::note_handled_events(std::uint64_t number, connection_id source, std::uint32_t up_to) {
  const auto entry = std::find_if(members_.begin(), members_.end(),
                                  [number](const member& each) { return each.main.number == number; });
  if (entry == members_.end())
    return;
  entry->events.note_handled(up_to);
  entry->events.tell_missed(source, [&](const auto& event) {
    entry->events.send(self_, entry->who, event, note_of(*entry, source));
  });
  if (std::exchange(holds_back_streams_, false) && has_room_for_stream())
    paid_(self_, every_stream, false);
}

void audience::grant(const caf::actor_addr& who, std::uint64_t bytes, stream_id stream) {
  auto* entry = find(who);
  auto* owed = entry != nullptr ? entry->find(stream) : nullptr;
  if (owed == nullptr)
    return;
  const auto had_none = room_of(*entry, stream) == 0;
  owed->granted.paid += std::min(bytes, owed->granted.owed());
  paid_(self_, stream, had_none);
}

void audience::note_answer(std::uint64_t number, stream_id stream, std::uint64_t up_to) {
  for (auto& entry : members_) {
    auto* owed = entry.find(stream);
    if (owed == nullptr || owed->number != number)
      continue;
    const auto had_none = room_of(entry, stream) == 0;
    owed->answered.paid = std::clamp(up_to, owed->answered.paid, owed->answered.delivered);
    paid_(self_, stream, had_none);
    return;
  }
}

std::size_t audience::credit_left_to_all(stream_id stream, std::size_t handler_room) const noexcept {
  auto anyone = handler_room > 0;
  auto left = anyone ? std::min(credit_, handler_room) : credit_;
  for (const auto& entry : members_) {
    if (!entry.wants(stream))
      continue;
    anyone = true;
    left = std::min(left, room_of(entry, stream));
  }
  return anyone ? left : 0;
}

bool audience::is_out_of_credit() const noexcept {
  if (seat_ != nullptr && seat_->is_taken() && seat_->is_paused())
    return true;
  return std::any_of(members_.begin(), members_.end(), [this](const member& entry) {
    if (entry.wants(0) && room_of(entry, 0) == 0)
      return true;
    return entry.others != nullptr && std::any_of(entry.others->begin(), entry.others->end(), [&](const auto& owed) {
             return owed.first != datagrams && entry.wants(owed.first) && room_of(entry, owed.first) == 0;
           });
  });
}

void audience::forget_stream(stream_id stream) noexcept {
  for (auto& entry : members_)
    if (entry.others != nullptr && entry.others->erase(stream) > 0 && entry.others->empty())
      entry.others = nullptr;
}

void audience::forget_streams() noexcept {
  for (auto& entry : members_)
    entry.others = nullptr;
}

std::size_t audience::room_of(const member& entry, stream_id stream) const noexcept {
  const auto* owed = entry.find(stream);
  return owed == nullptr ? credit_ : credit_ - static_cast<std::size_t>(std::min<std::uint64_t>(owed->owed(), credit_));
}

audience::debt& audience::debt_of(member& entry, stream_id stream) {
  if (auto* known = entry.find(stream))
    return *known;
  if (entry.others == nullptr)
    entry.others = std::make_unique<std::map<stream_id, debt>>();
  auto& made = (*entry.others)[stream];
  made.number = ++debts_begun_;
  return made;
}

audience::debt* audience::member::find(stream_id stream) const noexcept {
  if (stream == 0)
    return const_cast<debt*>(&main);
  if (others == nullptr)
    return nullptr;
  const auto found = others->find(stream);
  return found != others->end() ? &found->second : nullptr;
}

audience::member* audience::find(const caf::actor_addr& who) noexcept {
  const auto found =
      std::find_if(members_.begin(), members_.end(), [&who](const member& entry) { return entry.who == who; });
  return found == members_.end() ? nullptr : &*found;
}

} // namespace actorwire
