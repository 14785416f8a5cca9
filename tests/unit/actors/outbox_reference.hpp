#pragma once

#include "outbox_fixture.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

inline constexpr time_point never = time_point::max();

/// The outbox once more, without any thought of speed: a list of everything ever accepted, and every answer found by
/// looking through all of it.
class reference {
public:
  struct message {
    int id = 0;
    std::string body;
    std::string wire{};
    send_options options{};
    time_point accepted_at{};
    /// Bytes handed over, and the offset of the stream behind the last of them.
    std::size_t handed_over = 0;
    std::uint64_t end = 0;
    /// Bytes that an attempt to connect has taken, and whether one has that failed.
    std::size_t lent = 0;
    bool was_lent = false;
    std::optional<outcome> result{};
    /// Why it was lost, if it was.
    error_code why = error_code::none;

    [[nodiscard]] bool is_open() const { return !result; }
    [[nodiscard]] bool is_whole() const { return handed_over == wire.size(); }
    [[nodiscard]] bool is_queued() const { return is_open() && handed_over == 0 && lent == 0; }
    [[nodiscard]] bool is_unwritten() const { return is_open() && !is_whole(); }
  };

  reference(const flow_limits& limits, const framing_config& framing) : limits_(limits), framing_(framing) {}

  /// What is to become of a message that is offered: whether it is refused, and who is told because of it.
  struct verdict {
    error_code refusal = error_code::none;
    expected told{};
  };

  /// One of several messages that are offered at once.
  struct offer_of_many {
    int id = 0;
    std::string body;
  };

  verdict offer(int id, const std::string& body, const send_options& options, time_point now) {
    if (const auto never_fits = refusal_of(body); never_fits != error_code::none)
      return {never_fits};
    if (const auto older = older_of(options))
      return fits({1, body.size()}, {1, all[*older].body.size()})
               ? verdict{error_code::none, {replace(*older, id, body, options, now)}}
               : verdict{error_code::would_block};
    if (limits_.overflow == overflow_policy::drop_newest && !fits({1, body.size()}))
      return {error_code::none, {drop_newest(id, body)}};
    auto made = make_room({1, body.size()}, options.priority);
    if (made.refusal == error_code::none)
      accept(id, body, options, now);
    return made;
  }

  /// The same of several that are accepted together or not at all. What does not fit is the offerer's to drop.
  verdict offer(const std::vector<offer_of_many>& many, const send_options& options, time_point now) {
    tally sum;
    for (const auto& each : many) {
      if (const auto never_fits = refusal_of(each.body); never_fits != error_code::none)
        return {never_fits};
      sum.add(each.body.size());
    }
    auto made = make_room(sum, options.priority);
    if (made.refusal == error_code::none)
      for (const auto& each : many)
        accept(each.id, each.body, options, now);
    return made;
  }

  [[nodiscard]] error_code refusal_of(std::string_view body) const {
    if (body.empty() && framing_.mode == framing_mode::none)
      return error_code::invalid_value;
    if (body.size() > limits_.write_limit)
      return error_code::message_too_large;
    if (framing_.mode != framing_mode::none && body.size() > framing_.max_frame_size)
      return error_code::message_too_large;
    return error_code::none;
  }

  void accept(int id, std::string body, const send_options& options, time_point now) {
    order.push_back(all.size());
    add(id, std::move(body), options, now);
  }

  /// The one with the same key that waits, if that counts.
  [[nodiscard]] std::optional<std::size_t> older_of(const send_options& options) const {
    std::optional<std::size_t> older;
    if (options.key != 0 && limits_.overflow == overflow_policy::conflate)
      for (const auto index : waiting())
        if (all[index].options.key == options.key && !all[index].was_lent)
          older = index;
    return older;
  }

  answer replace(std::size_t older, int id, std::string body, const send_options& options, time_point now) {
    const auto place = std::find(order.begin(), order.end(), older);
    if (all[older].options.priority == options.priority) {
      *place = all.size();
      add(id, std::move(body), options, now);
    } else {
      order.erase(place);
      accept(id, std::move(body), options, now);
    }
    return settle(older, outcome::not_sent, error_code::superseded);
  }

  answer drop_newest(int id, std::string body) {
    add(id, std::move(body), {}, {});
    return settle(all.size() - 1, outcome::not_sent, error_code::queue_overflow);
  }

  expected drop_oldest(std::size_t count, std::uint8_t priority) {
    expected told;
    const auto candidates = droppable(priority);
    for (std::size_t each = 0; each < count; ++each)
      told.push_back(settle(candidates.at(each),
                            all[candidates.at(each)].was_lent ? outcome::maybe_sent : outcome::not_sent,
                            error_code::queue_overflow));
    return told;
  }

  void drop(std::size_t size, error_code why) {
    all.push_back({.body = std::string(size, '.'), .result = outcome::not_sent, .why = why});
  }

  /// Those that have not left whole, as they leave.
  [[nodiscard]] std::vector<std::size_t> line() const {
    std::vector<std::size_t> found;
    for (const auto index : order)
      if (all[index].is_unwritten())
        found.push_back(index);
    // In the line of those that an attempt has, each keeps the place in which it was taken.
    std::stable_sort(found.begin(), found.end(), [this](std::size_t left, std::size_t right) {
      const auto rank = [this](std::size_t index) {
        const auto& each = all[index];
        const auto taken = std::find(lent_order.begin(), lent_order.end(), index);
        if (each.handed_over > 0)
          return std::pair{0, std::ptrdiff_t{0}};
        if (taken != lent_order.end())
          return std::pair{1, taken - lent_order.begin()};
        return std::pair{2, std::ptrdiff_t{send_priorities} - each.options.priority};
      };
      return rank(left) < rank(right);
    });
    return found;
  }

  [[nodiscard]] std::string offered() const {
    std::string bytes;
    for (const auto index : line())
      bytes += all[index].wire.substr(all[index].handed_over);
    return bytes;
  }

  /// What an attempt to connect may have beside what it has.
  [[nodiscard]] std::string offered_early() const {
    std::string bytes;
    for (const auto index : line()) {
      if (!all[index].options.idempotent)
        break;
      bytes += all[index].wire.substr(all[index].lent);
    }
    return bytes;
  }

  void lend(std::size_t count) {
    for (const auto index : line()) {
      auto& each = all[index];
      const auto taken = std::min(count, each.wire.size() - each.lent);
      if (taken > 0 && each.lent == 0)
        lent_order.push_back(index);
      each.lent += taken;
      count -= taken;
    }
  }

  void early_lost() {
    for (const auto index : std::exchange(lent_order, {})) {
      all[index].was_lent = true;
      all[index].lent = 0;
    }
  }

  expected hand_over(std::size_t count) {
    expected told;
    while (count > 0) {
      const auto index = line().front();
      auto& each = all[index];
      const auto taken = std::min(count, each.wire.size() - each.handed_over);
      if (each.handed_over == 0)
        begun_order.push_back(index);
      count -= taken;
      stream_offset += taken;
      each.handed_over += taken;
      each.end = stream_offset;
      if (each.is_whole() && each.options.wanted == outcome::written)
        told.push_back(settle(index, outcome::written, error_code::none));
    }
    return told;
  }

  expected acknowledge(std::uint64_t offset) {
    return settle_where([offset](
                            const message& each) { return each.is_open() && each.is_whole() && each.end <= offset; },
                        outcome::acked, error_code::none);
  }

  expected connect() {
    is_ready = true;
    stream_offset = 0;
    std::size_t count = 0;
    for (const auto index : lent_order)
      count += all[index].lent;
    auto told = hand_over(count);
    for (const auto index : std::exchange(lent_order, {}))
      all[index].lent = 0;
    return told;
  }

  expected lose(time_point now) {
    is_ready = false;
    lost_at_ = now;
    auto told = settle_started(error_code::reset);
    const auto refused =
        settle_where([](const message& each) { return each.is_open() && each.options.policy != when_down::queue; },
                     outcome::not_sent, error_code::reset);
    told.insert(told.end(), refused.begin(), refused.end());
    return told;
  }

  expected abandon() {
    is_ready = false;
    auto told = settle_started(error_code::closed);
    lent_order.clear();
    const auto rest =
        settle_where([](const message& each) { return each.is_open(); }, outcome::not_sent, error_code::closed);
    told.insert(told.end(), rest.begin(), rest.end());
    return told;
  }

  expected expire(time_point now) {
    return settle_where([this, now](const message& each) { return each.is_queued() && deadline_of(each) <= now; },
                        outcome::not_sent, error_code::expired);
  }

  [[nodiscard]] time_point next_deadline() const {
    auto earliest = never;
    for (const auto& each : all)
      if (each.is_queued())
        earliest = std::min(earliest, deadline_of(each));
    return earliest;
  }

  [[nodiscard]] delivery_totals totals() const {
    delivery_totals sum;
    for (const auto& each : all) {
      sum.accepted.add(each.body.size());
      if (each.is_open())
        sum.pending.add(each.body.size());
      else if (each.result == outcome::not_sent)
        sum.not_sent.add(each.body.size());
      else if (each.result == outcome::maybe_sent)
        sum.maybe_sent.add(each.body.size());
      else if (each.result == outcome::written)
        sum.written.add(each.body.size());
      else
        sum.acked.add(each.body.size());
    }
    return sum;
  }

  [[nodiscard]] loss_book losses() const {
    loss_book sum;
    for (const auto& each : all) {
      const tally one{1, each.body.size()};
      if (each.result == outcome::not_sent)
        sum.add(each.why, {.not_sent = one});
      if (each.result == outcome::maybe_sent)
        sum.add(each.why, {.maybe_sent = one});
    }
    return sum;
  }

  [[nodiscard]] bool waits_for_acks() const {
    return std::any_of(all.begin(), all.end(), [](const message& each) { return each.is_open() && each.is_whole(); });
  }

  std::optional<bool> poll_backpressure() {
    const auto messages = line().size();
    const auto unwritten = offered().size() + (messages > 1 ? messages - 1 : 0) * waiting_message_cost;
    const auto was_pressed = is_pressed_;
    if (unwritten > limits_.high_water)
      is_pressed_ = true;
    if (unwritten < limits_.low_water)
      is_pressed_ = false;
    return is_pressed_ == was_pressed ? std::nullopt : std::optional{is_pressed_};
  }

  std::vector<message> all;
  /// Those that were to be sent, as they leave.
  std::vector<std::size_t> order;
  /// Those that have begun, as they did; and those that the present attempt to connect has something of.
  std::vector<std::size_t> begun_order;
  std::vector<std::size_t> lent_order;
  bool is_ready = false;
  std::uint64_t stream_offset = 0;

private:
  [[nodiscard]] time_point deadline_of(const message& each) const {
    if (each.options.ttl > 0ms)
      return each.accepted_at + each.options.ttl;
    if (is_ready)
      return never;
    return (lost_at_ ? std::max(*lost_at_, each.accepted_at) : each.accepted_at) + limits_.queue_age;
  }

  void add(int id, std::string body, const send_options& options, time_point now) {
    auto wire = wire_of(body, framing_.mode);
    all.push_back({.id = id, .body = std::move(body), .wire = std::move(wire), .options = options, .accepted_at = now});
  }

  /// Has the oldest go until there is room, if that is wanted.
  verdict make_room(const tally& more, std::uint8_t priority) {
    if (fits(more))
      return {};
    tally freed;
    if (limits_.overflow == overflow_policy::drop_oldest)
      for (const auto index : droppable(priority)) {
        freed.add(all[index].body.size());
        if (fits(more, freed))
          return {error_code::none, drop_oldest(static_cast<std::size_t>(freed.messages), priority)};
      }
    return {error_code::would_block};
  }

  [[nodiscard]] static std::uint64_t load_of(std::uint64_t messages, std::uint64_t bytes) {
    return bytes + (messages > 0 ? messages - 1 : 0) * waiting_message_cost;
  }

  /// Whether they fit within the limits, or within what is pending where that is more than the limits already.
  [[nodiscard]] bool fits(const tally& more, const tally& freed = {}) const {
    const auto before = totals().pending;
    const auto messages = before.messages - freed.messages + more.messages;
    const auto load = load_of(messages, before.bytes - freed.bytes + more.bytes);
    const auto load_before = load_of(before.messages, before.bytes);
    const auto has_room_for_load = load <= (is_ready ? limits_.write_limit : limits_.queue_bytes);
    const auto has_room_for_messages = is_ready || messages <= limits_.queue_messages;
    return (has_room_for_load || load <= load_before) && (has_room_for_messages || messages <= before.messages);
  }

  /// Those that may still be dropped, as they would leave.
  [[nodiscard]] std::vector<std::size_t> waiting() const {
    auto found = line();
    std::erase_if(found, [this](std::size_t index) { return !all[index].is_queued(); });
    return found;
  }

  /// Those that may be dropped for one of this priority, the first to be dropped first.
  [[nodiscard]] std::vector<std::size_t> droppable(std::uint8_t priority) const {
    auto found = waiting();
    std::erase_if(found, [&](std::size_t index) { return all[index].options.priority > priority; });
    std::stable_sort(found.begin(), found.end(), [this](std::size_t left, std::size_t right) {
      return all[left].options.priority < all[right].options.priority;
    });
    return found;
  }

  answer settle(std::size_t index, outcome result, error_code why) {
    all[index].result = result;
    all[index].why = why;
    return {all[index].id, index + 1, result, why};
  }

  expected settle_where(const std::function<bool(const message&)>& chosen, outcome result, error_code why) {
    expected told;
    // Those that have begun come first, as they began; the others as they would leave.
    auto candidates = begun_order;
    for (const auto index : line())
      if (all[index].handed_over == 0)
        candidates.push_back(index);
    for (const auto index : candidates)
      if (chosen(all[index])) {
        const auto truth = result == outcome::not_sent && all[index].was_lent ? outcome::maybe_sent : result;
        told.push_back(settle(index, truth, why));
      }
    return told;
  }

  expected settle_started(error_code why) {
    return settle_where([](const message& each) { return each.is_open() && (each.handed_over > 0 || each.lent > 0); },
                        outcome::maybe_sent, why);
  }

  flow_limits limits_;
  framing_config framing_;
  std::optional<time_point> lost_at_;
  bool is_pressed_ = false;
};

} // namespace actorwire::test
