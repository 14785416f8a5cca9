#pragma once

#include "fifo.hpp"

#include <actorwire/messages/payload.hpp>
#include <actorwire/transports/transport.hpp>

#include <ngtcp2/ngtcp2.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace actorwire {

/// The sending half of one stream: bytes that were accepted and that the peer has not acknowledged yet. ngtcp2 keeps
/// pointers to what it was handed until that is acknowledged or the stream is closed, so nothing moves and nothing is
/// released before. Holds no memory while it is empty. Whoever appends bounds how much there is.
///
/// Life: `append` and `finish`, over and over `gather` and `advance`, then `acknowledge` as ngtcp2 reports. Destroy it
/// after ngtcp2 has closed the stream, or after the connection. *Thread:* one at a time.
class stream_output {
public:
  /// What is next to be sent.
  struct offer {
    /// How many elements were filled in.
    std::size_t count = 0;
    /// How many bytes these are.
    std::size_t bytes = 0;
    /// Whether the stream ends with these bytes: pass NGTCP2_WRITE_STREAM_FLAG_FIN. Also with no bytes at all.
    bool fin = false;

    /// Whether there is anything to be sent.
    [[nodiscard]] bool is_empty() const noexcept { return bytes == 0 && !fin; }
  };

  stream_output() = default;
  stream_output(const stream_output&) = delete;
  stream_output& operator=(const stream_output&) = delete;

  /// Takes bytes from the front of `pieces`, at most `room` in all, and returns how many: all of them within `room`, but
  /// nothing after `finish` or `discard`. Takes a reference to bytes that have an owner, and copies the others.
  std::size_t append(std::span<const outgoing> pieces, std::size_t room);

  /// The stream ends after what was appended. A second call does nothing.
  void finish() noexcept { is_finished_ = true; }

  /// Shows what is next, at most `bytes_max` and as much as fits into `into`. Changes nothing.
  [[nodiscard]] offer gather(std::span<ngtcp2_vec> into, std::size_t bytes_max) const;

  /// ngtcp2 has taken `bytes` of what was offered, and the end of the stream if `fin`. Pass `fin` when it was part of the
  /// offer and all offered bytes were taken.
  void advance(std::size_t bytes, bool fin);

  /// ngtcp2 reports `acked_stream_data_offset`: in order and without gaps; `size` 0 is about the end of the stream.
  /// Chunks that are acknowledged whole are released at once.
  void acknowledge(std::uint64_t offset, std::uint64_t size);

  /// The stream was reset, or the peer does not want it: nothing more is sent. What ngtcp2 has not seen is released at
  /// once, the rest stays, because ngtcp2 may still point at it, until it is acknowledged or this object is destroyed.
  void discard();

  /// ngtcp2 has closed the stream and points at nothing any more: releases what is left. What was not acknowledged never is.
  void release() noexcept;

  /// Early data were rejected and their streams undone by ngtcp2: everything is to be sent again, on a new stream.
  void rewind() noexcept;

  /// Bytes that the peer has acknowledged.
  [[nodiscard]] std::uint64_t acked() const noexcept { return acked_; }
  /// Bytes that ngtcp2 has taken.
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  /// Bytes that ngtcp2 has not taken yet.
  [[nodiscard]] std::uint64_t unsent() const noexcept { return accepted_ - sent_; }
  /// Bytes that are not acknowledged, sent or not.
  [[nodiscard]] std::uint64_t buffered() const noexcept { return accepted_ - acked_; }
  /// Whether bytes or the end of the stream wait to be sent.
  [[nodiscard]] bool has_unsent() const noexcept { return unsent() != 0 || is_fin_next(); }
  /// Whether nothing but the end of the stream is left to be sent.
  [[nodiscard]] bool is_fin_next() const noexcept {
    return is_finished_ && !is_fin_sent_ && !is_discarded_ && unsent() == 0;
  }
  [[nodiscard]] bool is_finished() const noexcept { return is_finished_; }
  [[nodiscard]] bool is_fin_sent() const noexcept { return is_fin_sent_; }
  /// Whether every accepted byte is acknowledged. ngtcp2 does not always say so of the end of the stream: that it has
  /// arrived is certain when the stream is closed.
  [[nodiscard]] bool is_all_acked() const noexcept { return buffered() == 0; }

private:
  /// Memory for bytes without an owner: as much as is to be copied at once, within these.
  static constexpr std::uint32_t copy_bytes_min = 1U << 10U;
  static constexpr std::uint32_t copy_bytes_max = 16U << 10U;

  void append_shared(const outgoing& piece);
  void append_copy(std::span<const std::byte> bytes);
  /// Appends what is at that place, to the last chunk if it lies right behind it.
  void append_slice(slab& memory, std::uint32_t offset, std::uint32_t size);

  fifo<payload> chunks_;
  /// The slab that bytes without an owner are copied into, and how much of it is used. Chunks share it: with framing,
  /// every other piece is a head of a few bytes.
  payload copies_;
  std::uint32_t copies_used_ = 0;

  /// What comes next: so far into this chunk.
  std::uint32_t next_offset_ = 0;
  std::size_t next_ = 0;

  /// Offset in the stream of the first chunk.
  std::uint64_t first_offset_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t accepted_ = 0;
  bool is_finished_ = false;
  bool is_fin_sent_ = false;
  bool is_discarded_ = false;
};

} // namespace actorwire
