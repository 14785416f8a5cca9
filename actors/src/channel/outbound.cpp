#include "channel/outbound.hpp"

#include "channel/channel_actor.hpp"
#include "channel/outbound_errors.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace actorwire {

namespace {

transport_error not_sendable(stream_id stream) {
  return make_error(error_code::stream_closed, phase::established, origin::local,
                    "stream " + std::to_string(stream) + " is not open, or cannot be sent on any more");
}

transport_error too_slow() {
  return make_error(error_code::queue_overflow, phase::established, origin::local,
                    "the peer takes less than is sent to it: flow.overflow = disconnect");
}

/// What is waited for is what is to be reported, if anybody hears of that.
send_options options_for(const send_options& wanted, const caf::strong_actor_ptr& reporter) {
  auto how = wanted;
  if (wanted.report == message_report::acked && reporter)
    how.wanted = outcome::acked;
  return how;
}

loss& operator+=(loss& sum, const loss& other) noexcept {
  sum.not_sent += other.not_sent;
  sum.maybe_sent += other.maybe_sent;
  return sum;
}

} // namespace

outbound::outbound(channel_actor& owner)
  : owner_(owner), ledger_(owner.config().flow, &owner.lifetime_figures()), outbox_(ledger_, owner.config().framing) {
  if (const auto& config = owner.config(); config.session.mode == session_mode::on)
    lane_ = std::make_unique<lane_type>(ledger_, config.framing, limits_of(config.session));
}

// -- from senders -------------------------------------------------------------------------------------------------------

result<std::uint64_t> outbound::accept(payload& body, const send_options& options, recipient& whom,
                                       const frame_label& label) {
  if (lane_ != nullptr && options.stream == 0)
    return accept_in_session(body, options, whom);
  auto* target = find(options.stream);
  if (target == nullptr)
    return not_sendable(options.stream);
  const auto size = body.size();
  auto& budget = owner_.where().buffers().budget();
  if (!budget.try_take(size + waiting_message_cost))
    return memory_used_up(budget.limit());
  reserved_bytes_ += size + waiting_message_cost;
  const auto how = options_for(options, whom.reporter);
  const auto accepted =
      target->accept(std::move(body), how, std::move(whom), time_of_acceptance(*target, how), settler(), label);
  if (!accepted) {
    release_memory();
    if (accepted.error().code == error_code::would_block)
      note_full();
    return accepted.error();
  }
  if (accepted->dropped != loss{}) {
    release_memory();
    report_dropped(accepted->dropped, why_dropped(accepted->reason, target->is_ready()));
  }
  report_backpressure();
  owner_.flush_later(options.stream);
  follow_expiry(target->next_timeout());
  return accepted->sequence;
}

result<void> outbound::accept(send_batch& batch, batch_reply& asker, const caf::strong_actor_ptr& reporter) {
  if (lane_ != nullptr && batch.options.stream == 0)
    return accept_in_session(batch, asker, reporter);
  auto* target = find(batch.options.stream);
  if (target == nullptr)
    return not_sendable(batch.options.stream);
  tally all;
  for (std::size_t index = 0; index < batch.bodies.size(); ++index) {
    if (const auto checked = target->check(batch.bodies[index], batch.options); !checked)
      return about_message(index, checked.error());
    all.add(batch.bodies[index].size());
  }
  const auto load = all.bytes + (std::max<std::uint64_t>(all.messages, 1) - 1) * waiting_message_cost;
  if (const auto limit = ledger_.limits().write_limit; load > limit)
    return make_error(error_code::message_too_large, phase::established, origin::local,
                      "a batch that takes " + std::to_string(load) + " bytes with "
                          + std::to_string(waiting_message_cost) + " for each message: flow.write_limit is "
                          + std::to_string(limit));
  auto& budget = owner_.where().buffers().budget();
  const auto reserved = static_cast<std::size_t>(all.bytes + all.messages * waiting_message_cost);
  if (!budget.try_take(reserved))
    return memory_used_up(budget.limit());
  reserved_bytes_ += reserved;
  const auto room = target->make_room(all, batch.options.priority, settler());
  if (!room) {
    release_memory();
    if (ledger_.limits().overflow == overflow_policy::drop_newest) {
      refuse(batch, why_dropped(loss_reason::dropped_newest, target->is_ready()), asker, reporter);
      return {};
    }
    note_full();
    return room.error();
  }
  if (room->dropped != loss{})
    report_dropped(room->dropped, why_dropped(room->reason, target->is_ready()));
  open_batch_of(batch, asker);
  const auto how = options_for(batch.options, reporter);
  for (auto& body : batch.bodies)
    target->add(std::move(body), how, {{}, reporter, batch.options.tag}, time_of_acceptance(*target, how));
  // Only now: what was reserved counts as used no earlier.
  if (room->dropped != loss{})
    release_memory();
  report_backpressure();
  owner_.flush_later(batch.options.stream);
  follow_expiry(target->next_timeout());
  return {};
}

void outbound::open_batch_of(const send_batch& batch, const batch_reply& asker) {
  if (!asker.pending())
    return;
  if (batches_ == nullptr)
    batches_ = std::make_unique<std::map<std::uint64_t, open_batch>>();
  const auto first = next_sequence();
  batch_sent answer{first, 0, std::vector<outcome>(batch.bodies.size(), outcome::not_sent), {}, batch.options.tag};
  batches_->try_emplace(first, open_batch{asker, std::move(answer), batch.bodies.size()});
}

void outbound::refuse(const send_batch& batch, const transport_error& why, batch_reply& asker,
                      const caf::strong_actor_ptr& reporter) {
  tally lost;
  const auto first = ledger_.totals().accepted.messages + 1;
  for (const auto& body : batch.bodies) {
    const auto sequence = ledger_.drop(body.size());
    lost.add(body.size());
    settle({{}, reporter, batch.options.tag}, settled{sequence, outcome::not_sent, &why});
  }
  if (asker.pending())
    asker.deliver(batch_sent{first, owner_.generation(), std::vector<outcome>(batch.bodies.size(), outcome::not_sent),
                             why, batch.options.tag});
  report_loss({lost, {}}, why);
}

std::uint64_t outbound::refuse(std::size_t size, const transport_error& why, recipient whom) {
  const auto sequence = ledger_.drop(size);
  settle(std::move(whom), settled{sequence, outcome::not_sent, &why});
  tally refused;
  refused.add(size);
  report_loss({refused, {}}, why);
  return sequence;
}

bool outbound::has_room_to_spare(std::size_t size) const noexcept {
  return ledger_.unwritten_load() < ledger_.limits().low_water && ledger_.has_room({1, size}, true);
}

void outbound::drop(std::size_t size, const transport_error& why) {
  ledger_.drop(size);
  loss dropped;
  dropped.not_sent.add(size);
  report_dropped(dropped, why);
}

// -- from the wire ------------------------------------------------------------------------------------------------------

std::size_t outbound::gather_early(std::span<outgoing> pieces) {
  // What is of a session leaves when that is open.
  if (lane_ != nullptr)
    return 0;
  if (outbox_.next_timeout())
    expire(outbox_);
  return outbox_.gather_early(pieces);
}

std::size_t outbound::gather(stream_id stream, std::span<outgoing> pieces) {
  if (lane_ != nullptr && stream == 0)
    return lane_->gather(pieces, owner_.where().lived());
  auto* source = find(stream);
  if (source == nullptr)
    return 0;
  if (source->next_timeout())
    expire(*source);
  return source->gather(pieces);
}

void outbound::hand_over(stream_id stream, std::size_t bytes) {
  if (lane_ != nullptr && stream == 0) {
    lane_->handed_over(bytes);
    return;
  }
  find(stream)->handed_over(bytes, settler());
  backlog_ -= std::min<std::uint64_t>(backlog_, bytes);
  release_memory();
  report_backpressure();
}

void outbound::settle_acknowledged(stream_id stream, std::uint64_t stream_offset) {
  if (lane_ != nullptr && stream == 0)
    return;
  if (auto* source = find(stream); source != nullptr && source->is_ready())
    source->acknowledged(stream_offset, settler());
  release_memory();
}

bool outbound::waits_for_acks(stream_id stream) const noexcept {
  const auto* source = find(stream);
  return source != nullptr && source->waits_for_acks();
}

bool outbound::is_flushed(stream_id stream) const noexcept {
  if (lane_ != nullptr && stream == 0)
    return lane_->is_flushed();
  const auto* source = find(stream);
  return source == nullptr || source->is_flushed();
}

void outbound::open_stream(stream_id stream) {
  if (streams_ == nullptr)
    streams_ = std::make_unique<std::map<stream_id, box>>();
  auto& made = streams_->try_emplace(stream, ledger_, owner_.config().framing).first->second;
  static_cast<void>(made.connection_ready(owner_.where().now(), settler()));
}

void outbound::close_stream(stream_id stream, const transport_error& why) {
  if (streams_ == nullptr)
    return;
  const auto found = streams_->find(stream);
  if (found == streams_->end())
    return;
  const auto lost = found->second.abandon(why, settler());
  streams_->erase(found);
  if (streams_->empty())
    streams_ = nullptr;
  report_loss(lost, why);
  release_memory();
}

// -- from the channel ---------------------------------------------------------------------------------------------------

void outbound::early_lost() {
  outbox_.early_lost();
  follow_expiry();
}

void outbound::connection_ready() {
  // Ahead of all that is told of this generation.
  tell_drops();
  report_expired(outbox_.connection_ready(owner_.where().now(), settler()), why_expired(false, nullptr));
  if (lane_ != nullptr)
    lane_->attach();
  // What was lent has left.
  release_memory();
  backlog_ = ledger_.unwritten_bytes();
  report_backpressure();
}

void outbound::connection_lost(const transport_error& why, bool is_ready_next) {
  tell_drops();
  auto lost = outbox_.connection_lost(owner_.where().now(), why, settler(), is_ready_next);
  lost += abandon_streams(why);
  report_loss(lost, why);
  release_memory();
  follow_expiry();
  if (lane_ != nullptr) {
    lane_->disconnect();
    conclude_session(why);
  }
}

void outbound::abandon(const transport_error& why) {
  tell_drops();
  auto lost = outbox_.abandon(why, settler());
  lost += abandon_streams(why);
  report_loss(lost, why);
  release_memory();
  if (lane_ != nullptr) {
    lane_->abandon();
    conclude_session(why);
  }
}

std::optional<time_point> outbound::oldest_waiting() const noexcept {
  auto oldest = lane_ != nullptr ? lane_->oldest_waiting() : outbox_.oldest_waiting();
  if (streams_ != nullptr)
    for (const auto& [id, each] : *streams_)
      if (const auto since = each.oldest_waiting())
        oldest = oldest ? std::min(*oldest, *since) : *since;
  return oldest;
}

void outbound::expire_due() {
  for_each([this](box& each) { expire(each); });
}

// -- helpers ------------------------------------------------------------------------------------------------------------

/// What leaves with this turn need not know when it came, unless that is measured, and then to the moment.
time_point outbound::time_of_acceptance(const box& target, const send_options& options) const {
  if (ledger_.samples_next())
    return owner_.where().read_clock();
  const auto is_needed = !target.is_ready() || options.ttl.count() > 0 || owner_.keeps_times();
  return is_needed ? owner_.where().now() : time_point::min();
}

void outbound::settle(recipient&& whom, const settled& what) {
  const auto& [asker, reporter, tag] = whom;
  if (reporter)
    owner_.send_to(reporter, message_settled{owner_.source(), owner_.generation(), what.sequence, tag, what.result,
                                             what.why != nullptr ? *what.why : transport_error{}});
  if (!asker.pending()) {
    if (whom.may_be_call())
      owner_.note_call_outcome(what);
    if (batches_ != nullptr)
      note_in_batch(what);
    return;
  }
  if (what.why == nullptr || what.result == outcome::maybe_sent)
    whom.asker.deliver(sent{what.sequence, owner_.generation(), what.result, tag});
  else
    whom.asker.deliver(to_caf_error(*what.why));
}

void outbound::note_departure(const recipient& whom, std::uint64_t sequence) {
  if (whom.may_be_call())
    owner_.note_call_left(sequence);
}

void outbound::note_in_batch(const settled& what) {
  auto found = batches_->upper_bound(what.sequence);
  if (found == batches_->begin())
    return;
  --found;
  auto& [asker, answer, open] = found->second;
  const auto index = what.sequence - answer.first_sequence;
  if (index >= answer.results.size())
    return;
  answer.results[static_cast<std::size_t>(index)] = what.result;
  if (what.why != nullptr && answer.why.code == error_code::none)
    answer.why = *what.why;
  if (--open > 0)
    return;
  answer.generation = owner_.generation();
  asker.deliver(std::move(answer));
  batches_->erase(found);
  if (batches_->empty())
    batches_ = nullptr;
}

outbound::box* outbound::find(stream_id stream) noexcept {
  return const_cast<box*>(std::as_const(*this).find(stream));
}

const outbound::box* outbound::find(stream_id stream) const noexcept {
  if (stream == 0)
    return &outbox_;
  if (streams_ == nullptr)
    return nullptr;
  const auto found = streams_->find(stream);
  return found != streams_->end() ? &found->second : nullptr;
}

template <class Visitor>
void outbound::for_each(Visitor&& visit) {
  visit(outbox_);
  if (streams_ != nullptr)
    for (auto& [id, each] : *streams_)
      visit(each);
}

loss outbound::abandon_streams(const transport_error& why) {
  loss lost;
  if (const auto gone = std::exchange(streams_, nullptr))
    for (auto& [id, each] : *gone)
      lost += each.abandon(why, settler());
  return lost;
}

void outbound::expire(box& which) {
  const auto now = owner_.where().now();
  if (const auto due = which.next_timeout(); !due || now < *due)
    return;
  const auto obstacle = owner_.obstacle();
  const auto* told = obstacle ? &*obstacle : nullptr;
  report_expired(which.expire(now, settler(), told), why_expired(which.is_ready(), told));
}

void outbound::report_expired(const loss& expired, const transport_error& why) {
  if (expired == loss{})
    return;
  release_memory();
  report_loss(expired, why);
}

void outbound::follow_expiry() {
  std::optional<time_point> next;
  for_each([&next](const box& each) {
    if (const auto due = each.next_timeout())
      next = next ? std::min(*next, *due) : *due;
  });
  follow_expiry(next);
}

void outbound::follow_expiry(std::optional<time_point> next) {
  if (!next || owner_.is_over())
    return;
  if (expiry_ == nullptr)
    expiry_ = std::make_unique<timer>([this] {
      owner_.in_actor([this] {
        expire_due();
        follow_expiry();
      });
    });
  if (!expiry_->is_armed() || *next < expiry_->deadline())
    owner_.where().arm(*expiry_, *next - owner_.where().now());
}

void outbound::note_full() {
  // A new connection is not slow because its peer was away for long, nor one that takes no more because another comes.
  if (ledger_.limits().overflow == overflow_policy::disconnect && backlog_ == 0 && !owner_.is_retiring())
    owner_.abort_later(too_slow());
}

void outbound::report_loss(const loss& lost, const transport_error& why) {
  if (lost == loss{})
    return;
  tell_drops();
  owner_.publish(event_mask::loss,
                 data_lost{owner_.source(), owner_.generation(), lost.not_sent, lost.maybe_sent, why});
  note_loss(lost, why);
}

void outbound::report_dropped(const loss& dropped, const transport_error& why) {
  if (drops_ == nullptr)
    drops_ = std::make_unique<drop_report>(owner_);
  drops_->add(dropped, why);
  note_loss(dropped, why);
}

void outbound::tell_drops() {
  if (drops_ != nullptr)
    drops_->tell();
}

void outbound::note_loss(const loss& lost, const transport_error& why) {
  owner_.lifetime_figures().note_drops(why.code, lost.not_sent, lost.maybe_sent);
  backlog_ = std::min<std::uint64_t>(backlog_, ledger_.unwritten_bytes());
  // What is lost waits no more: whoever paused because of it may go on.
  report_backpressure();
}

void outbound::report_backpressure() {
  if (const auto change = ledger_.poll_backpressure())
    owner_.publish(event_mask::backpressure, backpressure{owner_.source(), *change, ledger_.unwritten_load()});
}

void outbound::release_memory() noexcept {
  // What was accepted counts against the network's memory until its outcome is known.
  auto waiting = ledger_.totals().pending;
  if (lane_ != nullptr)
    waiting += lane_->inherited();
  const auto pending = waiting.bytes + waiting.messages * waiting_message_cost;
  if (pending < reserved_bytes_)
    owner_.where().buffers().budget().give_back(
        static_cast<std::size_t>(std::exchange(reserved_bytes_, pending) - pending));
}

} // namespace actorwire
