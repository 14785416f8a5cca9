#pragma once

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/requests.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace actorwire {

/// The interface that connections and peers share inside the library: the public one, and what a supervisor tells its
/// peers.
using channel_interface = connection_actor::extend<sig<void(peer_directive)>>;

/// The subscribers of a connection or peer: who hears of what, and how much data each may still get.
///
/// Credit is counted in bytes delivered and bytes paid for, and each message costs a little beside its bytes, so that a
/// flood of empty ones is bounded too. Every so often a message is sent as a request: its answer, which CAF sends when
/// the handler returns, proves that all messages before it were handled too. At most a quarter of the credit goes by
/// between two such requests, so small traffic costs none at all. Who pays by hand owes the bytes until it grants them;
/// what messages cost beside is paid as above.
/// *Thread:* shard only.
class audience {
public:
  /// Called when credit came back.
  using paid_function = void (*)(channel_interface::base& self);

  /// `self` sends the events; `credit` is what each subscriber to data may owe.
  audience(channel_interface::base& self, std::size_t credit, paid_function paid) noexcept
    : self_(self), credit_(credit), paid_(paid) {}

  /// Adds a subscriber, or changes what it hears.
  void add(const caf::strong_actor_ptr& who, event_mask mask, credit_mode mode);

  /// Returns whether it was there.
  bool remove(const caf::actor_addr& who);
  [[nodiscard]] bool includes(const caf::actor_addr& who) const noexcept;
  void clear() noexcept { members_.clear(); }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& entry : members_)
      visit(entry.who);
  }

  /// Sends `event` to all who want to hear of `topic`.
  template <class Event>
  void publish(event_mask topic, const Event& event) {
    for (const auto& entry : members_)
      if (actorwire::includes(entry.mask, topic))
        detail::enqueue_to(entry.who, self_.ctrl(), self_.context(), Event{event});
  }

  /// Sends data to all who want it. Allowed only while `credit_left` is not 0.
  void deliver(received&& data);

  /// Asks all who want data to say when they have handled what they got; `handled` is called when the last has, at once
  /// if nobody wants data.
  void await_handling(const peer_closing& last, std::function<void()> handled);

  /// Takes back credit from a subscriber that pays by hand.
  void grant(const caf::actor_addr& who, std::uint64_t bytes);

  /// Bytes that may be delivered now: what the most indebted subscriber to data may still owe. 0 if nobody wants data.
  [[nodiscard]] std::size_t credit_left() const noexcept;

  [[nodiscard]] bool wants_data() const noexcept;

private:
  /// Delivered and paid for, both counted from the beginning.
  struct account {
    std::uint64_t delivered = 0;
    std::uint64_t paid = 0;

    [[nodiscard]] std::uint64_t owed() const noexcept { return delivered - paid; }
  };

  struct member {
    caf::strong_actor_ptr who;
    event_mask mask = event_mask::none;
    credit_mode mode = credit_mode::automatic;
    /// What is paid by answers: the messages, and their bytes unless those are paid by hand.
    account answered;
    /// What is paid by `grant`.
    account granted;
    /// The debt of `answered` up to and including the last message that was sent as a request.
    std::uint64_t asked = 0;
    /// Tells the answers to an earlier subscription of the same actor from those to this one.
    std::uint64_t membership = 0;

    [[nodiscard]] std::uint64_t owed() const noexcept { return std::max(answered.owed(), granted.owed()); }
  };

  [[nodiscard]] member* find(const caf::actor_addr& who) noexcept;
  [[nodiscard]] static bool wants_data(const member& entry) noexcept {
    return actorwire::includes(entry.mask, event_mask::data);
  }
  void deliver_to(member& entry, received&& data);
  void note_answer(std::uint64_t membership, std::uint64_t up_to);

  channel_interface::base& self_;
  std::size_t credit_;
  paid_function paid_;
  std::vector<member> members_;
  std::uint64_t memberships_ = 0;
};

} // namespace actorwire
