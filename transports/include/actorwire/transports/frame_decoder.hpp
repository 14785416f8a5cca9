#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/session_config.hpp>
#include <actorwire/transports/frame_label.hpp>
#include <actorwire/transports/memory_budget.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

namespace actorwire {

/// Cuts messages out of a byte stream. Pure: bytes go in with `feed`, messages come out of `next`.
///
///     decoder.feed(std::move(bytes));
///     for (;;) {
///       auto frame = decoder.next();
///       if (!frame)      return fail(frame.error());
///       if (!*frame)     break;                       // wait for more bytes
///       deliver(std::move(**frame));
///     }
///
/// A message that lies within one fed payload is a slice of it; nothing is copied. One that spans several is put
/// together in memory of its own, which grows with what really arrived (at most twice that, and at least 1 KiB) and
/// never with what a peer merely announces. While no message has begun, a decoder is these 64 bytes and nothing else.
/// *Thread:* one at a time. *Source:* formats in `framing_mode`.
class frame_decoder {
public:
  /// Takes a configuration that `validate` accepted; `partial_frame_timeout` is the caller's to keep, see `has_partial`.
  /// `session` is whether the frames are those of a session.
  explicit ACTORWIRE_EXPORT frame_decoder(const framing_config& config,
                                          session_mode session = session_mode::off) noexcept;

  /// Appends bytes of the stream. Nothing is decoded yet. After an error they are dropped.
  ACTORWIRE_EXPORT void feed(payload bytes);

  /// Takes the next message off the stream; empty when it needs more bytes. An empty message is a message, except in
  /// mode `none`, where whatever was fed passes through. The work is bounded by one message.
  /// *Errors:* `frame_too_large` naming the size and the limit, before a byte of that message is stored. Once it failed
  /// it fails for ever with the same error: there is no way back into step with the peer. In mode `numbered` also
  /// `malformed`, naming the value, for a length below 9, for what `check_kind` and `check_number` refuse, for a refusal
  /// without a code, and for what belongs to sessions and is longer than `session_message_max`.
  [[nodiscard]] result<std::optional<payload>> next() {
    frame_label unused;
    return next(unused);
  }
  /// The same, and what the frame says beside the message: `label` is set with the message, in mode `numbered`. The memory
  /// for a message in parts is taken from `budget` before it is allocated, always the same one; null: it is not counted.
  /// While there is no room nothing more is decoded, and `waits_for_memory` holds; what was fed stays.
  [[nodiscard]] ACTORWIRE_EXPORT result<std::optional<payload>> next(frame_label& label,
                                                                     memory_budget* budget = nullptr);

  /// Whether the last `next` came back empty because the budget had no room.
  [[nodiscard]] bool waits_for_memory() const noexcept { return waits_for_memory_; }

  /// Gives the budget back what it has lent. Nothing may be decoded any more.
  void release(memory_budget& budget) noexcept { budget.give_back(std::exchange(charged_, 0)); }

  /// Of what kind the next message is, as soon as that byte is there; empty before. Outside of mode `numbered` always
  /// `data`. What is not a kind there is none to `next` only; behind a length that leaves no room for one it is one above
  /// all kinds.
  [[nodiscard]] std::optional<frame_kind> next_kind() noexcept {
    return mode_ == framing_mode::numbered ? next_numbered_kind() : std::optional{frame_kind::data};
  }

  /// Whether `next` has nothing to say for sure. Without framing that is as soon as all was passed on.
  [[nodiscard]] bool is_empty() const noexcept { return mode_ == framing_mode::none && unread_.empty(); }

  /// Whether a message has begun and is not complete, as of the last `next`. A caller that limits how long this may
  /// last starts its timer when it turns true after a message, and stops it when it turns false.
  [[nodiscard]] bool has_partial() const noexcept {
    return header_size_ > 0 || assembled_size_ > 0 || waits_for_memory_;
  }

  /// Tells that the stream has ended, after `next` ran dry.
  /// *Errors:* `truncated_frame` when it ended inside a message (in mode `line`: without a line end); the earlier error
  /// when there was one.
  [[nodiscard]] ACTORWIRE_EXPORT result<void> finish();

  /// Bytes that were fed and not looked at yet.
  [[nodiscard]] ACTORWIRE_EXPORT std::size_t unread_size() const noexcept;

  /// Memory taken for the message that has begun, in bytes.
  [[nodiscard]] std::size_t assembly_capacity() const noexcept { return assembly_.size(); }

private:
  using poll_result = result<std::optional<payload>>;

  /// What few decoders ever need.
  struct rarity {
    /// Fed before `unread_` was used up.
    std::deque<payload> queued;
    std::optional<transport_error> failure;
  };

  [[nodiscard]] poll_result decode(frame_label& label, memory_budget* budget);
  [[nodiscard]] poll_result next_length_prefixed(memory_budget* budget);
  [[nodiscard]] poll_result next_numbered(frame_label& label, memory_budget* budget);
  [[nodiscard]] ACTORWIRE_EXPORT std::optional<frame_kind> next_numbered_kind() noexcept;
  [[nodiscard]] poll_result next_line(memory_budget* budget);
  /// Takes the `frame_size_` bytes that follow the length.
  [[nodiscard]] std::optional<payload> take_frame(memory_budget* budget);
  [[nodiscard]] bool ends_in_carriage_return(std::uint32_t size) const noexcept;
  [[nodiscard]] bool read_header() noexcept;
  [[nodiscard]] std::uint32_t unread_here() const noexcept { return unread_.size() - unread_offset_; }
  [[nodiscard]] const std::byte* unread_data() const noexcept { return unread_.data() + unread_offset_; }
  [[nodiscard]] payload take_unread(std::uint32_t size) noexcept;
  void skip_unread(std::uint32_t size) noexcept;
  /// Returns whether there was room.
  [[nodiscard]] bool append(std::uint32_t size, std::uint32_t final_size_max, memory_budget* budget);
  [[nodiscard]] payload take_assembled(std::uint32_t size);
  [[nodiscard]] bool has_failed() const noexcept { return rare_ != nullptr && rare_->failure.has_value(); }
  [[nodiscard]] transport_error fail(transport_error reason);

  /// What is decoded next; its first `unread_offset_` bytes are used up.
  payload unread_;
  /// A message that spans several payloads: its memory, of which the first `assembled_size_` bytes are filled.
  payload assembly_;
  std::unique_ptr<rarity> rare_;
  std::uint32_t unread_offset_ = 0;
  std::uint32_t assembled_size_ = 0;
  /// The size announced by the header, of which `header_size_` bytes have arrived.
  std::uint32_t frame_size_ = 0;
  std::uint32_t frame_size_max_;
  /// What was taken from the budget for `assembly_`.
  std::uint32_t charged_ = 0;
  framing_mode mode_;
  session_mode session_;
  std::uint8_t header_size_ = 0;
  bool waits_for_memory_ = false;
};

static_assert(sizeof(frame_decoder) <= 64, "ten thousand idle connections hold ten thousand decoders");

} // namespace actorwire
