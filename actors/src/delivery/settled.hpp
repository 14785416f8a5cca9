#pragma once

#include "delivery/outbox_ledger.hpp"

#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/error.hpp>

#include <concepts>
#include <cstdint>

namespace actorwire {

/// The outcome of one message, as told to its sender.
struct settled {
  std::uint64_t sequence = 0;
  outcome result = outcome::written;
  /// Why it did not, or may not, arrive; null for `written`, `acked` and `confirmed`. Valid during the call only.
  const transport_error* why = nullptr;
};

/// Tells a sender what became of its message. It must not throw, and may call `accept`, `drop` and the queries of the
/// outbox that calls it, nothing else. What `accept` itself tells must not even do that.
template <class Settle, class Reply>
concept settles = std::invocable<Settle&, Reply&&, const settled&>;

/// Tells `settle`, if it wants to hear of that too, that all of a message was handed over that is wanted `acked`. Its
/// `note_departure` may do what it may itself, no more.
template <class Settle, class Reply>
void tell_departure([[maybe_unused]] Settle& settle, [[maybe_unused]] const Reply& whom,
                    [[maybe_unused]] std::uint64_t sequence) {
  if constexpr (requires { settle.note_departure(whom, sequence); })
    settle.note_departure(whom, sequence);
}

/// What one event cost: messages and bytes of messages.
struct loss {
  tally not_sent{};
  tally maybe_sent{};

  friend constexpr bool operator==(const loss&, const loss&) = default;
};

/// What became of a message that was taken: its number, and which ones went for it, the message itself perhaps.
struct admission {
  std::uint64_t sequence = 0;
  loss dropped{};
  /// Why those did; without a meaning if there are none.
  loss_reason reason = loss_reason::dropped_newest;
};

} // namespace actorwire
