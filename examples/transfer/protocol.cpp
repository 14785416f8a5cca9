#include "protocol.hpp"

#include <algorithm>
#include <concepts>
#include <limits>
#include <string_view>
#include <vector>

namespace transfer {

namespace {

enum class kind : std::uint8_t { offer = 1, inventory, chunk, acknowledgement, finish, finished, refusal };

constexpr std::size_t refusal_size_max = 1'000;

actorwire::transport_error malformed(std::string what) {
  return actorwire::make_error(actorwire::error_code::malformed, actorwire::phase::established,
                               actorwire::origin::remote, "transfer protocol: " + std::move(what));
}

/// Appends fields to a frame.
class writer {
public:
  explicit writer(kind what) { put(static_cast<std::uint8_t>(what)); }

  template <std::unsigned_integral T>
  writer& put(T number) {
    for (auto shift = std::numeric_limits<T>::digits - 8; shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<std::byte>(number >> shift));
    return *this;
  }

  writer& put(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }

  writer& put(std::string_view text) { return put(std::as_bytes(std::span{text})); }

  [[nodiscard]] actorwire::payload done() const { return actorwire::payload::copy_of(bytes_); }

private:
  std::vector<std::byte> bytes_;
};

/// Takes fields from a frame. Reading beyond its end yields zeros and is remembered, so that one check at the end does.
class reader {
public:
  explicit reader(const actorwire::payload& frame) : frame_(frame) {}

  template <std::unsigned_integral T>
  T take() {
    T number = 0;
    const auto field = take(sizeof(T));
    for (const auto byte : field.bytes())
      number = static_cast<T>((static_cast<std::uint64_t>(number) << 8U) | std::to_integer<T>(byte));
    return number;
  }

  sha256_digest take_digest() {
    sha256_digest digest{};
    std::ranges::copy(take(digest.size()).bytes(), digest.begin());
    return digest;
  }

  actorwire::payload take_rest() { return take(frame_.size() - position_); }

  /// Whether every byte was taken and none too many.
  [[nodiscard]] bool is_exact() const noexcept { return !overrun_ && position_ == frame_.size(); }

private:
  actorwire::payload take(std::size_t size) {
    if (size > frame_.size() - position_) {
      overrun_ = true;
      return {};
    }
    const auto begin = position_;
    position_ += static_cast<std::uint32_t>(size);
    return frame_.slice(begin, static_cast<std::uint32_t>(size));
  }

  const actorwire::payload& frame_;
  std::uint32_t position_ = 0;
  bool overrun_ = false;
};

/// Why `name` cannot be the name of a received file; empty if it can. It must not lead out of the receiver's folder,
/// nor hit the files in which another transfer keeps its state, nor play tricks on a terminal.
std::string_view objection_to(std::string_view name) {
  if (name.empty() || name.size() > name_size_max)
    return "a file name has 1 to 244 bytes";
  if (name == "." || name == ".." || name.find('/') != std::string_view::npos)
    return "a file name is not a path";
  if (std::ranges::any_of(name, [](unsigned char letter) { return letter < 0x20 || letter == 0x7f; }))
    return "a file name has no control characters";
  if (name.ends_with(".part") || name.ends_with(".part.state"))
    return "names that end in .part are used for unfinished files";
  return {};
}

actorwire::result<message> check(offer read) {
  if (const auto objection = objection_to(read.name); !objection.empty())
    return malformed(std::string{objection});
  if (read.shape.chunk_size < chunk_size_min || read.shape.chunk_size > chunk_size_max)
    return malformed("chunks have 4 KiB to 1 MiB");
  if (read.shape.chunk_count() > chunk_count_max)
    return malformed("more than 8388608 chunks");
  return message{std::move(read)};
}

actorwire::result<message> check(inventory read) {
  if (read.chunk_count > chunk_count_max || !chunk_set::is_bitmap_of(read.chunk_count, read.bitmap.bytes()))
    return malformed("an inventory that does not fit its number of chunks");
  return message{std::move(read)};
}

} // namespace

actorwire::result<message> decode(const actorwire::payload& frame) {
  reader fields{frame};
  message read;
  switch (static_cast<kind>(fields.take<std::uint8_t>())) {
    case kind::offer: {
      // One after the other, because the order in which arguments are evaluated is open.
      offer made;
      made.content = fields.take_digest();
      made.shape.size = fields.take<std::uint64_t>();
      made.shape.chunk_size = fields.take<std::uint32_t>();
      made.name = fields.take_rest().text();
      if (!fields.is_exact())
        return malformed("an offer that is too short");
      return check(std::move(made));
    }
    case kind::inventory: {
      inventory made;
      made.chunk_count = fields.take<std::uint32_t>();
      made.bitmap = fields.take_rest();
      if (!fields.is_exact())
        return malformed("an inventory that is too short");
      return check(std::move(made));
    }
    case kind::chunk: {
      chunk made;
      made.index = fields.take<std::uint32_t>();
      made.bytes = fields.take_rest();
      read = std::move(made);
      break;
    }
    case kind::acknowledgement:
      read = acknowledgement{fields.take<std::uint32_t>()};
      break;
    case kind::finish:
      read = finish{};
      break;
    case kind::finished:
      read = finished{fields.take_digest()};
      break;
    case kind::refusal: {
      const auto text = fields.take_rest();
      read = refusal{std::string{text.text().substr(0, refusal_size_max)}};
      break;
    }
    default:
      return malformed("an unknown kind of message");
  }
  if (!fields.is_exact())
    return malformed("a message of the wrong length");
  return read;
}

actorwire::payload encode(const offer& sent) {
  return writer{kind::offer}
      .put(sent.content)
      .put(sent.shape.size)
      .put(sent.shape.chunk_size)
      .put(std::string_view{sent.name})
      .done();
}

actorwire::payload encode(const chunk_set& present) {
  return writer{kind::inventory}.put(present.count()).put(present.bitmap()).done();
}

actorwire::payload encode(const acknowledgement& sent) {
  return writer{kind::acknowledgement}.put(sent.index).done();
}

actorwire::payload encode(const finish&) {
  return writer{kind::finish}.done();
}

actorwire::payload encode(const finished& sent) {
  return writer{kind::finished}.put(sent.content).done();
}

actorwire::payload encode(const refusal& sent) {
  return writer{kind::refusal}.put(std::string_view{sent.reason}.substr(0, refusal_size_max)).done();
}

void encode_chunk_head(std::span<std::byte, chunk_head_size> head, std::uint32_t index) {
  head[0] = static_cast<std::byte>(kind::chunk);
  for (std::size_t byte = 0; byte < 4; ++byte)
    head[1 + byte] = static_cast<std::byte>(index >> (24 - 8 * byte));
}

actorwire::transport_config wire_settings() {
  actorwire::transport_config settings;
  settings.framing.mode = actorwire::framing_mode::length_prefixed;
  // The longest messages are a chunk, and the inventory of as many chunks as there may be.
  settings.framing.max_frame_size = chunk_size_max + 64;
  return settings;
}

} // namespace transfer
