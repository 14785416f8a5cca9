#include "channel/calls.hpp"

#include "channel/channel_actor.hpp"
#include "channel/outbound_errors.hpp"
#include "channel/refusal.hpp"
#include "delivery/obstacle.hpp"

#include <actorwire/actors/errors.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace actorwire {

namespace {

constexpr auto never = time_point::max();

transport_error too_many(std::uint32_t limit) {
  return make_error(error_code::would_block, phase::established, origin::local,
                    "flow.open_calls = " + std::to_string(limit) + " calls wait for their answers");
}

/// `left` is what is known of the message of the call: `not_sent` or `maybe_sent`.
transport_error unanswered(outcome left, const transport_error& why) {
  auto text = std::string{left == outcome::not_sent ? "the call did not leave: " : "the call may have been acted on: "};
  return make_error(error_code::call_unanswered, why.where, why.who, std::move(text.append(why.text)),
                    left == outcome::not_sent ? 0 : 1);
}

/// `obstacle` is why there is no connection; nothing if there is one.
transport_error time_is_over(const std::optional<transport_error>& obstacle = {}) {
  std::string text = "no answer came within its timeout";
  if (obstacle)
    text += "; not connected" + describe_obstacle(*obstacle);
  return make_error(error_code::call_unanswered, phase::established, origin::local, std::move(text));
}

} // namespace

calls::calls(channel_actor& owner) : owner_(owner), time_out_([this] { owner_.in_actor([this] { expire(); }); }) {}

// -- from who calls -----------------------------------------------------------------------------------------------------

result<void> calls::add(std::uint64_t number, promise asker, const send_options& options, bool expires_before) {
  if (const auto limit = owner_.config().flow.open_calls; open_.size() >= limit)
    return too_many(limit);
  auto& budget = owner_.where().buffers().budget();
  if (!budget.try_take(cost))
    return memory_used_up(budget.limit());
  open_.emplace_hint(open_.end(), number,
                     open_call{std::move(asker), never, options.stream, options.tag, expires_before, false});
  ++by_stream_[options.stream];
  ++totals_.made;
  return {};
}

void calls::start(std::uint64_t number, std::chrono::milliseconds timeout) {
  const auto found = open_.find(number);
  if (found == open_.end())
    return;
  // By the time of this moment, and not of the turn: its message, which may know the moment, is not to wait for longer.
  found->second.deadline = owner_.where().read_clock() + timeout;
  deadlines_.emplace(found->second.deadline, number);
  follow_deadlines();
}

calls::promise calls::withdraw(std::uint64_t number) {
  --totals_.made;
  return take(open_.find(number)).asker;
}

// -- from the outbox ----------------------------------------------------------------------------------------------------

void calls::note_outcome(const settled& what) {
  const auto found = open_.find(what.sequence);
  if (found == open_.end())
    return;
  if (what.why == nullptr) {
    note_left(found);
    return;
  }
  const auto ran_out = what.why->code == error_code::expired && !found->second.expires_before;
  if (what.result == outcome::not_sent && !ran_out)
    fail(found, *what.why);
  else
    fail(found, unanswered(what.result, ran_out ? time_is_over(owner_.obstacle()) : *what.why));
}

void calls::note_left(std::uint64_t number) {
  if (const auto found = open_.find(number); found != open_.end())
    note_left(found);
}

void calls::note_left(entries::iterator position) {
  if (std::exchange(position->second.has_left, true))
    return;
  ++left_;
  // What waited here until the peer had ended its side is sent all the same.
  if (const auto silent = owner_.why_no_answer(position->second.stream); !silent)
    fail(position, unanswered(outcome::maybe_sent, silent.error()));
}

// -- from the peer ------------------------------------------------------------------------------------------------------

void calls::deliver(stream_id stream, const frame_label& label, payload body) {
  const auto found = open_.find(label.number);
  if (found == open_.end() || found->second.stream != stream || !found->second.has_left) {
    ++totals_.late_answers;
    return;
  }
  auto closed = take(found);
  if (label.kind == frame_kind::refusal) {
    ++totals_.refused;
    closed.asker.deliver(to_caf_error(decode_refusal(body)));
  } else {
    ++totals_.answered;
    closed.asker.deliver(answered{label.number, owner_.generation(), closed.tag, std::move(body)});
  }
}

void calls::stream_is_over(stream_id stream, const transport_error& why) {
  if (awaits_answers(stream))
    fail_if([stream](const open_call& each) { return each.has_left && each.stream == stream; }, why);
}

void calls::connection_lost(const transport_error& why) {
  fail_if([](const open_call& each) { return each.has_left; }, why);
}

// -- helpers ------------------------------------------------------------------------------------------------------------

calls::open_call calls::take(entries::iterator position) {
  auto taken = std::move(position->second);
  if (taken.deadline != never)
    deadlines_.erase({taken.deadline, position->first});
  open_.erase(position);
  if (const auto counted = by_stream_.find(taken.stream); --counted->second == 0)
    by_stream_.erase(counted);
  owner_.where().buffers().budget().give_back(cost);
  if (taken.has_left && --left_ == 0)
    owner_.note_no_answer_awaited();
  return taken;
}

void calls::fail(entries::iterator position, const transport_error& why) {
  ++totals_.unanswered;
  take(position).asker.deliver(to_caf_error(why));
}

template <class Predicate>
void calls::fail_if(Predicate is_meant, const transport_error& why) {
  // Taken first: whoever is told may call again.
  std::vector<promise> told;
  for (auto position = open_.begin(); position != open_.end();) {
    const auto next = std::next(position);
    if (is_meant(position->second))
      told.push_back(take(position).asker);
    position = next;
  }
  if (told.empty())
    return;
  totals_.unanswered += told.size();
  // One error for all of them: there may be many.
  const auto reason = to_caf_error(unanswered(outcome::maybe_sent, why));
  for (auto& asker : told)
    asker.deliver(reason);
}

void calls::expire() {
  // What waits to be sent says for itself that its time is over, and that it has not left.
  owner_.sending().expire_due();
  const auto now = owner_.where().now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now)
    fail(open_.find(deadlines_.begin()->second), unanswered(outcome::maybe_sent, time_is_over()));
  follow_deadlines();
}

void calls::follow_deadlines() {
  if (deadlines_.empty() || owner_.is_over())
    return;
  const auto next = deadlines_.begin()->first;
  if (!time_out_.is_armed() || next < time_out_.deadline())
    owner_.where().arm(time_out_, next - owner_.where().now());
}

} // namespace actorwire
