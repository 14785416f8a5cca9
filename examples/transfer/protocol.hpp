#pragma once

#include "chunk_set.hpp"
#include "sha256.hpp"

#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>

/// What sender and receiver say to each other. A file travels in chunks over any number of connections; each connection
/// is one conversation, which begins anew after every reconnect:
///
///     sender                          receiver
///       offer                ->
///                            <-         inventory            what is there already
///       chunk, chunk ...     ->
///                            <-         acknowledgement ...  one for each chunk, after it was written
///       finish               ->                              on one connection, once all chunks are acknowledged
///                            <-         finished             or inventory, if chunks are missing after all
///
/// Instead of any answer there may be a refusal. Each message is one frame: a byte for the kind, then the fields in
/// network byte order. Both sides check everything, for the other side may be anyone.
namespace transfer {

/// Bounds of a transfer; 2^23 chunks make an inventory of 1 MiB.
constexpr std::uint32_t chunk_size_min = 4U << 10U;
constexpr std::uint32_t chunk_size_max = 1U << 20U;
constexpr std::uint64_t chunk_count_max = std::uint64_t{1} << 23U;
/// A file name on Linux has at most 255 bytes, and the receiver appends ".part.state".
constexpr std::size_t name_size_max = 255 - 11;

/// How a file is cut. *Units:* bytes.
struct layout {
  std::uint64_t size = 0;
  std::uint32_t chunk_size = chunk_size_max;

  [[nodiscard]] constexpr std::uint64_t chunk_count() const noexcept {
    return size / chunk_size + (size % chunk_size == 0 ? 0 : 1);
  }
  [[nodiscard]] constexpr std::uint64_t offset_of(std::uint32_t chunk) const noexcept {
    return std::uint64_t{chunk} * chunk_size;
  }
  /// All chunks have the same size but the last.
  [[nodiscard]] constexpr std::uint32_t size_of(std::uint32_t chunk) const noexcept {
    const auto rest = size - offset_of(chunk);
    return rest < chunk_size ? static_cast<std::uint32_t>(rest) : chunk_size;
  }

  friend bool operator==(const layout&, const layout&) = default;
};

/// The sender has a file. Its SHA-256 is its identity: a transfer that was interrupted, on either side, goes on exactly
/// when the content is the same.
struct offer {
  sha256_digest content{};
  layout shape;
  std::string name;

  friend bool operator==(const offer&, const offer&) = default;
};

/// The chunks that the receiver has.
struct inventory {
  std::uint32_t chunk_count = 0;
  /// A bitmap as `chunk_set` takes it.
  actorwire::payload bitmap;
};

struct chunk {
  std::uint32_t index = 0;
  actorwire::payload bytes;
};

/// The chunk was written, and the record that it was: it survives the death of the receiver.
struct acknowledgement {
  std::uint32_t index = 0;
};

struct finish {};

/// The SHA-256 of what the receiver stored.
struct finished {
  sha256_digest content{};
};

/// The receiver cannot or will not take this file; trying again will not help.
struct refusal {
  std::string reason;
};

using message = std::variant<offer, inventory, chunk, acknowledgement, finish, finished, refusal>;

/// Reads one message. Bytes are not copied: `chunk` and `inventory` refer to the memory of `frame`.
/// *Errors:* `malformed`, saying what is wrong.
[[nodiscard]] actorwire::result<message> decode(const actorwire::payload& frame);

[[nodiscard]] actorwire::payload encode(const offer& sent);
[[nodiscard]] actorwire::payload encode(const chunk_set& present);
[[nodiscard]] actorwire::payload encode(const acknowledgement& sent);
[[nodiscard]] actorwire::payload encode(const finish& sent);
[[nodiscard]] actorwire::payload encode(const finished& sent);
[[nodiscard]] actorwire::payload encode(const refusal& sent);

/// Bytes in front of the content of a chunk.
constexpr std::size_t chunk_head_size = 5;
void encode_chunk_head(std::span<std::byte, chunk_head_size> head, std::uint32_t index);

/// Makes a chunk of `size` bytes, which `fill(std::span<std::byte>)` writes where they are sent from.
template <class Fill>
[[nodiscard]] actorwire::payload encode_chunk(std::uint32_t index, std::uint32_t size, Fill&& fill) {
  return actorwire::payload::made_by(chunk_head_size + size, [&](std::span<std::byte> frame) {
    encode_chunk_head(frame.first<chunk_head_size>(), index);
    std::forward<Fill>(fill)(frame.subspan(chunk_head_size));
  });
}

/// The connection that both sides use: frames with a length in front, and none longer than the longest message.
[[nodiscard]] actorwire::transport_config wire_settings();

} // namespace transfer
