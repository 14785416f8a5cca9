#pragma once

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/session_config.hpp>
#include <actorwire/transports/frame_decoder.hpp>
#include <actorwire/transports/frame_label.hpp>
#include <actorwire/transports/memory_budget.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace actorwire {

/// What arrives on one stream: cut into messages, and no more than somebody wants. A frame that is being put together counts
/// against the network's memory; while that has no room nothing more is taken from the transport. *Thread:* shard only.
class intake {
public:
  /// After which time one that waits for memory is to be tried again: memory comes back from any thread without a word.
  static constexpr std::chrono::milliseconds memory_pause{10};

  explicit intake(const framing_config& framing, session_mode session = session_mode::off) noexcept
    : decoder_(framing, session) {}

  void feed(payload bytes) {
    allowance_ -= std::min<std::size_t>(allowance_, bytes.size());
    decoder_.feed(std::move(bytes));
  }

  /// Passes messages on, with their labels, while `wanted` says more than 0 of the kind of the next one. Returns whether
  /// the time for a frame begins anew: there was a message, or `budget` has run out of room, or has some again.
  /// *Errors:* those of `frame_decoder::next`.
  template <class Wanted, class Deliver>
  [[nodiscard]] result<bool> deliver(memory_budget& budget, Wanted&& wanted, Deliver&& deliver) {
    const auto waited = decoder_.waits_for_memory();
    auto any = false;
    frame_label label;
    while (!decoder_.is_empty() && wanted(decoder_.next_kind()) > 0) {
      auto next = decoder_.next(label, &budget);
      if (!next)
        return next.error();
      if (!next->has_value())
        break;
      any = true;
      deliver(std::move(**next), label);
    }
    return any || decoder_.waits_for_memory() != waited;
  }

  /// Of what kind the next message is, as far as that is known; see `frame_decoder::next_kind`.
  [[nodiscard]] std::optional<frame_kind> next_kind() noexcept { return decoder_.next_kind(); }

  /// Returns how many more bytes the transport is to deliver, when `wanted` are. Small top-ups would cost a call for each
  /// message; half of what is wanted is never waited for.
  [[nodiscard]] std::size_t top_up(std::size_t wanted) noexcept {
    if (waits_for_memory() || allowance_ >= wanted || allowance_ > wanted / 2)
      return 0;
    return wanted - std::exchange(allowance_, wanted);
  }

  /// Whether a frame has begun for which the network's memory had no room when it was last tried.
  [[nodiscard]] bool waits_for_memory() const noexcept { return decoder_.waits_for_memory(); }

  /// Gives back what the frame that is being put together counts.
  void release(memory_budget& budget) noexcept { decoder_.release(budget); }

  /// What is wrong when the time for a frame is over: with the peer that does not complete it, or with the network, which has
  /// no room for it.
  [[nodiscard]] transport_error late_frame() const {
    if (waits_for_memory())
      return make_error(
          error_code::memory_limit, phase::established, origin::local,
          "the network's memory_limit has left no room for framing.partial_frame_timeout for a frame that has "
          "begun");
    return make_error(error_code::partial_frame_timeout, phase::established, origin::remote,
                      "a frame was begun and not completed within framing.partial_frame_timeout");
  }

  [[nodiscard]] bool has_partial() const noexcept { return decoder_.has_partial(); }
  /// Bytes that wait to be passed on.
  [[nodiscard]] std::size_t unread_size() const noexcept { return decoder_.unread_size(); }
  [[nodiscard]] bool is_drained() const noexcept { return unread_size() == 0; }
  /// The stream has ended. *Errors:* `truncated_frame` when it ended inside a message.
  [[nodiscard]] result<void> finish() { return decoder_.finish(); }

private:
  frame_decoder decoder_;
  /// Bytes that the transport may still deliver.
  std::size_t allowance_ = 0;
};

} // namespace actorwire
