#pragma once

#include <actorwire/actors/connection_handler.hpp>
#include <actorwire/messages/calls.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/health.hpp>
#include <actorwire/messages/sessions.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace actorwire {

class channel_actor;

/// Where the user's handler of a channel sits, and what stands between the two: what the channel tells is put off until no
/// function of the channel is at work that a callback could disturb; what the handler asks for is done at once where that is
/// harmless, and otherwise by a message. Data is passed on at once: it comes from `wire::pump`, which is made for that.
///
/// What is put off is told at the end of the turn, so it is no more than a turn brings. Until then no data is passed on, so that
/// all comes in the order in which it happened. A failure of the handler ends the channel at the end of the turn, too. In one
/// turn a handler is given no more data than a subscriber may owe, so that other connections have their turn.
/// *Thread:* shard only.
class handler_seat final : private flushable {
public:
  explicit handler_seat(channel_actor& owner) noexcept;
  ~handler_seat();

  handler_seat(const handler_seat&) = delete;
  handler_seat& operator=(const handler_seat&) = delete;

  // -- from the channel ---------------------------------------------------------------------------------------------------

  /// Has the handler made. Allowed only while there is none.
  void take(const handler_factory& make);

  [[nodiscard]] bool is_taken() const noexcept { return handler_ != nullptr; }

  /// While the handler is made it is not known what it wants, and everything is kept for it.
  [[nodiscard]] bool wants(event_mask topic) const noexcept {
    return is_making_ || (handler_ != nullptr && includes(handler_->events(), topic));
  }

  /// How much data may be passed on now, in bytes.
  [[nodiscard]] std::size_t room() const noexcept {
    return is_paused_ || is_leaving_ || !put_off_.empty() || failure_ != nullptr ? 0 : room_;
  }
  [[nodiscard]] bool is_paused() const noexcept { return is_paused_; }

  /// Whether the handler has thrown, and the channel is about to end for it.
  [[nodiscard]] bool has_failed() const noexcept { return failure_ != nullptr; }
  /// Whether it has not returned from the last message that it was given.
  [[nodiscard]] bool has_failed_in_data() const noexcept { return has_failed_in_data_; }

  // Passed on at once.
  void deliver(received&& data);
  void deliver(called&& question);
  void deliver(datagram_received&& datagram);

  /// Puts an event off.
  template <class Event>
  void put(event_mask topic, const Event& event) {
    put_off_.push_back({topic, event});
    flush_soon();
  }

  /// Calls `then` when all events were told that were put off; at once if there are none.
  void when_told(std::function<void()> then);

  /// Tells what was put off, and `reason` as the last, and lets the handler go. Returns what the handler has thrown meanwhile.
  [[nodiscard]] std::optional<transport_error> end(const transport_error& reason) noexcept;

  // -- from the handler: see `local_connection` ---------------------------------------------------------------------------

  [[nodiscard]] channel_actor& owner() noexcept { return owner_; }
  /// Nothing may be sent any more.
  [[nodiscard]] bool is_over() const noexcept { return is_over_; }
  /// It has asked for the end at once: what happens until then is not told. Returns false if it had before.
  [[nodiscard]] bool leave() noexcept { return !std::exchange(is_leaving_, true); }
  void pause();
  void resume();

private:
  using happening =
      std::variant<opened, state_changed, address_changed, peer_closing, data_lost, backpressure, stream_opened,
                   stream_reset, stream_closed, streams_available, health_changed, session_opened, session_lost>;

  struct kept {
    event_mask topic;
    happening event;
  };

  void flush() override;
  /// Takes a message from the room of this turn.
  void charge(std::size_t size);
  void flush_soon();
  /// Tells what was put off before this was called.
  void tell_all();
  /// Calls the handler by `body`, unless it has failed.
  template <class Body>
  void call(Body&& body);
  void fail(const char* what);

  channel_actor& owner_;
  std::unique_ptr<connection_handler> handler_;
  std::vector<kept> put_off_;
  /// Empty if nobody waits.
  std::function<void()> then_;
  /// What the handler has thrown; null while it has not.
  std::unique_ptr<const transport_error> failure_;
  /// Begins the next turn's room where a turn has used up its own; null while none has.
  std::unique_ptr<timer> next_turn_;
  std::size_t room_;
  /// The turn that has used of it.
  time_point charged_at_{};
  bool is_paused_ = false;
  bool is_making_ = false;
  bool is_leaving_ = false;
  bool is_over_ = false;
  bool has_failed_in_data_ = false;
};

} // namespace actorwire
