#include "frame_error.hpp"

#include <actorwire/transports/frame_decoder.hpp>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

namespace {

constexpr std::uint8_t length_prefix_size = 4;
constexpr auto label_size = static_cast<std::uint32_t>(frame_label::wire_size);

// First allocation for a message in parts. Peers that dribble bytes into many connections cost this much each.
constexpr std::uint32_t assembly_size_min = 1'024;

/// What is not a kind; see `frame_decoder::next_kind`.
constexpr frame_kind no_kind{0xff};

constexpr char line_feed = '\n';
constexpr std::byte carriage_return{'\r'};

constexpr std::string_view means_tls = "; it begins like TLS, so the other side may mean tls:// and not tcp://";

transport_error too_large(std::string what, std::uint32_t limit) {
  return make_error(error_code::frame_too_large, phase::established, origin::remote,
                    std::move(what) + " is larger than max_frame_size = " + std::to_string(limit));
}

/// Whether the bytes of a length are how a handshake of TLS begins: a record of type 22, version 3.x (RFC 8446, 5.1).
bool looks_like_tls(std::uint32_t size) noexcept {
  return size >> 16U == 0x1603U && (size >> 8U & 0xffU) <= 4;
}

} // namespace

frame_decoder::frame_decoder(const framing_config& config, session_mode session) noexcept
  : frame_size_max_(
      static_cast<std::uint32_t>(std::min<std::size_t>(config.max_frame_size, std::numeric_limits<std::uint32_t>::max()
                                                                                  - frame_label::wire_size))),
    mode_(config.mode),
    session_(session) {}

void frame_decoder::feed(payload bytes) {
  if (bytes.empty() || has_failed())
    return;
  if (unread_.empty()) {
    unread_ = std::move(bytes);
    return;
  }
  if (rare_ == nullptr)
    rare_ = std::make_unique<rarity>();
  rare_->queued.push_back(std::move(bytes));
}

result<std::optional<payload>> frame_decoder::next(frame_label& label, memory_budget* budget) {
  waits_for_memory_ = false;
  auto decoded = decode(label, budget);
  // The message is complete, or will never be.
  if (charged_ > assembly_.size()) {
    budget->give_back(charged_ - assembly_.size());
    charged_ = assembly_.size();
  }
  return decoded;
}

frame_decoder::poll_result frame_decoder::decode(frame_label& label, memory_budget* budget) {
  if (has_failed())
    return *rare_->failure;
  switch (mode_) {
    case framing_mode::none:
      if (unread_.empty())
        return std::optional<payload>{};
      return std::optional{take_unread(unread_here())};
    case framing_mode::length_prefixed:
      return next_length_prefixed(budget);
    case framing_mode::line:
      return next_line(budget);
    case framing_mode::numbered:
      return next_numbered(label, budget);
  }
  return std::optional<payload>{};
}

result<void> frame_decoder::finish() {
  if (has_failed())
    return *rare_->failure;
  assert(unread_.empty());
  if (!has_partial())
    return {};
  std::string text{"stream ended "};
  if (mode_ == framing_mode::line)
    text += "inside a line, after " + std::to_string(assembled_size_) + " bytes of it";
  else if (header_size_ < length_prefix_size)
    text += "inside a length prefix";
  else
    text += "after " + std::to_string(assembled_size_) + " of " + std::to_string(frame_size_) + " bytes of a frame";
  return fail(make_error(error_code::truncated_frame, phase::established, origin::remote, std::move(text)));
}

std::size_t frame_decoder::unread_size() const noexcept {
  std::size_t size = unread_here();
  if (rare_ != nullptr)
    for (const auto& each : rare_->queued)
      size += each.size();
  return size;
}

frame_decoder::poll_result frame_decoder::next_length_prefixed(memory_budget* budget) {
  if (!read_header())
    return std::optional<payload>{};
  if (frame_size_ > frame_size_max_) {
    auto reason = too_large("frame of " + std::to_string(frame_size_) + " bytes", frame_size_max_);
    if (looks_like_tls(frame_size_))
      reason.text += means_tls;
    return fail(std::move(reason));
  }
  return take_frame(budget);
}

frame_decoder::poll_result frame_decoder::next_numbered(frame_label& label, memory_budget* budget) {
  if (!read_header())
    return std::optional<payload>{};
  if (assembled_size_ == 0) {
    if (frame_size_ < label_size)
      return fail(malformed_frame("frame of length " + std::to_string(frame_size_) + ": kind and number alone are "
                                  + std::to_string(label_size) + " bytes"));
    if (frame_size_ - label_size > frame_size_max_) {
      auto reason = too_large("frame of " + std::to_string(frame_size_ - label_size) + " bytes", frame_size_max_);
      if (looks_like_tls(frame_size_))
        reason.text += means_tls;
      return fail(std::move(reason));
    }
  }
  // A kind that is not taken is refused before anything of its message is stored.
  if (const auto kind = next_numbered_kind()) {
    if (auto known = check_kind(static_cast<std::uint8_t>(*kind), session_); !known)
      return fail(known.error());
    if (kind >= frame_kind::hello && frame_size_ > label_size + session_message_max)
      return fail(malformed_frame(frame_of_kind(*kind) + " of " + std::to_string(frame_size_ - label_size)
                                  + " bytes: at most " + std::to_string(session_message_max)));
    if (kind == frame_kind::refusal && frame_size_ == label_size)
      return fail(malformed_frame(frame_of_kind(*kind) + " without a code"));
  }
  auto frame = take_frame(budget);
  if (!frame)
    return frame;
  label = frame_label::read(frame->bytes());
  if (auto numbered = check_number(label, session_); !numbered)
    return fail(numbered.error());
  return std::optional{frame->slice(label_size, frame->size() - label_size)};
}

std::optional<frame_kind> frame_decoder::next_numbered_kind() noexcept {
  if (has_failed() || !read_header())
    return std::nullopt;
  // There is nothing behind such a length: what follows it is of no frame.
  if (frame_size_ < label_size)
    return no_kind;
  if (assembled_size_ > 0)
    return static_cast<frame_kind>(*assembly_.data());
  return unread_.empty() ? std::nullopt : std::optional{static_cast<frame_kind>(*unread_data())};
}

frame_decoder::poll_result frame_decoder::next_line(memory_budget* budget) {
  while (!unread_.empty()) {
    // A line is followed by CR and LF at most: one that is longer than the limit and both cannot become legal.
    const auto searched = std::min(unread_here(), frame_size_max_ + 2 - assembled_size_);
    const auto* begin = unread_data();
    const auto* end = static_cast<const std::byte*>(std::memchr(begin, line_feed, searched));
    const auto found = end != nullptr;
    const auto size = found ? static_cast<std::uint32_t>(end - begin) : searched;

    const auto total = assembled_size_ + size;
    const auto content = total - (ends_in_carriage_return(size) ? 1 : 0);
    if (content > frame_size_max_)
      return fail(
          too_large((found ? "line of " : "line of at least ") + std::to_string(content) + " bytes", frame_size_max_));

    if (found && assembled_size_ == 0) {
      auto line = unread_.slice(unread_offset_, content);
      skip_unread(size + 1);
      return std::optional{std::move(line)};
    }
    if (!append(size, frame_size_max_ + 1, budget))
      break;
    if (found) {
      skip_unread(1);
      return std::optional{take_assembled(content)};
    }
  }
  return std::optional<payload>{};
}

/// Whether the line ends in CR when `size` more bytes are added; the CR may have come with an earlier payload.
bool frame_decoder::ends_in_carriage_return(std::uint32_t size) const noexcept {
  if (size > 0)
    return unread_data()[size - 1] == carriage_return;
  return assembled_size_ > 0 && assembly_.data()[assembled_size_ - 1] == carriage_return;
}

/// Reads what has arrived of the length; returns whether it is complete.
bool frame_decoder::read_header() noexcept {
  while (header_size_ < length_prefix_size && !unread_.empty()) {
    frame_size_ = frame_size_ << 8U | std::to_integer<std::uint32_t>(*unread_data());
    ++header_size_;
    skip_unread(1);
  }
  return header_size_ == length_prefix_size;
}

std::optional<payload> frame_decoder::take_frame(memory_budget* budget) {
  std::optional<payload> frame;
  if (assembled_size_ == 0 && unread_here() >= frame_size_) {
    frame = take_unread(frame_size_);
  } else {
    while (assembled_size_ < frame_size_ && !unread_.empty())
      if (!append(std::min(unread_here(), frame_size_ - assembled_size_), frame_size_, budget))
        break;
    if (assembled_size_ < frame_size_)
      return std::nullopt;
    frame = take_assembled(frame_size_);
  }
  header_size_ = 0;
  frame_size_ = 0;
  return frame;
}

payload frame_decoder::take_unread(std::uint32_t size) noexcept {
  auto taken = unread_.slice(unread_offset_, size);
  skip_unread(size);
  return taken;
}

void frame_decoder::skip_unread(std::uint32_t size) noexcept {
  unread_offset_ += size;
  if (unread_offset_ < unread_.size())
    return;
  unread_ = {};
  unread_offset_ = 0;
  if (rare_ == nullptr)
    return;
  unread_ = std::move(rare_->queued.front());
  rare_->queued.pop_front();
  if (rare_->queued.empty())
    rare_.reset();
}

/// Moves `size` unread bytes to the assembly. The memory at least doubles, so that all copying together is linear, but
/// follows what has arrived: `final_size_max` only keeps the last step from being too large.
bool frame_decoder::append(std::uint32_t size, std::uint32_t final_size_max, memory_budget* budget) {
  if (size == 0)
    return true;
  const auto needed = assembled_size_ + size;
  assert(needed <= final_size_max);
  if (needed > assembly_.size()) {
    const auto wanted = std::max<std::uint64_t>(assembly_size_min, std::uint64_t{needed} * 2);
    const auto grown = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, final_size_max));
    if (budget != nullptr) {
      if (!budget->try_take(grown - charged_)) {
        waits_for_memory_ = true;
        return false;
      }
      charged_ = grown;
    }
    assembly_ = payload::made_by(grown, [this](std::span<std::byte> memory) {
      if (assembled_size_ > 0)
        std::memcpy(memory.data(), assembly_.data(), assembled_size_);
    });
  }
  // The assembly was made here and nobody else has seen it yet, so it is still ours to write.
  std::memcpy(const_cast<std::byte*>(assembly_.data()) + assembled_size_, unread_data(), size);
  assembled_size_ = needed;
  skip_unread(size);
  return true;
}

payload frame_decoder::take_assembled(std::uint32_t size) {
  assembled_size_ = 0;
  const auto whole = std::exchange(assembly_, payload{});
  // A line's memory may be twice what it needs. Receivers may keep what they get, so it is not left to them.
  if (whole.size() - size > assembly_size_min)
    return whole.slice(0, size).detach();
  return whole.slice(0, size);
}

transport_error frame_decoder::fail(transport_error reason) {
  unread_ = {};
  unread_offset_ = 0;
  assembly_ = {};
  assembled_size_ = 0;
  header_size_ = 0;
  rare_ = std::make_unique<rarity>();
  rare_->failure = std::move(reason);
  return *rare_->failure;
}

} // namespace actorwire
