#pragma once

#include "delivery/outbox_ledger.hpp"
#include "delivery/ring_queue.hpp"
#include "delivery/settled.hpp"
#include "session/session.hpp"
#include "session/session_line.hpp"

#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/sessions.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/transport.hpp>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

/// What stands in the place of an `outbox` where there is a session: numbers and keeps messages until the other program has had
/// them, and knows who is to be told so. It belongs to the stable handle, and outlives connections as the session does.
///
/// Each message that was accepted is settled exactly once: `confirmed`, or by the ranges of the session when that is over. What
/// an earlier owner of the session had accepted is sent again, and settled by nobody.
/// *Limits:* those of `session_limits`, and of `flow_limits` by the ledger. *Thread:* shard only.
template <class Reply>
class session_lane {
public:
  /// What came of a session that is over.
  struct conclusion {
    session_ranges ranges;
    session_state state = session_state::ended;
    loss lost{};

    /// Whether there is something that anybody should hear of.
    [[nodiscard]] bool is_loss() const noexcept {
      return state != session_state::ended || !ranges.maybe_delivered.empty() || !ranges.not_delivered.empty();
    }
  };

  /// *Lifetime:* `ledger` must outlive the lane.
  session_lane(outbox_ledger& ledger, const framing_config& framing, const session_limits& limits) noexcept
    : ledger_(ledger), line_(framing), limits_(limits), frame_size_max_(framing.max_frame_size) {}

  // -- the session ------------------------------------------------------------------------------------------------------

  /// Goes on with this one, new or begun by others. There is none, or one that is concluded.
  void adopt(std::unique_ptr<session> subject) noexcept {
    assert(waiting_.empty());
    subject_ = std::move(subject);
    first_ = subject_->sending().buffer().last() + 1;
    own_bytes_ = 0;
    is_concluded_ = is_deaf_ = is_passing_on_ = peer_has_finished_ = false;
    if (is_finishing_)
      subject_->finish();
  }

  /// The session was never welcomed, so nothing of it was sent: `fresh` takes its place, with all that waits.
  void begin_again(std::unique_ptr<session> fresh) {
    assert(!subject_->was_welcomed() && first_ == 1);
    const auto& kept = subject_->sending().buffer();
    for (auto number = first_; number <= kept.last(); ++number) {
      [[maybe_unused]] const auto same = fresh->send(payload{kept.at(number)});
      assert(same && *same == number);
    }
    if (is_finishing_)
      fresh->finish();
    subject_ = std::move(fresh);
  }

  /// Gives it to others, who go on with it. What waits here may be delivered by them: `maybe_sent`. Returns it, or null.
  template <settles<Reply> Settle>
  [[nodiscard]] std::unique_ptr<session> part(const transport_error& why, loss& lost, Settle&& settle) {
    if (subject_ == nullptr)
      return nullptr;
    subject_->handle_disconnected(subject_->epoch());
    line_.clear();
    lost = settle_all({}, {1, ~std::uint64_t{0}}, why, settle);
    return std::exchange(subject_, nullptr);
  }

  /// The session is over: settles what waits by what is known, with `why` for what is lost. Once for each session.
  template <settles<Reply> Settle>
  [[nodiscard]] conclusion conclude(const transport_error& why, Settle&& settle) {
    assert(is_over() && !is_concluded_);
    is_concluded_ = true;
    conclusion done{subject_->ranges(), subject_->state()};
    done.lost = settle_all(done.ranges.delivered, done.ranges.maybe_delivered, why, settle);
    return done;
  }

  /// Ends it without waiting for anything, to be concluded.
  void abandon() {
    if (subject_ != nullptr)
      subject_->abandon();
  }

  /// Ends it in order when everything was delivered.
  void finish() noexcept {
    is_finishing_ = true;
    if (subject_ != nullptr)
      subject_->finish();
  }

  [[nodiscard]] bool has_session() const noexcept { return subject_ != nullptr; }
  [[nodiscard]] bool is_over() const noexcept { return subject_ != nullptr && actorwire::is_over(subject_->state()); }
  [[nodiscard]] bool is_concluded() const noexcept { return is_concluded_; }
  [[nodiscard]] bool is_open() const noexcept {
    return subject_ != nullptr && subject_->state() == session_state::open;
  }
  [[nodiscard]] const session* subject() const noexcept { return subject_.get(); }

  // -- from senders -----------------------------------------------------------------------------------------------------

  /// Says whether a message may ever be accepted; changes nothing. *Errors:* `message_too_large`, `invalid_value`;
  /// `unsupported` for a `ttl`; those of `session::check`, and `closed` when there is no session any more.
  [[nodiscard]] result<void> check(std::size_t size, const send_options& options) const {
    if (size > frame_size_max_)
      return too_large(size, "max_frame_size", frame_size_max_);
    if (size > limits_.replay_bytes)
      return too_large(size, "session.replay_bytes", limits_.replay_bytes);
    if (auto checked = ledger_.check(size, size + head_size, options, is_open()); !checked)
      return checked;
    if (options.ttl.count() > 0)
      return make_error(error_code::unsupported, phase::setup, origin::local,
                        "ttl = " + std::to_string(options.ttl.count()) + " ms: a message of a session does not expire");
    if (subject_ == nullptr)
      return make_error(error_code::closed, phase::established, origin::local, "the session is over");
    return subject_->check();
  }

  /// Says whether so many, which were checked, fit now; `add` takes them then. *Errors:* `would_block` naming the limit;
  /// `message_too_large` for so many that they never fit.
  [[nodiscard]] result<void> check_room(const tally& more) const {
    if (more.messages > limits_.replay_messages)
      return too_large(more, "session.replay_messages", limits_.replay_messages);
    if (more.bytes > limits_.replay_bytes)
      return too_large(more, "session.replay_bytes", limits_.replay_bytes);
    if (!ledger_.has_room(more, is_open()))
      return ledger_.why_full(more, is_open());
    const auto& kept = subject_->sending().buffer();
    if (kept.message_count() + more.messages > limits_.replay_messages)
      return full("session.replay_messages", limits_.replay_messages, kept.message_count(), more.messages);
    if (kept.size_bytes() + more.bytes > limits_.replay_bytes)
      return full("session.replay_bytes", limits_.replay_bytes, kept.size_bytes(), more.bytes);
    return {};
  }

  /// Takes a message that was checked and has room, and returns its sequence number. *Errors:* those of `session::send`.
  [[nodiscard]] result<std::uint64_t> add(payload&& body, Reply&& reply, time_point now) {
    const std::size_t size = body.size();
    const auto number = subject_->send(std::move(body));
    if (!number)
      return number.error();
    assert(*number == first_ + waiting_.size());
    const auto sequence = ledger_.accept(size, size + head_size);
    own_bytes_ += size;
    waiting_.push_back({std::move(reply), sequence, now, size});
    return sequence;
  }

  // -- from the connection ----------------------------------------------------------------------------------------------

  /// A client has a connection: its hello is what leaves first.
  void connect() {
    is_deaf_ = peer_has_finished_ = false;
    subject_->handle_connected();
    if (is_finishing_)
      subject_->finish();
  }

  /// The connection is the channel's: what waits can go, as far as the session is open.
  void attach() noexcept { is_attached_ = true; }

  /// It has left, or there is none any more. A session in the middle of passing a message on, which a failure ended, cannot go
  /// on: nobody knows whether the program has had that.
  void disconnect() {
    is_attached_ = false;
    line_.clear();
    if (subject_ == nullptr || is_over())
      return;
    subject_->handle_disconnected(subject_->epoch());
    if (is_passing_on_)
      subject_->abandon();
  }

  /// The peer sends no more on this connection, so no acknowledgement will come on it.
  void note_peer_finished() noexcept { peer_has_finished_ = true; }

  /// Nobody wants what comes, and never will on this connection: it is not taken, and the other side is not told otherwise.
  void stop_listening() noexcept { is_deaf_ = true; }

  /// A frame has come. *Errors:* those of `session::handle_frame`; the connection is to be ended.
  template <settles<Reply> Settle>
  [[nodiscard]] result<session_progress> take(const session_frame& frame, Settle&& settle) {
    if (subject_ == nullptr || (is_deaf_ && frame.kind == frame_kind::data))
      return session_progress{};
    auto progress = subject_->handle_frame(subject_->epoch(), frame);
    if (!progress)
      return progress;
    confirm(progress->confirmed, settle);
    is_passing_on_ = progress->delivers;
    return progress;
  }

  /// The program has had the message that `take` has told to pass on.
  void note_passed_on(time_point now) noexcept {
    is_passing_on_ = false;
    subject_->handle_delivered(subject_->receiving().received(), now);
  }

  /// What has broken off in the middle of a message that was passed on.
  [[nodiscard]] bool is_passing_on() const noexcept { return is_passing_on_; }

  /// Adds a frame that is not of the session, and leaves as the last.
  void say(session_frame&& frame) { line_.push(std::move(frame)); }

  /// Describes the next bytes to write; 0 when there are none for now.
  [[nodiscard]] std::size_t gather(std::span<outgoing> pieces, time_point now) {
    while (subject_ != nullptr && line_.size_bytes() < session_line::bytes_max) {
      auto frame = subject_->poll_transmit(now);
      if (!frame)
        break;
      line_.push(std::move(*frame));
    }
    return line_.gather(pieces);
  }

  void handed_over(std::size_t bytes) noexcept { line_.handed_over(bytes); }

  /// When `gather` will have an acknowledgement, or a goodbye, if nothing else happens.
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept {
    if (subject_ == nullptr)
      return std::nullopt;
    // With the last confirmation.
    if (is_finishing_ && is_open() && subject_->sending().is_all_delivered())
      return time_point::min();
    return subject_->next_timeout();
  }

  // -- queries ----------------------------------------------------------------------------------------------------------

  /// Whether the connection may end as far as this side is concerned: everything is confirmed, and the goodbye, if one is wanted,
  /// has left; or as much has left as can, and no confirmation comes on this connection.
  [[nodiscard]] bool is_flushed() const noexcept {
    if (!line_.empty())
      return false;
    if (subject_ == nullptr || is_over())
      return true;
    // A connection whose session is over, and that another has taken the place of, brings nothing of that.
    if (!is_open())
      return is_attached_ || subject_->sending().is_all_delivered();
    return !subject_->has_unsent() && (peer_has_finished_ || !is_finishing_);
  }

  [[nodiscard]] std::size_t started_rest() const noexcept { return line_.started_rest(); }

  /// Of what is kept, what others had accepted.
  [[nodiscard]] tally inherited() const noexcept {
    if (subject_ == nullptr)
      return {};
    const auto& kept = subject_->sending().buffer();
    return {kept.message_count() - std::min(kept.message_count(), waiting_.size()),
            kept.size_bytes() - std::min(kept.size_bytes(), own_bytes_)};
  }

  /// When the oldest message was accepted that waits.
  [[nodiscard]] std::optional<time_point> oldest_waiting() const noexcept {
    if (waiting_.empty() || waiting_.front().accepted_at == time_point::min())
      return std::nullopt;
    return waiting_.front().accepted_at;
  }

private:
  static constexpr std::size_t head_size = 4 + frame_label::wire_size;

  /// A message of this owner that is not confirmed.
  struct entry {
    Reply reply;
    std::uint64_t sequence = 0;
    time_point accepted_at{};
    std::size_t size = 0;
  };

  static transport_error too_large(std::size_t size, std::string_view name, std::size_t limit) {
    return make_error(error_code::message_too_large, phase::established, origin::local,
                      "message of " + std::to_string(size) + " bytes is larger than " + std::string{name} + " = "
                          + std::to_string(limit));
  }

  static transport_error too_large(const tally& batch, std::string_view name, std::uint64_t limit) {
    return make_error(error_code::message_too_large, phase::established, origin::local,
                      "batch of " + std::to_string(batch.messages) + " messages with " + std::to_string(batch.bytes)
                          + " bytes is larger than " + std::string{name} + " = " + std::to_string(limit));
  }

  static transport_error full(std::string_view name, std::uint64_t limit, std::uint64_t kept, std::uint64_t more) {
    return make_error(error_code::would_block, phase::established, origin::local,
                      std::string{name} + " = " + std::to_string(limit) + ": " + std::to_string(kept)
                          + " are not confirmed, " + std::to_string(more) + " more do not fit");
  }

  /// Takes the oldest out of the account.
  entry take_front(outcome known) {
    auto gone = waiting_.take_front();
    ++first_;
    own_bytes_ -= gone.size;
    ledger_.left_queue(gone.size + head_size, true);
    ledger_.settle(known, gone.size);
    return gone;
  }

  template <class Settle>
  void confirm(const number_range& delivered, Settle& settle) {
    while (!waiting_.empty() && first_ <= delivered.last) {
      auto gone = take_front(outcome::confirmed);
      settle(std::move(gone.reply), settled{gone.sequence, outcome::confirmed, nullptr});
    }
  }

  template <class Settle>
  loss settle_all(const number_range& delivered, const number_range& maybe, const transport_error& why,
                  Settle& settle) {
    confirm(delivered, settle);
    struct fate {
      entry gone;
      outcome known;
    };
    ring_queue<fate> fates;
    loss lost;
    while (!waiting_.empty()) {
      const auto known = maybe.contains(first_) ? outcome::maybe_sent : outcome::not_sent;
      auto gone = take_front(known);
      (known == outcome::not_sent ? lost.not_sent : lost.maybe_sent).add(gone.size);
      fates.push_back({std::move(gone), known});
    }
    while (!fates.empty()) {
      auto next = fates.take_front();
      settle(std::move(next.gone.reply), settled{next.gone.sequence, next.known, &why});
    }
    return lost;
  }

  outbox_ledger& ledger_;
  session_line line_;
  session_limits limits_;
  std::size_t frame_size_max_;
  /// Null before an accepted connection was granted one, and after it was given away.
  std::unique_ptr<session> subject_;
  ring_queue<entry> waiting_;
  /// The number of the first that waits, or would be the next.
  std::uint64_t first_ = 1;
  std::size_t own_bytes_ = 0;
  bool is_concluded_ = false;
  bool is_finishing_ = false;
  bool is_deaf_ = false;
  bool is_passing_on_ = false;
  bool peer_has_finished_ = false;
  bool is_attached_ = false;
};

} // namespace actorwire
