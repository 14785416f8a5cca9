#include "outbox_fixture.hpp"
#include "outbox_reference.hpp"
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
#include <utility>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

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
    switch (draw(14)) {
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
      case 11:
        return accept_many();
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
    const auto before = box_.pending();
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
      check_limits(before);
    } else {
      REQUIRE(taken.error().code == verdict.refusal);
    }
  }

  /// Several at once, as whoever sends a batch does it: checked first, then given room, then added.
  void accept_many() {
    auto options = new_options();
    options.key = 0;
    std::vector<reference::offer_of_many> many(1 + draw(4));
    tally sum;
    auto refusal = error_code::none;
    for (auto& each : many) {
      each.id = ++last_id_;
      each.body = new_body(each.id);
      sum.add(each.body.size());
      const auto checked = box_.check(payload::copy_of(each.body), options);
      if (!checked && refusal == error_code::none)
        refusal = checked.error().code;
    }
    const auto before = box_.pending();
    const auto verdict = model_.offer(many, options, now_);
    answers told;
    if (refusal == error_code::none) {
      const auto made = box_.make_room(sum, options.priority, told);
      refusal = made ? error_code::none : made.error().code;
      if (made)
        losses_.add(*made, box_.is_ready());
    }
    REQUIRE(refusal == verdict.refusal);
    const auto heard = told.take();
    REQUIRE(heard == verdict.told);
    all_answers_.insert(all_answers_.end(), heard.begin(), heard.end());
    if (refusal != error_code::none)
      return;
    for (const auto& each : many)
      box_.add(payload::copy_of(each.body), options, ticket{each.id}, now_);
    check_limits(before);
  }

  /// No limit is exceeded, or by no more than what came back with a lost connection did `before`.
  void check_limits(const tally& before) const {
    const auto pending = box_.pending();
    const std::uint64_t bytes_max = box_.is_ready() ? limits_.write_limit : limits_.queue_bytes;
    REQUIRE(bytes_held_by(pending) <= std::max(bytes_max, bytes_held_by(before)));
    REQUIRE((box_.is_ready() || pending.messages <= std::max<std::uint64_t>(limits_.queue_messages, before.messages)));
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
    const auto before = box_.pending();
    answers told;
    const auto taken = box_.accept(payload::copy_of(body), options, ticket{id}, now_, told);
    if (!taken)
      return;
    REQUIRE(taken->sequence == model_.all.size() + sent_again.size() + 1);
    losses_.add(*taken, box_.is_ready());
    const auto is_dropped = taken->dropped != loss{} && taken->reason == loss_reason::dropped_newest;
    check_limits(before);
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
  const auto rounds = seed_count(1'000);
  for (const auto mode : all_framings)
    for (std::uint32_t index = 0; index < rounds; ++index) {
      CAPTURE(mode, index);
      auto chance = seed.engine(index);
      trial{mode, chance}.run(80);
    }
}
