#pragma once

#include <actorwire/actors/detail/caf_execution.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/events_missed.hpp>

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/error.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace actorwire {

/// The events that one subscriber was sent and has not handled, and what it missed for that; of the kinds `Kept` the latest is
/// kept for when it has caught up.
///
/// Every so often an event is sent as a request: its answer, which CAF sends when the handler returns, proves that all events
/// before it were handled too. The one after which there is no room is always asked about. An event that is not costs a count.
/// *Thread:* shard only.
template <class... Kept>
class event_account {
public:
  [[nodiscard]] bool is_full() const noexcept { return owed() >= events_owed_max; }
  [[nodiscard]] bool is_half_full() const noexcept { return owed() >= events_owed_max / 2; }

  /// Counts `event` and has `self` send it to `who`. If that is done as a request, `handled` is called when it is over, with
  /// what `note_handled` is to be called with. Allowed also while there is no room.
  template <class Self, class Event, class Handled>
  void send(Self& self, const caf::strong_actor_ptr& who, Event event, Handled handled) {
    if (++sent_ - asked_ < events_owed_max / 4 && !is_full()) {
      detail::enqueue_to(who, self.ctrl(), self.context(), std::move(event));
      return;
    }
    // Any answer will do, even an error: it says that the subscriber is done with the event.
    auto settle = [handled = std::move(handled), up_to = note_request()] { handled(up_to); };
    ask(&self, caf::actor_cast<caf::actor>(who), caf::infinite, std::move(event)).then(settle, [settle](caf::error&) {
      settle();
    });
  }

  /// The same, or leaves it out, while there is no room.
  template <class Self, class Event, class Handled>
  void tell(Self& self, const caf::strong_actor_ptr& who, const Event& event, Handled handled) {
    if (is_full())
      miss(event);
    else
      send(self, who, event, std::move(handled));
  }

  /// Counts an event that the owner sends as a request of its own, and returns what `note_handled` is to be called with when
  /// that is over.
  std::uint32_t count_request() noexcept {
    ++sent_;
    return note_request();
  }

  void note_handled(std::uint32_t up_to) noexcept {
    // Counters go round. Answers come in any order.
    if (up_to - handled_ <= sent_ - handled_)
      handled_ = up_to;
  }

  /// Leaves `event` out.
  template <class Event>
  void miss(const Event& event) {
    if (missed_ == nullptr)
      missed_ = std::make_unique<backlog>();
    ++missed_->count;
    if constexpr ((std::is_same_v<Event, Kept> || ...))
      keep(std::get<std::optional<Event>>(missed_->latest), event);
  }

  /// Has `send` called with `events_missed`, and with the latest of what is kept. Does nothing if nothing was missed.
  template <class Send>
  void tell_missed(connection_id source, Send&& send) {
    const auto missed = std::exchange(missed_, nullptr);
    if (missed == nullptr)
      return;
    send(events_missed{source, missed->count});
    const auto send_if_any = [&send](const auto& latest) {
      if (latest)
        send(*latest);
    };
    std::apply([&](const auto&... each) { (send_if_any(each), ...); }, missed->latest);
  }

private:
  struct backlog {
    std::uint64_t count = 0;
    std::tuple<std::optional<Kept>...> latest;
  };

  template <class Event>
  static void keep(std::optional<Event>& latest, const Event& event) {
    latest = event;
  }

  /// Each message is counted in exactly one of these.
  static void keep(std::optional<data_lost>& sum, const data_lost& event) {
    auto more = event;
    if (sum) {
      more.not_sent += sum->not_sent;
      more.maybe_sent += sum->maybe_sent;
    }
    sum = std::move(more);
  }

  [[nodiscard]] std::uint32_t owed() const noexcept { return sent_ - handled_; }
  std::uint32_t note_request() noexcept { return asked_ = sent_; }

  /// All counted from the beginning.
  std::uint32_t sent_ = 0;
  std::uint32_t asked_ = 0;
  std::uint32_t handled_ = 0;
  /// Null while nothing was.
  std::unique_ptr<backlog> missed_;
};

} // namespace actorwire
