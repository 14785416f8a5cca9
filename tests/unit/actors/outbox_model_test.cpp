#include "outbox_fixture.hpp"
#include "seed.hpp"

#include <actorwire/transports/frame_decoder.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

constexpr time_point never = time_point::max();

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

  verdict offer(int id, const std::string& body, const send_options& options, time_point now) {
    if (const auto never_fits = refusal_of(body); never_fits != error_code::none)
      return {never_fits};
    if (const auto older = older_of(options))
      return fits(body.size(), {1, all[*older].body.size()})
               ? verdict{error_code::none, {replace(*older, id, body, options, now)}}
               : verdict{error_code::would_block};
    if (fits(body.size(), {}))
      return accept(id, body, options, now), verdict{};
    if (limits_.overflow == overflow_policy::drop_newest)
      return {error_code::none, {drop_newest(id, body)}};
    if (limits_.overflow == overflow_policy::drop_oldest) {
      tally freed;
      std::size_t count = 0;
      for (const auto index : droppable(options.priority)) {
        freed.add(all[index].body.size());
        ++count;
        if (fits(body.size(), freed)) {
          auto told = drop_oldest(count, options.priority);
          accept(id, body, options, now);
          return {error_code::none, told};
        }
      }
    }
    return {error_code::would_block};
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

  [[nodiscard]] bool fits(std::size_t size, const tally& freed) const {
    const auto pending = totals().pending;
    const auto messages = pending.messages - freed.messages + 1;
    const auto bytes = pending.bytes - freed.bytes + size + (messages - 1) * waiting_message_cost;
    return bytes <= (is_ready ? limits_.write_limit : limits_.queue_bytes)
        && (is_ready || messages <= limits_.queue_messages);
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

/// One random life of an outbox, compared with the reference after every step, and at its end with what the peer saw.
class trial {
public:
  trial(framing_mode mode, std::mt19937_64& chance)
    : chance_(chance),
      limits_(random_limits()),
      framing_{.mode = mode, .max_frame_size = 20 + draw(60)},
      box_(limits_, framing_),
      model_(limits_, framing_) {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      take_step();
      compare();
    }
    may_send_again_ = false;
    give_up();
    compare();
    REQUIRE(box_.pending() == tally{});
    check_answers();
    check_peer();
  }

private:
  std::size_t draw(std::size_t bound) { return static_cast<std::size_t>(chance_() % bound); }

  flow_limits random_limits() {
    flow_limits limits;
    limits.write_limit = 60 + draw(100) + draw(8) * waiting_message_cost;
    limits.queue_messages = static_cast<std::uint32_t>(1 + draw(8));
    limits.queue_bytes = 20 + draw(80) + draw(8) * waiting_message_cost;
    limits.low_water = 1 + draw(20);
    limits.high_water = limits.low_water + draw(60) + draw(4) * waiting_message_cost;
    limits.queue_age = std::chrono::milliseconds{1 + draw(40)};
    limits.overflow = static_cast<overflow_policy>(draw(names_of(overflow_policy{}).size()));
    return limits;
  }

  void take_step() {
    switch (draw(13)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return accept();
      case 4:
        return drop();
      case 5:
      case 6:
        return model_.is_ready ? hand_over() : pass_time();
      case 7:
        return model_.is_ready ? acknowledge() : pass_time();
      case 8:
        return pass_time();
      case 9:
        return draw(20) == 0 ? give_up() : pass_time();
      case 10:
        return model_.is_ready ? hand_over() : try_early();
      default:
        return model_.is_ready ? lose() : connect();
    }
  }

  /// A body that no other message has and that is not part of one, unless it is empty.
  std::string new_body(int id) {
    if (draw(12) == 0)
      return {};
    auto body = "<" + std::to_string(id) + ":";
    body.append(draw(draw(10) == 0 ? 100 : 20), 'x');
    body.push_back('>');
    return body;
  }

  send_options new_options() {
    send_options options;
    if (box_.is_ready())
      options.policy = static_cast<when_down>(draw(3));
    options.wanted = draw(2) == 0 ? outcome::written : outcome::acked;
    if (draw(3) == 0)
      options.ttl = std::chrono::milliseconds{1 + draw(60)};
    options.key = draw(4);
    if (draw(2) == 0)
      options.priority = static_cast<std::uint8_t>(draw(send_priorities));
    options.idempotent = draw(2) == 0;
    return options;
  }

  void accept() {
    const auto id = ++last_id_;
    const auto body = new_body(id);
    const auto options = new_options();
    const auto verdict = model_.offer(id, body, options, now_);
    answers told;
    const auto taken = box_.accept(payload::copy_of(body), options, ticket{id}, now_, told);
    const auto heard = told.take();
    REQUIRE(heard == verdict.told);
    all_answers_.insert(all_answers_.end(), heard.begin(), heard.end());
    REQUIRE(taken.has_value() == (verdict.refusal == error_code::none));
    if (taken) {
      REQUIRE(taken->sequence == model_.all.size());
      REQUIRE(taken->dropped.not_sent.messages + taken->dropped.maybe_sent.messages == heard.size());
      losses_.add(*taken, box_.is_ready());
    } else {
      REQUIRE(taken.error().code == verdict.refusal);
    }
  }

  void drop() {
    const auto size = draw(10);
    // Whoever drops it knows why.
    model_.drop(size, error_code::not_connected);
    REQUIRE(box_.drop(size) == model_.all.size());
    losses_.add(error_code::not_connected, {.not_sent = {1, size}});
  }

  void hand_over() {
    expire();
    // Re-entrant senders may just have added to the end.
    const auto all = model_.offered();
    const auto offered = offered_by(box_, draw(8));
    REQUIRE(all.starts_with(offered));
    if (offered.empty())
      return;
    const auto count = draw(4) == 0 ? offered.size() : draw(offered.size() + 1);
    REQUIRE(now_ < model_.next_deadline());
    peer_.back() += offered.substr(0, count);
    expect(model_.hand_over(count), [&](auto& settle) { box_.handed_over(count, settle); });
  }

  void acknowledge() {
    const auto offset = draw(3) == 0 ? model_.stream_offset : draw(model_.stream_offset + 1);
    expect(model_.acknowledge(offset), [&](auto& settle) { box_.acknowledged(offset, settle); });
  }

  /// An attempt takes something, or fails.
  void try_early() {
    expire();
    std::vector<outgoing> pieces(draw(8));
    std::string offered;
    const auto used = box_.gather_early(pieces);
    for (std::size_t index = 0; index < used; ++index)
      offered.append(reinterpret_cast<const char*>(pieces[index].data), pieces[index].size);
    REQUIRE(model_.offered_early().starts_with(offered));
    REQUIRE((offered.empty() == model_.offered_early().empty() || pieces.empty()));
    if (draw(3) == 0) {
      box_.early_lost();
      model_.early_lost();
      failed_attempts_.push_back(std::exchange(attempt_, {}));
      return;
    }
    const auto count = draw(offered.size() + 1);
    box_.lend(count);
    model_.lend(count);
    attempt_ += offered.substr(0, count);
  }

  void pass_time() {
    now_ += std::chrono::milliseconds{draw(12)};
    // Sometimes to the point where something is due, exactly.
    if (const auto next = box_.next_timeout(); next && *next > now_ && draw(3) == 0)
      now_ = *next;
    // Timers may be late.
    if (draw(3) != 0)
      expire();
  }

  void expire() {
    expect(model_.expire(now_), [&](auto& settle) { losses_.add(error_code::expired, box_.expire(now_, settle)); });
    const auto next = box_.next_timeout();
    REQUIRE((!next || *next > now_));
  }

  void connect() {
    peer_.push_back(std::exchange(attempt_, {}));
    auto wanted = model_.expire(now_);
    const auto written = model_.connect();
    wanted.insert(wanted.end(), written.begin(), written.end());
    expect(wanted, [&](auto& settle) { losses_.add(error_code::expired, box_.connection_ready(now_, settle)); });
  }

  void lose() {
    const auto before = model_.totals();
    const auto told = model_.lose(now_);
    const auto after = model_.totals();
    expect(told, [&](auto& settle) {
      const auto lost = box_.connection_lost(now_, reset_by_peer(), settle);
      losses_.add(error_code::reset, lost);
      auto not_sent = before.not_sent;
      auto maybe_sent = before.maybe_sent;
      REQUIRE((not_sent += lost.not_sent) == after.not_sent);
      REQUIRE((maybe_sent += lost.maybe_sent) == after.maybe_sent);
    });
  }

  void give_up() {
    failed_attempts_.push_back(std::exchange(attempt_, {}));
    expect(model_.abandon(),
           [&](auto& settle) { losses_.add(error_code::closed, box_.abandon(closed_by_user(), settle)); });
  }

  /// Does something to the outbox and requires that exactly `wanted` is told meanwhile. Senders may send again from
  /// within; the reference learns of that afterwards, which is the same because new messages touch only what waits.
  template <class Action>
  void expect(const expected& wanted, Action&& action) {
    answers told;
    std::vector<std::function<void()>> sent_again;
    auto settle = [&](ticket&& reply, const settled& what) {
      REQUIRE(adds_up(box_.totals()));
      told(std::move(reply), what);
      if (may_send_again_ && draw(6) == 0)
        send_again(sent_again);
    };
    action(settle);
    const auto heard = told.take();
    REQUIRE(heard == wanted);
    all_answers_.insert(all_answers_.end(), heard.begin(), heard.end());
    for (const auto& learn : sent_again)
      learn();
  }

  void send_again(std::vector<std::function<void()>>& sent_again) {
    const auto id = ++last_id_;
    auto body = new_body(id);
    const auto options = new_options();
    answers told;
    const auto taken = box_.accept(payload::copy_of(body), options, ticket{id}, now_, told);
    if (!taken)
      return;
    REQUIRE(taken->sequence == model_.all.size() + sent_again.size() + 1);
    losses_.add(*taken, box_.is_ready());
    const auto is_dropped = taken->dropped != loss{} && taken->reason == loss_reason::dropped_newest;
    REQUIRE(
        (is_dropped || bytes_held_by(box_.pending()) <= (box_.is_ready() ? limits_.write_limit : limits_.queue_bytes)));
    REQUIRE((is_dropped || box_.is_ready() || box_.pending().messages <= limits_.queue_messages));
    sent_again.emplace_back([this, id, body, options, at = now_, is_dropped, heard = told.take()] {
      all_answers_.insert(all_answers_.end(), heard.begin(), heard.end());
      if (is_dropped) {
        REQUIRE(heard == expected{model_.drop_newest(id, body)});
      } else if (const auto older = model_.older_of(options)) {
        REQUIRE(heard == expected{model_.replace(*older, id, body, options, at)});
      } else {
        REQUIRE(heard == model_.drop_oldest(heard.size(), options.priority));
        model_.accept(id, body, options, at);
      }
    });
  }

  void compare() {
    const auto offered = model_.offered();
    REQUIRE(box_.totals() == model_.totals());
    REQUIRE(adds_up(box_.totals()));
    REQUIRE(losses_ == model_.losses());
    REQUIRE(box_.unwritten_bytes() == offered.size());
    REQUIRE(box_.is_flushed() == offered.empty());
    REQUIRE(box_.waits_for_acks() == model_.waits_for_acks());
    REQUIRE(box_.is_ready() == model_.is_ready);
    REQUIRE(box_.next_timeout().value_or(never) <= model_.next_deadline());
    REQUIRE(box_.poll_backpressure() == model_.poll_backpressure());
  }

  /// Every accepted message was answered once, nothing else was.
  void check_answers() {
    std::vector<int> accepted;
    for (const auto& each : model_.all)
      if (each.id != 0)
        accepted.push_back(each.id);
    std::vector<int> answered;
    for (const auto& each : all_answers_)
      answered.push_back(each.id);
    std::sort(answered.begin(), answered.end());
    REQUIRE(answered == accepted);
  }

  /// The messages that the peer can make out in the bytes of one connection, the last one perhaps torn.
  [[nodiscard]] std::vector<std::string> seen_in(const std::string& bytes) const {
    std::vector<std::string> seen;
    if (framing_.mode == framing_mode::none) {
      std::size_t begin = 0;
      for (auto end = bytes.find('>'); end != std::string::npos; end = bytes.find('>', begin)) {
        seen.push_back(bytes.substr(begin, end + 1 - begin));
        begin = end + 1;
      }
      return seen;
    }
    frame_decoder decoder{framing_};
    decoder.feed(payload::copy_of(bytes));
    for (;;) {
      const auto frame = decoder.next();
      REQUIRE(frame);
      if (!*frame)
        return seen;
      seen.emplace_back((*frame)->text());
    }
  }

  /// Judges by the bytes that transports took, without asking the reference what should have happened.
  void check_peer() const {
    // What arrived is what was accepted, with gaps: nothing twice, torn, merged or, within a priority, out of order. Empty
    // messages cannot be told apart, so they are left out here.
    std::array<std::vector<std::size_t>, send_priorities> left;
    for (const auto index : model_.order)
      left.at(model_.all[index].options.priority).push_back(index);
    std::array<std::size_t, send_priorities> next{};
    std::vector<const reference::message*> arrived;
    for (const auto& bytes : peer_)
      for (const auto& body : seen_in(bytes)) {
        if (body.empty())
          continue;
        const auto known = std::find_if(model_.order.begin(), model_.order.end(),
                                        [&](std::size_t index) { return model_.all[index].body == body; });
        REQUIRE(known != model_.order.end());
        const auto priority = model_.all[*known].options.priority;
        auto& lane = left.at(priority);
        auto& place = next.at(priority);
        while (place < lane.size() && lane[place] != *known)
          ++place;
        REQUIRE(place < lane.size());
        ++place;
        arrived.push_back(&model_.all[*known]);
      }

    // And the outcomes are true of it.
    for (const auto& told : all_answers_) {
      const auto& message = model_.all.at(static_cast<std::size_t>(told.sequence - 1));
      REQUIRE(message.id == told.id);
      if (message.body.empty())
        continue;
      CAPTURE(told, message.body);
      const auto has_arrived = std::find(arrived.begin(), arrived.end(), &message) != arrived.end();
      if (told.result == outcome::written || told.result == outcome::acked)
        REQUIRE(has_arrived);
      if (told.result == outcome::not_sent) {
        const auto label = message.body.substr(0, message.body.find(':') + 1);
        for (const auto& bytes : peer_)
          REQUIRE(bytes.find(label) == std::string::npos);
        for (const auto& bytes : failed_attempts_)
          REQUIRE(bytes.find(label) == std::string::npos);
      }
    }
  }

  std::mt19937_64& chance_;
  flow_limits limits_;
  framing_config framing_;
  test_outbox box_;
  reference model_;
  time_point now_{1'000s};
  int last_id_ = 0;
  bool may_send_again_ = true;
  std::vector<answer> all_answers_;
  loss_book losses_;
  /// What the present attempt to connect has taken, and what those took that failed.
  std::string attempt_;
  std::vector<std::string> failed_attempts_;
  /// What transports took, connection by connection.
  std::vector<std::string> peer_;
};

} // namespace

TEST_CASE("whatever happens, every accepted message has one outcome, and it is true",
          "[outbox][D1][D2][D3][D4][D5][D6]") {
  const test_seed seed;
  for (const auto mode : all_framings)
    for (std::uint32_t index = 0; index < 1'000; ++index) {
      CAPTURE(mode, index);
      auto chance = seed.engine(index);
      trial{mode, chance}.run(80);
    }
}
