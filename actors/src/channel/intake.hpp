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
#include <cstddef>
#include <optional>
#include <utility>

namespace actorwire {

/// What arrives on one stream: cut into messages, and no more than somebody wants. *Thread:* shard only.
class intake {
public:
  explicit intake(const framing_config& framing, session_mode session = session_mode::off) noexcept
    : decoder_(framing, session) {}

  void feed(payload bytes) {
    allowance_ -= std::min<std::size_t>(allowance_, bytes.size());
    decoder_.feed(std::move(bytes));
  }

  /// Passes messages on, with their labels, while `wanted` says more than 0 of the kind of the next one; returns whether
  /// there was any. *Errors:* those of `frame_decoder::next`.
  template <class Wanted, class Deliver>
  [[nodiscard]] result<bool> deliver(Wanted&& wanted, Deliver&& deliver) {
    auto any = false;
    frame_label label;
    while (wanted(decoder_.next_kind()) > 0) {
      auto next = decoder_.next(label);
      if (!next)
        return next.error();
      if (!next->has_value())
        break;
      any = true;
      deliver(std::move(**next), label);
    }
    return any;
  }

  /// Of what kind the next message is, as far as that is known; see `frame_decoder::next_kind`.
  [[nodiscard]] std::optional<frame_kind> next_kind() noexcept { return decoder_.next_kind(); }

  /// Returns how many more bytes the transport is to deliver, when `wanted` are. Small top-ups would cost a call for each
  /// message; half of what is wanted is never waited for.
  [[nodiscard]] std::size_t top_up(std::size_t wanted) noexcept {
    if (allowance_ >= wanted || allowance_ > wanted / 2)
      return 0;
    return wanted - std::exchange(allowance_, wanted);
  }

  /// Counts the frame that is being put together against the network's memory; false if there is no room.
  [[nodiscard]] bool charge(memory_budget& budget) {
    const auto size = decoder_.assembly_capacity();
    if (size > charged_ && !budget.try_take(size - charged_))
      return false;
    if (size < charged_)
      budget.give_back(charged_ - size);
    charged_ = size;
    return true;
  }

  /// Takes the count back.
  void release(memory_budget& budget) noexcept { budget.give_back(std::exchange(charged_, 0)); }

  /// What is wrong with a peer that begins a frame and does not complete it, and with a network that has no room for it.
  [[nodiscard]] static transport_error late_frame() {
    return make_error(error_code::partial_frame_timeout, phase::established, origin::remote,
                      "a frame was begun and not completed within framing.partial_frame_timeout");
  }
  [[nodiscard]] static transport_error no_room() {
    return make_error(error_code::memory_limit, phase::established, origin::local,
                      "the network's memory_limit leaves no room for the frame that has begun");
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
  std::size_t charged_ = 0;
};

} // namespace actorwire
