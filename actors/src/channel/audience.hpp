#pragma once

#include "channel/handler_seat.hpp"
#include "event_account.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/calls.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/requests.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace actorwire {

/// The interface that connections and peers share inside the library: the public one, and what a supervisor tells its
/// peers.
using channel_interface = connection_actor::extend<sig<void(peer_directive)>>;

/// The subscribers of a connection or peer: who hears of what, and how much data each may still get. Each stream has a
/// credit of its own, and so have the datagrams.
///
/// Credit is counted in bytes delivered and bytes paid for, and each message costs a little beside its bytes, so that a
/// flood of empty ones is bounded too. Every so often a message is sent as a request: its answer, which CAF sends when
/// the handler returns, proves that all messages before it were handled too. At most a quarter of the credit goes by
/// between two such requests, so small traffic costs none at all. Who pays by hand owes the bytes until it grants them;
/// what messages cost beside is paid as above.
///
/// Events have an account beside the credit, which knows of each subscriber how many it has not handled. Without room it misses
/// some.
///
/// Beside them there may be a handler in the shard. What it has returned from is handled, so it owes nothing.
/// *Thread:* shard only.
class audience {
public:
  /// Called when credit came back for a stream; or, with `every_stream`, when there is room to tell of other streams. `had_none`:
  /// whoever paid could not be sent anything before.
  using paid_function = void (*)(channel_interface::base& self, stream_id stream, bool had_none);

  /// No stream has this number (RFC 9000, 2.1).
  static constexpr stream_id every_stream = ~stream_id{1};

  /// `self` sends the events; `credit` is what each subscriber to data may owe.
  audience(channel_interface::base& self, std::size_t credit, paid_function paid) noexcept
    : self_(self), credit_(credit), paid_(paid) {}

  /// Adds a subscriber, or changes what it hears.
  void add(const caf::strong_actor_ptr& who, event_mask mask, credit_mode mode);

  /// Returns whether it was there.
  bool remove(const caf::actor_addr& who);
  [[nodiscard]] bool includes(const caf::actor_addr& who) const noexcept;
  /// Forgets all; those who have missed something, from `source`, are told so.
  void clear(connection_id source);
  /// Tells `who` what it has missed, if there is anything, whether it has room or not.
  void tell_missed(connection_id source, const caf::actor_addr& who);

  /// Where the handler sits that there may be; null while there never was one.
  [[nodiscard]] handler_seat* seat() const noexcept { return seat_.get(); }
  [[nodiscard]] bool has_failed_handler() const noexcept { return seat_ != nullptr && seat_->has_failed(); }
  [[nodiscard]] bool has_failed_in_data() const noexcept { return seat_ != nullptr && seat_->has_failed_in_data(); }
  /// The same, made if need be.
  [[nodiscard]] handler_seat& make_seat(channel_actor& owner);

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& entry : members_)
      visit(entry.who);
  }

  /// Sends `event` to all who want to hear of `topic` and have room.
  template <class Event>
  void publish(event_mask topic, const Event& event) {
    for (auto& entry : members_)
      if (actorwire::includes(entry.mask, topic))
        entry.events.tell(self_, entry.who, event, note_of(entry, event_source(event)));
    if (is_handled(topic))
      seat_->put(topic, event);
  }

  /// Whether all who want to hear of streams other than 0 have room to hear of another one. If not, `every_stream` is paid for
  /// when they have.
  [[nodiscard]] bool has_room_for_stream() noexcept;

  /// Sends data to all who want it. Allowed only while `credit_left` of its stream is not 0.
  void deliver(received&& data);
  void deliver(called&& question);

  /// Sends a datagram to all who want such and have room for it; returns whether anybody had.
  bool deliver(datagram_received&& datagram);

  /// Asks all who want data to say when they have handled what they got; `handled` is called when the last has, and the handler
  /// has too; at once if nobody wants data.
  void await_handling(const peer_closing& last, std::function<void()> handled);

  /// Takes back credit from a subscriber that pays by hand.
  void grant(const caf::actor_addr& who, std::uint64_t bytes, stream_id stream);

  /// Bytes of a stream that may be delivered now: what the most indebted of those who want them may still owe. 0 if
  /// nobody does.
  [[nodiscard]] std::size_t credit_left(stream_id stream) const noexcept {
    if (!is_handled(topic_of(stream)))
      return credit_left_to_all(stream, 0);
    const auto room = seat_->room();
    return members_.empty() || room == 0 ? room : credit_left_to_all(stream, room);
  }

  /// Whether anybody has no credit left for a stream, so that it is not read.
  [[nodiscard]] bool is_out_of_credit() const noexcept;

  /// Whether anybody wants what comes on this stream.
  [[nodiscard]] bool wants_data(stream_id stream) const noexcept {
    return is_handled(topic_of(stream)) || is_wanted(stream);
  }

  /// The stream is over, and what is owed for it with it.
  void forget_stream(stream_id stream) noexcept;
  /// The same for all streams other than 0, and the datagrams.
  void forget_streams() noexcept;

private:
  /// Delivered and paid for, both counted from the beginning.
  struct account {
    std::uint64_t delivered = 0;
    std::uint64_t paid = 0;

    [[nodiscard]] std::uint64_t owed() const noexcept { return delivered - paid; }
  };

  /// What one subscriber owes for one stream.
  struct debt {
    /// What is paid by answers: the messages, and their bytes unless those are paid by hand.
    account answered;
    /// What is paid by `grant`.
    account granted;
    /// The debt of `answered` up to and including the last message that was sent as a request.
    std::uint64_t asked = 0;
    /// Tells the answers to an earlier subscription of the same actor, or to an earlier stream of the same number, from
    /// those to this one.
    std::uint64_t number = 0;

    [[nodiscard]] std::uint64_t owed() const noexcept { return std::max(answered.owed(), granted.owed()); }
  };

  struct member {
    caf::strong_actor_ptr who;
    event_mask mask = event_mask::none;
    credit_mode mode = credit_mode::automatic;
    /// What names a generation that is over comes before what tells of the present one.
    event_account<address_changed, health_changed, backpressure, data_lost, session_lost, session_opened, opened,
                  state_changed>
        events;
    /// For stream 0. Its number is that of the subscription.
    debt main;
    /// For the others, and the datagrams, as far as there was anything to owe for; null if there was not.
    std::unique_ptr<std::map<stream_id, debt>> others;

    /// Null if nothing was ever owed.
    [[nodiscard]] debt* find(stream_id stream) const noexcept;
    [[nodiscard]] bool wants(stream_id stream) const noexcept { return actorwire::includes(mask, topic_of(stream)); }
  };

  /// What is to be called when an event was handled.
  struct handled_note {
    audience& all;
    std::uint64_t number;
    connection_id source;

    void operator()(std::uint32_t up_to) const { all.note_handled_events(number, source, up_to); }
  };

  /// The number under which datagrams are owed for; no stream has it (RFC 9000, 2.1).
  static constexpr stream_id datagrams = ~stream_id{0};

  [[nodiscard]] static constexpr event_mask topic_of(stream_id stream) noexcept {
    if (stream == datagrams)
      return event_mask::datagrams;
    return stream == 0 ? event_mask::data : event_mask::streams;
  }

  /// Whether there is a handler that wants to hear of it.
  [[nodiscard]] bool is_handled(event_mask topic) const noexcept { return seat_ != nullptr && seat_->wants(topic); }

  /// Whether any subscriber wants what comes on this stream.
  [[nodiscard]] bool is_wanted(stream_id stream) const noexcept {
    for (const auto& entry : members_)
      if (entry.wants(stream))
        return true;
    return false;
  }
  /// The same as `credit_left` for the subscribers, and a handler if that has room.
  [[nodiscard]] std::size_t credit_left_to_all(stream_id stream, std::size_t handler_room) const noexcept;

  [[nodiscard]] member* find(const caf::actor_addr& who) noexcept;
  [[nodiscard]] debt& debt_of(member& entry, stream_id stream);
  /// Returns what `entry` may still be sent.
  [[nodiscard]] std::size_t room_of(const member& entry, stream_id stream) const noexcept;
  /// Passes it on to all who want it, the handler last.
  template <class Data>
  void deliver_to_all(Data&& data, stream_id stream);
  /// Sends to all that `chosen` picks.
  template <class Data, class Chosen>
  bool send_to_all(Data&& data, stream_id stream, Chosen&& chosen);
  template <class Data>
  void deliver_to(member& entry, Data&& data, stream_id stream);
  void note_answer(std::uint64_t number, stream_id stream, std::uint64_t up_to);
  void note_handled_events(std::uint64_t number, connection_id source, std::uint32_t up_to);

  [[nodiscard]] static connection_id event_source(const opened& event) noexcept { return event.info.id; }
  template <class Event>
  [[nodiscard]] static connection_id event_source(const Event& event) noexcept {
    return event.source;
  }
  [[nodiscard]] handled_note note_of(const member& entry, connection_id source) noexcept {
    return {*this, entry.main.number, source};
  }

  channel_interface::base& self_;
  std::size_t credit_;
  paid_function paid_;
  std::vector<member> members_;
  std::unique_ptr<handler_seat> seat_;
  std::uint64_t debts_begun_ = 0;
  bool holds_back_streams_ = false;
};

} // namespace actorwire
