#pragma once

#include "delivery/framed_message.hpp"
#include "delivery/outbox_ledger.hpp"
#include "delivery/ring_queue.hpp"
#include "delivery/settled.hpp"
#include "delivery/waiting_line.hpp"

#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/flow_limits.hpp>
#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/frame_encoder.hpp>
#include <actorwire/transports/transport.hpp>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace actorwire {

/// Where every accepted message stands until its outcome is known. It belongs to the stable handle of a remote endpoint
/// and outlives the transport connections that drain it one after another.
///
///     accept --> queued --> started --> in flight --> acked
///                  |           |  |         |
///                  |           |  written   |
///                  v           v            v
///               not_sent   maybe_sent   maybe_sent
///
/// What an attempt to connect has taken already (0-RTT) stays queued when the attempt fails, but may have been read and acted
/// on: where it ends without being handed over anew, it is `maybe_sent`.
///
/// Messages leave by their priority, and in the order of acceptance within one, as long as they have not begun.
///
/// A message is *queued* while no byte of it was handed to a transport, *started* while some were (only the front can
/// be), *in flight* when all were and its sender waits for `acked`. A lost connection settles what was started or in
/// flight; what was queued stays, in order, and begins anew on the next one. Nothing that was started is ever repeated:
/// the rest of a torn message would be read as the beginning of another, and a second copy as a second message.
///
/// `Reply` is whatever answers a sender; it is moved in by `accept` and handed out exactly once, to `settle`. Time is
/// passed in and never goes back. An empty outbox holds no memory but itself.
/// *Limits:* those of `flow_limits`, measured in bytes of messages and `waiting_message_cost` over everything pending in its ledger, which several
/// outboxes may share, one for each stream of a connection; at the bound `accept` does what `flow_limits::overflow` says.
/// What was accepted on a ready connection is kept when it is lost, even where that is more than the queue's limits: until it
/// is below them again nothing is added, and what others go for takes no more than they did.
/// *Thread:* shard only.
template <class Reply>
class outbox {
public:
  /// Takes settings that were validated. *Lifetime:* `ledger` must outlive the outbox.
  outbox(outbox_ledger& ledger, const framing_config& framing) noexcept : ledger_(ledger), encoder_(framing) {}

  /// Accepts a message and returns its sequence number. Without a connection, `options.policy` must be `queue`: what
  /// `fail` and `drop` mean then is the caller's to do. `now` matters only without a connection, to a `ttl`, and for what
  /// `outbox_ledger::samples_next` tells of.
  ///
  /// By `flow_limits::overflow` other messages, or this one, may be dropped; their senders are told by `settle` when all is
  /// done. To end the connection is the caller's to do.
  /// *Errors:* `message_too_large`, `invalid_value` or `would_block`, see `frame_encoder::frame` and
  /// `outbox_ledger::check`; `body` and `reply` are left as they were then.
  template <settles<Reply> Settle>
  [[nodiscard]] result<admission> accept(payload&& body, const send_options& options, Reply&& reply, time_point now,
                                         Settle&& settle, const frame_label& label = {}) {
    assert(is_ready_ || options.policy == when_down::queue);
    const auto envelope = encoder_.frame(body.bytes(), label);
    if (!envelope)
      return envelope.error();
    const std::size_t size = body.size();
    const auto wire_size = size + envelope->head_size + envelope->tail_size;
    if (const auto checked = ledger_.check(size, wire_size, options, is_ready_); !checked)
      return checked.error();
    ring_queue<queued> gone;
    auto reason = loss_reason::dropped_oldest;
    queued* taken_place = nullptr;
    if (auto* older = waiting_.find(options.key, begun())) {
      if (const tally freed{1, older->message.size()}; !ledger_.has_room({1, size}, is_ready_, freed))
        return ledger_.why_full({1, size}, is_ready_, freed);
      reason = loss_reason::superseded;
      if (older->priority == options.priority)
        taken_place = older;
      else
        gone.push_back(waiting_.take(options.key, begun()));
    } else if (!ledger_.has_room({1, size}, is_ready_)) {
      if (overflow() == overflow_policy::drop_newest)
        return drop_newest(size, std::move(reply), settle);
      const auto victims = victims_for({1, size}, options.priority);
      if (victims == 0)
        return ledger_.why_full({1, size}, is_ready_);
      gone = take_victims(victims);
    }
    queued added{framed_message{std::move(body), *envelope}, std::move(reply), options, now, label};
    if (taken_place != nullptr) {
      added.place = taken_place->place;
      gone.push_back(std::exchange(*taken_place, std::move(added)));
    } else {
      taken_place = &waiting_.add(std::move(added), overflow() == overflow_policy::conflate);
    }
    return tell_dropped(note_accepted(*taken_place), std::move(gone), reason, settle);
  }

  /// Accepts one of the messages that `make_room` has made room for, and returns its sequence number. It has passed `check`,
  /// and has no key.
  std::uint64_t add(payload&& body, const send_options& options, Reply&& reply, time_point now) {
    assert(options.key == 0 && check(body, options));
    const auto envelope = encoder_.frame(body.bytes());
    queued added{framed_message{std::move(body), *envelope}, std::move(reply), options, now};
    return note_accepted(waiting_.add(std::move(added), overflow() == overflow_policy::conflate));
  }

  /// Says whether a message may ever be accepted; changes nothing. *Errors:* those of `accept` but for `would_block`.
  [[nodiscard]] result<void> check(const payload& body, const send_options& options) const {
    const auto envelope = encoder_.frame(body.bytes());
    if (!envelope)
      return envelope.error();
    return ledger_.check(body.size(), body.size() + envelope->head_size + envelope->tail_size, options, is_ready_);
  }

  /// Sees to it that there is room to `add` `more` messages of this priority, if need be by `overflow_policy::drop_oldest`, and
  /// returns which ones went for them. *Errors:* `would_block`, and none went.
  template <settles<Reply> Settle>
  [[nodiscard]] result<admission> make_room(const tally& more, std::uint8_t priority, Settle&& settle) {
    if (ledger_.has_room(more, is_ready_))
      return admission{};
    const auto victims = victims_for(more, priority);
    if (victims == 0)
      return ledger_.why_full(more, is_ready_);
    return tell_dropped(0, take_victims(victims), loss_reason::dropped_oldest, settle);
  }

  /// Counts a message of `size` bytes that its sender wanted dropped while there is no connection: accepted, and
  /// `not_sent` at once. Returns its sequence number; nobody is told through `settle`.
  std::uint64_t drop(std::size_t size) noexcept { return ledger_.drop(size); }

  /// Describes the next bytes to write, beginning exactly where the transport stopped, and returns how many pieces that
  /// took; 0 when all was taken. Call `expire` before, in the same turn, so that nothing leaves too late.
  /// *Lifetime:* the pieces are valid until the next call that changes the outbox.
  [[nodiscard]] std::size_t gather(std::span<outgoing> pieces) const noexcept {
    assert(is_ready_);
    std::size_t count = 0;
    std::size_t begun_bytes = started_bytes_;
    waiting_.for_each(begun(), [&](const queued& entry) {
      if (count == pieces.size())
        return false;
      count += entry.message.gather(std::exchange(begun_bytes, 0), pieces.subspan(count));
      return true;
    });
    return count;
  }

  /// The transport took the next `bytes` bytes. Messages that are wanted no more than `written` are settled when their
  /// last byte is among them.
  template <settles<Reply> Settle>
  void handed_over(std::size_t bytes, Settle&& settle) {
    take_over(bytes, waiting_.is_plain(), settle);
  }

  /// The peer's transport has acknowledged our stream up to `stream_offset`, counted from the beginning of this
  /// connection. An offset that was known already changes nothing.
  template <settles<Reply> Settle>
  void acknowledged(std::uint64_t stream_offset, Settle&& settle) {
    assert(is_ready_ && stream_offset <= stream_offset_);
    const settling_scope scope{is_settling_};
    while (!in_flight_.empty() && in_flight_.front().end <= stream_offset) {
      auto arrived = in_flight_.take_front();
      ledger_.settle(outcome::acked, arrived.size);
      settle(std::move(arrived.reply), settled{arrived.sequence, outcome::acked, nullptr});
    }
  }

  // -- before there is a connection --------------------------------------------------------------------------------------

  /// Describes what an attempt to connect may take already, beginning where it stopped: of the messages at the front, those
  /// that their senders called idempotent. 0 when there is nothing. *Lifetime:* as that of `gather`.
  [[nodiscard]] std::size_t gather_early(std::span<outgoing> pieces) const noexcept {
    assert(!is_ready_);
    std::size_t count = 0;
    auto lent = stream_offset_;
    waiting_.for_each(begun(), [&](const queued& entry) {
      if (count == pieces.size() || !entry.is_idempotent)
        return false;
      if (lent < entry.message.wire_size())
        count += entry.message.gather(static_cast<std::size_t>(lent), pieces.subspan(count));
      lent -= std::min<std::uint64_t>(lent, entry.message.wire_size());
      return true;
    });
    return count;
  }

  /// The attempt took the next `bytes` bytes of that. What it has taken of stays queued, and does not expire: with
  /// `connection_ready` it counts as handed over, with `early_lost` as if nothing had been.
  void lend(std::size_t bytes) {
    assert(!is_ready_);
    // It keeps its place, whatever comes.
    auto count = lent_messages();
    std::uint64_t lent = 0;
    for (std::size_t index = 0; index < count; ++index)
      lent += waiting_[index].message.wire_size();
    stream_offset_ += bytes;
    for (; lent < stream_offset_; ++count)
      lent += waiting_.begin_next(count).message.wire_size();
  }

  /// The attempt has failed. What it took goes again with the next one, as its senders allow, and is not `not_sent` any more:
  /// it may have arrived.
  void early_lost() {
    if (is_ready_)
      return;
    // What was lent may expire again. `next_timeout` has to be a time that somebody can count down to.
    const auto lent = lent_messages();
    for (std::size_t index = 0; index < lent; ++index) {
      waiting_[index].was_lent = 1;
      earliest_ = std::min(earliest_, deadline_of(waiting_[index]));
    }
    waiting_.put_back(lent);
    stream_offset_ = 0;
  }

  // -- with one ------------------------------------------------------------------------------------------------------------

  /// A transport connection is there; its stream begins at offset 0, or with what was lent. Expires first what must not leave any more, and
  /// returns how much that was.
  template <settles<Reply> Settle>
  loss connection_ready(time_point now, Settle&& settle) {
    assert(!is_ready_);
    const auto expired = expire(now, settle);
    is_ready_ = true;
    // What was lent stands in front of all else.
    take_over(static_cast<std::size_t>(std::exchange(stream_offset_, 0)), true, settle);
    return expired;
  }

  /// The transport connection is gone. What was started or in flight is `maybe_sent`; what was queued stays, except
  /// messages that do not want to wait for a connection (`fail`, `drop`), which are `not_sent`; these stay where another
  /// connection `is_ready_next`, but for answers and refusals, whose calls end with this one. Report the last acknowledgement before. Not to be called for an attempt that failed: that would let the queue age anew.
  template <settles<Reply> Settle>
  loss connection_lost(time_point now, const transport_error& why, Settle&& settle, bool is_ready_next = false) {
    assert(is_ready_);
    const settling_scope scope{is_settling_};
    is_ready_ = false;
    lost_at_ = now;
    auto started = take_started();
    auto unwilling = take_queued([is_ready_next](const queued& entry) {
      return entry.is_reply || (entry.policy != when_down::queue && !is_ready_next);
    });
    return settle_lost(std::move(started), std::move(unwilling), why, settle);
  }

  /// Gives up everything: what was queued is `not_sent`, what was started, lent or in flight, or was lent before,
  /// `maybe_sent`. The outbox is empty then and without a connection.
  template <settles<Reply> Settle>
  loss abandon(const transport_error& why, Settle&& settle) {
    const settling_scope scope{is_settling_};
    for (auto lent = lent_messages(); lent > 0; --lent) {
      ledger_.left_queue(waiting_.front().message.wire_size(), true);
      in_flight_.push_back(front_to_flight_form());
      waiting_.pop_front();
    }
    is_ready_ = false;
    auto started = take_started();
    auto untouched = take_queued([](const queued&) { return true; });
    return settle_lost(std::move(started), std::move(untouched), why, settle);
  }

  /// Settles queued messages whose time is over, with the error `expired`, and returns how much that was: `not_sent`, or
  /// `maybe_sent` where an attempt that failed had taken some of it.
  /// A `ttl` counts from acceptance; without one, `queue_age` counts while there is no connection, from acceptance or
  /// from the loss of the last one, whichever is later. A message lives shorter than its time: at `now` equal to its end
  /// it expires. Constant time before `next_timeout`. `obstacle` is told along, see `why_expired`.
  template <settles<Reply> Settle>
  loss expire(time_point now, Settle&& settle, const transport_error* obstacle = nullptr) {
    if (now < earliest_)
      return {};
    const settling_scope scope{is_settling_};
    auto expired = take_queued([this, now](const queued& entry) { return deadline_of(entry) <= now; });
    if (expired.empty())
      return {};
    return settle_lost({}, std::move(expired), why_expired(is_ready_, obstacle), settle);
  }

  /// When `expire` is due, if ever. Never later than the first message expires; earlier when that message was sent
  /// meanwhile or `queue_age` ceased to count: `expire` finds nothing then and moves it to the exact time.
  /// Constant time.
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept {
    return earliest_ == never ? std::nullopt : std::optional{earliest_};
  }

  /// Returns `true` once when more than `high_water` bytes are unwritten, and `false` once when fewer than `low_water`,
  /// or none, are again. Ask after each turn.
  [[nodiscard]] std::optional<bool> poll_backpressure() noexcept { return ledger_.poll_backpressure(); }

  /// The account of the ledger, so of all that share it. It adds up between any two calls and within each call of `settle`.
  [[nodiscard]] const delivery_totals& totals() const noexcept { return ledger_.totals(); }
  /// Messages, and their bytes without framing, whose outcome is open.
  [[nodiscard]] const tally& pending() const noexcept { return totals().pending; }
  /// Bytes accepted that no transport has taken, with framing; of the ledger too.
  [[nodiscard]] std::size_t unwritten_bytes() const noexcept { return ledger_.unwritten_bytes(); }
  /// Whether a transport has taken every byte of everything accepted and not given up.
  [[nodiscard]] bool is_flushed() const noexcept { return waiting_.empty(); }
  /// Bytes of the message that a transport has taken in part, and not taken yet.
  [[nodiscard]] std::size_t started_rest() const noexcept {
    return started_bytes_ > 0 ? waiting_.front().message.wire_size() - started_bytes_ : 0;
  }
  /// Whether a message is in flight, so that acknowledgements are worth asking for.
  [[nodiscard]] bool waits_for_acks() const noexcept { return !in_flight_.empty(); }
  [[nodiscard]] bool is_ready() const noexcept { return is_ready_; }

  /// When the oldest message was accepted of those that wait, whatever their priority; nothing if none does, or it is not
  /// known of any near the front.
  [[nodiscard]] std::optional<time_point> oldest_waiting() const noexcept {
    auto oldest = never;
    waiting_.for_each_of_the_oldest(known_within, [&oldest](const queued& entry) {
      if (entry.accepted_at == time_point::min())
        return false;
      oldest = std::min(oldest, entry.accepted_at);
      return true;
    });
    return oldest == never ? std::nullopt : std::optional{oldest};
  }

private:
  /// Of so many messages one after the other the time of one is always known; see `outbox_ledger::samples_next`.
  static constexpr std::size_t known_within = 16;
  static constexpr time_point never = time_point::max();
  static constexpr std::uint64_t sequence_max = ~std::uint64_t{0} >> 1U;

  /// A message of which at most a part was handed over.
  struct queued {
    queued(framed_message&& whole, Reply&& whom, const send_options& options, time_point now,
           const frame_label& label = {}) noexcept
      : message(std::move(whole)),
        reply(std::move(whom)),
        accepted_at(now),
        ttl(options.ttl),
        key(options.key),
        policy(options.policy),
        wanted(options.wanted),
        priority(options.priority),
        is_idempotent(options.idempotent),
        is_reply(label.kind == frame_kind::answer || label.kind == frame_kind::refusal) {}

    framed_message message;
    Reply reply;
    time_point accepted_at;
    std::chrono::milliseconds ttl;
    std::uint64_t key;
    std::uint64_t sequence : 63 = 0;
    /// An attempt that has failed since had taken some of it. In one word with the number, because there are as many as wait.
    std::uint64_t was_lent : 1 = 0;
    /// Where it stands, if messages may be found by their key; see `waiting_line`.
    std::uint32_t place = 0;
    when_down policy;
    outcome wanted;
    std::uint8_t priority;
    bool is_idempotent : 1;
    /// To a call that came on this connection, so that it means nothing on another.
    bool is_reply : 1;

    /// What becomes of it when it is not handed over any more.
    [[nodiscard]] outcome result_if_lost() const noexcept {
      return was_lent != 0 ? outcome::maybe_sent : outcome::not_sent;
    }
  };

  /// What is left of a message when the transport holds its bytes.
  struct flying {
    Reply reply;
    std::uint64_t sequence = 0;
    /// The stream offset behind its last byte.
    std::uint64_t end = 0;
    std::size_t size = 0;
  };

  static_assert(std::is_nothrow_move_assignable_v<Reply>);

  /// Marks that senders are being told, when the outbox may be asked and added to but not driven.
  class settling_scope {
  public:
    explicit settling_scope(bool& flag) noexcept : flag_(flag) {
      assert(!flag_);
      flag_ = true;
    }
    ~settling_scope() { flag_ = false; }
    settling_scope(const settling_scope&) = delete;
    settling_scope& operator=(const settling_scope&) = delete;

  private:
    bool& flag_;
  };

  [[nodiscard]] static time_point later(time_point start, std::chrono::milliseconds age) noexcept {
    // Any number of milliseconds may be asked for; nanoseconds reach only for 292 years.
    const auto longest = std::chrono::floor<std::chrono::milliseconds>(never - start);
    return age < longest ? start + age : never;
  }

  [[nodiscard]] time_point deadline_of(const queued& entry) const noexcept {
    if (entry.ttl.count() > 0)
      return later(entry.accepted_at, entry.ttl);
    return is_ready_ ? never : later(std::max(entry.accepted_at, lost_at_), ledger_.limits().queue_age);
  }

  /// Messages, at the front, of which an attempt to connect has taken something.
  [[nodiscard]] std::size_t lent_messages() const noexcept {
    std::size_t count = 0;
    for (auto lent = is_ready_ ? 0 : stream_offset_; lent > 0; ++count)
      lent -= std::min<std::uint64_t>(lent, waiting_[count].message.wire_size());
    return count;
  }

  [[nodiscard]] flying front_to_flight_form() noexcept {
    auto& front = waiting_.front();
    return {std::move(front.reply), front.sequence, stream_offset_, front.message.size()};
  }

  void note_if_empty() noexcept {
    if (waiting_.tidy())
      earliest_ = never;
  }

  /// The transport has the next `bytes` bytes. `is_in_front`: they are of messages in the queue of the usual priority, where
  /// they stay in front of all that those add who are told.
  template <class Settle>
  void take_over(std::size_t bytes, bool is_in_front, Settle& settle) {
    assert(is_ready_ && bytes <= unwritten_bytes());
    const settling_scope scope{is_settling_};
    const auto finish = [&](flying&& complete) {
      // Settled one by one: at each call the account is that of a transport that has taken this much so far.
      ledger_.settle(outcome::written, complete.size);
      settle(std::move(complete.reply), settled{complete.sequence, outcome::written, nullptr});
    };
    // Where a sender that is told may send what takes the place of another, it has to find gone all that the transport has.
    const auto tells_at_once = is_in_front && waiting_.is_plain() && overflow() == overflow_policy::fail;
    ring_queue<flying> complete;
    while (bytes > 0) {
      if (started_bytes_ == 0 && !is_in_front)
        waiting_.begin_next(0);
      auto& front = waiting_.front();
      const auto taken = std::min(bytes, front.message.wire_size() - started_bytes_);
      bytes -= taken;
      const auto had_begun = started_bytes_ > 0;
      started_bytes_ += static_cast<std::uint32_t>(taken);
      stream_offset_ += taken;
      ledger_.left_queue(taken, started_bytes_ == front.message.wire_size());
      if (started_bytes_ < front.message.wire_size()) {
        if (!had_begun)
          ledger_.note_departure(front.sequence, front.accepted_at, departure::begun);
        break;
      }
      ledger_.note_departure(front.sequence, front.accepted_at, had_begun ? departure::completed : departure::whole);
      auto next = front_to_flight_form();
      const auto is_awaited = front.wanted == outcome::acked;
      waiting_.pop_front();
      started_bytes_ = 0;
      note_if_empty();
      if (is_awaited) {
        tell_departure(settle, next.reply, next.sequence);
        in_flight_.push_back(std::move(next));
      } else if (tells_at_once)
        finish(std::move(next));
      else
        complete.push_back(std::move(next));
    }
    while (!complete.empty())
      finish(complete.take_front());
  }

  /// Removes what must not be repeated, oldest first, and ends the stream.
  [[nodiscard]] ring_queue<flying> take_started() {
    if (started_bytes_ > 0) {
      ledger_.left_queue(waiting_.front().message.wire_size() - started_bytes_, true);
      in_flight_.push_back(front_to_flight_form());
      waiting_.pop_front();
      started_bytes_ = 0;
    }
    stream_offset_ = 0;
    note_if_empty();
    return std::move(in_flight_);
  }

  /// Removes the messages that `chosen` picks among those of which no byte left, keeps the order of the others, and
  /// sees anew when the first of them expires.
  template <std::predicate<const queued&> Chosen>
  [[nodiscard]] ring_queue<queued> take_queued(Chosen&& chosen) {
    earliest_ = never;
    auto taken = waiting_.take_if(begun(), [&](const queued& entry) {
      if (chosen(entry)) {
        ledger_.left_queue(entry.message.wire_size(), true);
        return true;
      }
      earliest_ = std::min(earliest_, deadline_of(entry));
      return false;
    });
    note_if_empty();
    return taken;
  }

  /// Settles what has left both queues already. The whole account is up to date before the first sender is told, so
  /// that a sender who sends again at once finds the room that its loss has made.
  template <class Settle>
  loss settle_lost(ring_queue<flying> started, ring_queue<queued> waiting, const transport_error& why, Settle& settle) {
    loss lost;
    for (std::size_t index = 0; index < started.size(); ++index)
      account(outcome::maybe_sent, started[index].size, lost);
    for (std::size_t index = 0; index < waiting.size(); ++index)
      account(waiting[index].result_if_lost(), waiting[index].message.size(), lost);
    for (std::size_t index = 0; index < started.size(); ++index)
      settle(std::move(started[index].reply), settled{started[index].sequence, outcome::maybe_sent, &why});
    for (std::size_t index = 0; index < waiting.size(); ++index) {
      auto& entry = waiting[index];
      ledger_.note_departure(entry.sequence, entry.accepted_at, departure::given_up);
      settle(std::move(entry.reply), settled{entry.sequence, entry.result_if_lost(), &why});
    }
    return lost;
  }

  void account(outcome known, std::size_t size, loss& lost) noexcept {
    ledger_.settle(known, size);
    (known == outcome::not_sent ? lost.not_sent : lost.maybe_sent).add(size);
  }

  /// Takes a message into the account that is in the queue, and returns its sequence number.
  std::uint64_t note_accepted(queued& added) noexcept {
    added.sequence = ledger_.accept(added.message.size(), added.message.wire_size()) & sequence_max;
    earliest_ = std::min(earliest_, deadline_of(added));
    return added.sequence;
  }

  // -- what goes for another --------------------------------------------------------------------------------------------

  [[nodiscard]] overflow_policy overflow() const noexcept { return ledger_.limits().overflow; }

  /// Messages at the front of which some may have left, so that they are neither moved nor dropped.
  [[nodiscard]] std::size_t begun() const noexcept { return started_bytes_ > 0 ? 1 : lent_messages(); }

  /// How many of the messages that wait have to go for `more` of this priority, the lowest and oldest first; 0 if that does not
  /// help, or is not wanted.
  [[nodiscard]] std::size_t victims_for(const tally& more, std::uint8_t priority) const noexcept {
    if (overflow() != overflow_policy::drop_oldest)
      return 0;
    tally freed;
    auto is_enough = false;
    waiting_.for_each_to_drop(priority, begun(), [&](const queued& entry) {
      freed.add(entry.message.size());
      is_enough = ledger_.has_room(more, is_ready_, freed);
      return !is_enough;
    });
    return is_enough ? static_cast<std::size_t>(freed.messages) : 0;
  }

  [[nodiscard]] ring_queue<queued> take_victims(std::size_t count) {
    ring_queue<queued> gone;
    while (count-- > 0)
      gone.push_back(waiting_.take_to_drop(begun()));
    note_if_empty();
    return gone;
  }

  template <class Settle>
  admission drop_newest(std::size_t size, Reply&& reply, Settle& settle) {
    const auto sequence = ledger_.drop(size);
    const auto why = why_dropped(loss_reason::dropped_newest, is_ready_);
    settle(std::move(reply), settled{sequence, outcome::not_sent, &why});
    return {sequence, {.not_sent = {1, size}}, loss_reason::dropped_newest};
  }

  /// Settles what has left the queue for a message that is in it.
  template <class Settle>
  admission tell_dropped(std::uint64_t sequence, ring_queue<queued> gone, loss_reason reason, Settle& settle) {
    if (gone.empty())
      return {sequence};
    for (std::size_t index = 0; index < gone.size(); ++index)
      ledger_.left_queue(gone[index].message.wire_size(), true);
    const auto why = why_dropped(reason, is_ready_);
    return {sequence, settle_lost({}, std::move(gone), why, settle), reason};
  }

  outbox_ledger& ledger_;
  frame_encoder encoder_;
  waiting_line<queued> waiting_;
  ring_queue<flying> in_flight_;
  /// Bytes handed over on this connection; before there is one, lent to the attempt.
  std::uint64_t stream_offset_ = 0;
  time_point lost_at_ = time_point::min();
  /// No queued message expires before.
  time_point earliest_ = never;
  /// Bytes of the front that were handed over. `write_limit` is at most 1 GiB.
  std::uint32_t started_bytes_ = 0;
  bool is_ready_ = false;
  bool is_settling_ = false;
};

static_assert(sizeof(outbox<int>) <= 112, "each connection, and each stream, has one");

} // namespace actorwire
