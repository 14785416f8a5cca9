#pragma once

#include "delivery/departure_observer.hpp"
#include "delivery/load_gauge.hpp"

#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/flow_limits.hpp>
#include <actorwire/messages/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace actorwire {

/// Why a message went for another, or for want of room.
enum class loss_reason : std::uint8_t { dropped_newest, dropped_oldest, superseded };

/// What messages take of a limit of bytes.
[[nodiscard]] constexpr std::uint64_t bytes_held_by(const tally& messages) noexcept {
  return messages.bytes + (messages.messages > 1 ? messages.messages - 1 : 0) * waiting_message_cost;
}

/// What the sender of a message is told that had to go for another, or for want of room.
[[nodiscard]] transport_error why_dropped(loss_reason reason, bool is_ready);

/// What the sender of a message is told that has waited for too long. `obstacle` is why there was no connection for it; null if
/// that is not known.
[[nodiscard]] transport_error why_expired(bool is_ready, const transport_error* obstacle);

/// The figures behind an `outbox`, or the outboxes of several streams: which messages may come in, what became of them,
/// how many bytes still wait. It holds no message. The account of `delivery_totals` adds up between any two calls.
/// *Thread:* shard only.
class outbox_ledger {
public:
  /// `observer` hears of samples that leave; null for nobody. *Lifetime:* `limits` and `observer` must outlive the ledger.
  explicit outbox_ledger(const flow_limits& limits, departure_observer* observer = nullptr) noexcept
    : limits_(limits), observer_(observer) {}

  /// Has the bytes that are accepted and not settled shown from now on.
  void show_on(std::shared_ptr<load_gauge> gauge) noexcept { gauge_ = std::move(gauge); }

  /// Says whether a message of `size` bytes, `wire_size` with framing, may ever be accepted; changes nothing.
  /// *Errors:* `invalid_value` for options that make no sense, and for a message that is nothing on the wire;
  /// `message_too_large` for one that will never fit. The text names the limit and the size.
  [[nodiscard]] result<void> check(std::size_t size, std::size_t wire_size, const send_options& options,
                                   bool is_ready) const;

  /// Whether `more` messages fit now, if those that `freed` counts of the pending ones were not there: below the limits, or,
  /// where these are exceeded already, in no more than what is pending takes.
  [[nodiscard]] bool has_room(const tally& more, bool is_ready, const tally& freed = {}) const noexcept;
  /// Why they do not: `would_block`. The text names the limit and the sizes.
  [[nodiscard]] transport_error why_full(const tally& more, bool is_ready, const tally& freed = {}) const;

  /// Takes such a message into the account, and returns its sequence number.
  std::uint64_t accept(std::size_t size, std::size_t wire_size) noexcept;

  /// Takes a message into the account that is not sent at all, and returns its sequence number.
  std::uint64_t drop(std::size_t size) noexcept;

  /// Counts bytes that no longer wait: the transport took them, or their message was given up. `is_last`: no more of that
  /// message waits.
  void left_queue(std::size_t wire_size, bool is_last) noexcept;

  /// Whether the next message that is accepted is a sample, so that its time of acceptance matters.
  [[nodiscard]] bool samples_next() const noexcept {
    return observer_ != nullptr && departure_observer::is_sampled(totals_.accepted.messages + 1);
  }

  /// Tells the observer of a message that leaves its queue, if it is a sample.
  void note_departure(std::uint64_t sequence, time_point accepted_at, departure how) const noexcept {
    if (observer_ != nullptr && departure_observer::is_sampled(sequence))
      observer_->note_departure(accepted_at, how);
  }

  /// Moves a message of `size` bytes from `pending` to its outcome.
  void settle(outcome known, std::size_t size) noexcept;

  /// Returns `true` once when more than `high_water` bytes wait, and `false` once when fewer than `low_water`, or none,
  /// do again.
  [[nodiscard]] std::optional<bool> poll_backpressure() noexcept;

  [[nodiscard]] const flow_limits& limits() const noexcept { return limits_; }
  [[nodiscard]] const delivery_totals& totals() const noexcept { return totals_; }
  /// Bytes, with framing, that have not left the queue.
  [[nodiscard]] std::size_t unwritten_bytes() const noexcept { return unwritten_bytes_; }
  /// The same with `waiting_message_cost`: what back-pressure is measured by.
  [[nodiscard]] std::uint64_t unwritten_load() const noexcept {
    return bytes_held_by({unwritten_messages_, unwritten_bytes_});
  }

private:
  /// A limit, and what counts against it.
  struct measure;
  /// The limit that they would exceed; without a name if there is none.
  [[nodiscard]] measure exceeded(const tally& more, bool is_ready, const tally& freed) const noexcept;

  void show_load() const noexcept {
    if (gauge_ != nullptr)
      gauge_->show(totals_.pending.bytes);
  }

  const flow_limits& limits_;
  departure_observer* observer_;
  /// Null where nobody looks.
  std::shared_ptr<load_gauge> gauge_;
  std::size_t unwritten_bytes_ = 0;
  std::uint64_t unwritten_messages_ = 0;
  delivery_totals totals_;
  bool is_pressed_ = false;
};

} // namespace actorwire
