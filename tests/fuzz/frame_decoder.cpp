// Whatever a peer sends and however the network cuts it: the decoder finds the messages that the format says, each as soon
// as its last byte is there, and holds no more memory than its limit and what has arrived allow.
//
// An input is
//   1 byte   framing mode: none, length_prefixed, line, numbered
//   2 bytes  max_frame_size - 1
//   1 byte   n, how many cuts follow (modulo 16)
//   n bytes  cuts, used in turn until the stream ends: see `cut`
//   the rest the stream

#include "target.hpp"

#include <actorwire/transports/frame_decoder.hpp>
#include <actorwire/transports/frame_label.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace actorwire::fuzz {

namespace {

constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

/// A piece in which the stream is fed.
struct cut {
  /// 0 .. 63 bytes, then multiples of 64 up to 4 KiB, so that few cuts make both small and large pieces.
  std::size_t size;
  /// Whether messages are taken out before the next piece is fed.
  bool drains;

  static cut from(std::uint8_t code) noexcept {
    const std::size_t value = code & 0x7FU;
    return {value < 64 ? value : (value - 63) * 64, (code & 0x80U) == 0};
  }
};

struct plan {
  framing_config config;
  std::vector<cut> cuts;
  std::string_view stream;
};

plan plan_of(std::span<const std::byte> input) {
  constexpr std::array modes{framing_mode::none, framing_mode::length_prefixed, framing_mode::line,
                             framing_mode::numbered};
  reader in{input};
  plan made;
  made.config.mode = modes[in.byte() % modes.size()];
  made.config.max_frame_size = std::size_t{in.word()} + 1;
  const auto count = in.byte() % 16;
  for (auto index = 0; index < count; ++index)
    made.cuts.push_back(cut::from(in.byte()));
  // Cuts that take nothing would never come to the end.
  if (std::ranges::all_of(made.cuts, [](const cut& each) { return each.size == 0; }))
    made.cuts.push_back({never, true});
  const auto rest = in.rest();
  made.stream = {reinterpret_cast<const char*>(rest.data()), rest.size()};
  return made;
}

// -- the formats, told in the plainest way: over the whole stream at once ------------

struct message {
  std::string_view content;
  /// Where in the stream it ends, its line end included.
  std::size_t end;
  frame_label label{};
};

struct expectation {
  std::vector<message> messages;
  /// How much of the stream shows that a message is not to be taken, and why.
  std::size_t failure_at = never;
  error_code failure = error_code::frame_too_large;
  /// The stream ends inside a message.
  bool is_truncated = false;
};

expectation expect_length_prefixed(std::string_view stream, std::size_t size_max) {
  expectation expected;
  for (std::size_t begin = 0; begin < stream.size();) {
    if (stream.size() - begin < 4) {
      expected.is_truncated = true;
      break;
    }
    std::size_t size = 0;
    for (std::size_t index = 0; index < 4; ++index)
      size = size * 256 + static_cast<unsigned char>(stream[begin + index]);
    begin += 4;
    if (size > size_max) {
      expected.failure_at = begin;
      break;
    }
    if (stream.size() - begin < size) {
      expected.is_truncated = true;
      break;
    }
    expected.messages.push_back({stream.substr(begin, size), begin + size});
    begin += size;
  }
  return expected;
}

/// A number of so many bytes, big endian.
std::uint64_t number_at(std::string_view stream, std::size_t begin, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t index = 0; index < size; ++index)
    number = number << 8U | static_cast<unsigned char>(stream[begin + index]);
  return number;
}

expectation expect_numbered(std::string_view stream, std::size_t size_max) {
  expectation expected;
  const auto fails = [&](error_code why, std::size_t at) {
    expected.failure = why;
    expected.failure_at = at;
    return expected;
  };
  for (std::size_t begin = 0; begin < stream.size();) {
    const auto left = stream.size() - begin;
    const auto length = left < 4 ? 0 : number_at(stream, begin, 4);
    if (left >= 4 && length < 9)
      return fails(error_code::malformed, begin + 4);
    if (left >= 4 && length - 9 > size_max)
      return fails(error_code::frame_too_large, begin + 4);
    const auto kind = left < 5 ? 0 : number_at(stream, begin + 4, 1);
    if (kind > 3 || (kind == 3 && length == 9))
      return fails(error_code::malformed, begin + 5);
    if (left < 4 || left - 4 < length) {
      expected.is_truncated = true;
      break;
    }
    const auto number = number_at(stream, begin + 5, 8);
    const auto end = begin + 4 + length;
    if ((number == 0) != (kind == 0))
      return fails(error_code::malformed, end);
    expected.messages.push_back({stream.substr(begin + 13, length - 9), end, {static_cast<frame_kind>(kind), number}});
    begin = end;
  }
  return expected;
}

expectation expect_lines(std::string_view stream, std::size_t size_max) {
  expectation expected;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < stream.size(); ++at) {
    const auto is_end = stream[at] == '\n';
    auto line = stream.substr(begin, at - begin + (is_end ? 0 : 1));
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    if (line.size() > size_max) {
      expected.failure_at = at + 1;
      return expected;
    }
    if (is_end) {
      begin = at + 1;
      expected.messages.push_back({line, begin});
    }
  }
  expected.is_truncated = begin < stream.size();
  return expected;
}

// -- the decoder, held against it -----------------------------------------------------

class comparison {
public:
  explicit comparison(const plan& wanted) : plan_(wanted), decoder_(wanted.config), expected_(expect(wanted)) {}

  void run() {
    for (std::size_t index = 0; fed_ < plan_.stream.size(); ++index) {
      const auto& next = plan_.cuts[index % plan_.cuts.size()];
      feed(next.size);
      if (next.drains)
        drain();
    }
    drain();
    finish();
  }

private:
  static expectation expect(const plan& wanted) {
    const auto size_max = wanted.config.max_frame_size;
    switch (wanted.config.mode) {
      case framing_mode::line:
        return expect_lines(wanted.stream, size_max);
      case framing_mode::numbered:
        return expect_numbered(wanted.stream, size_max);
      case framing_mode::none:
      case framing_mode::length_prefixed:
        break;
    }
    return expect_length_prefixed(wanted.stream, size_max);
  }

  void feed(std::size_t size) {
    // Memory of its own, so that reading past the end of the piece is seen.
    const auto piece = plan_.stream.substr(fed_, size);
    decoder_.feed(payload::copy_of(piece));
    fed_ += piece.size();
    largest_piece_ = std::max(largest_piece_, piece.size());
  }

  void drain() {
    for (;;) {
      // Asking for the kind changes nothing but that the decoder has looked at the length.
      if (plan_.cuts.size() % 2 == 0)
        check_kind_told(decoder_.next_kind());
      frame_label label;
      const auto next = decoder_.next(label);
      if (!next) {
        check_failure(next.error().code);
        return;
      }
      if (!*next)
        break;
      check_message(**next, label);
    }
    check(expected_.failure_at > fed_, "a message that is not to be taken is refused as soon as it shows");
    check(decoded_ == expected_.messages.size() || expected_.messages[decoded_].end > fed_,
          "a message comes out as soon as its last byte is there");
    check(decoder_.unread_size() == 0, "a decoder that runs dry has looked at everything");
    check(decoder_.has_partial() == (pending() > 0), "a message has begun exactly when bytes of it are there");
    check_memory();
  }

  void check_kind_told(std::optional<frame_kind> told) const {
    if (!told || decoded_ >= expected_.messages.size() || expected_.messages[decoded_].end > fed_)
      return;
    check(*told == expected_.messages[decoded_].label.kind, "the kind that is told is that of the next message");
  }

  void check_message(const payload& seen, const frame_label& label) {
    check(decoded_ < expected_.messages.size(), "no message comes out that is not in the stream");
    const auto& wanted = expected_.messages[decoded_];
    check(wanted.end <= fed_, "no message comes out before its last byte");
    check(seen.text() == wanted.content, "a message comes out unchanged and in its turn");
    check(label == wanted.label, "a message comes out with its label");
    check(seen.size() <= plan_.config.max_frame_size, "no message is larger than max_frame_size");
    check(seen.memory() == nullptr || seen.memory()->capacity <= std::max(largest_piece_, seen.size() + floor_size),
          "a message keeps no more memory than the piece that it came in, or a little more than itself");
    ++decoded_;
  }

  /// Nothing is kept for a message but what has arrived of it, or as much again for what may follow.
  void check_memory() const {
    const auto held = decoder_.assembly_capacity();
    const auto beside = plan_.config.mode == framing_mode::line     ? 1U
                      : plan_.config.mode == framing_mode::numbered ? frame_label::wire_size
                                                                    : 0U;
    check(held <= plan_.config.max_frame_size + beside, "memory stays within max_frame_size");
    check(held <= std::max(floor_size, pending() * 2), "memory follows what arrived, not what was announced");
    check(pending() > 0 || held == 0, "between messages a decoder holds nothing");
  }

  void check_failure(error_code seen) {
    check(seen == expected_.failure, "a stream fails by what is wrong with it");
    check(expected_.failure_at <= fed_, "no message is refused before it shows that it is not to be taken");
    check(decoded_ == expected_.messages.size(), "what comes before a message that is not taken comes out");
    check(decoder_.unread_size() == 0 && decoder_.assembly_capacity() == 0, "a decoder that failed holds nothing");
  }

  void finish() {
    const auto finished = decoder_.finish();
    if (expected_.failure_at != never)
      check(!finished && finished.error().code == expected_.failure, "a failure is for ever");
    else if (expected_.is_truncated)
      check(!finished && finished.error().code == error_code::truncated_frame, "an end inside a message is told");
    else
      check(finished.has_value(), "an end between messages is none to complain about");
    check(decoded_ == expected_.messages.size(), "every message comes out");
    if (finished)
      return;
    decoder_.feed(payload::copy_of("\n"));
    const auto again = decoder_.next();
    check(!again && again.error().code == finished.error().code, "a decoder that failed takes nothing more");
    check(decoder_.unread_size() == 0, "a decoder that failed drops what it is fed");
  }

  /// Bytes of the message that has begun.
  [[nodiscard]] std::size_t pending() const noexcept {
    return fed_ - (decoded_ > 0 ? expected_.messages[decoded_ - 1].end : 0);
  }

  /// What a message in parts costs at least.
  static constexpr std::size_t floor_size = 1'024;

  const plan& plan_;
  frame_decoder decoder_;
  expectation expected_;
  std::size_t fed_ = 0;
  std::size_t largest_piece_ = 0;
  std::size_t decoded_ = 0;
};

/// Without framing the bytes pass as they were fed, only empty pieces vanish.
void run_unframed(const plan& wanted) {
  frame_decoder decoder{wanted.config};
  std::size_t fed = 0;
  std::size_t passed = 0;
  const auto drain = [&] {
    for (auto next = decoder.next();; next = decoder.next()) {
      check(next.has_value(), "without framing nothing fails");
      if (!*next)
        break;
      const auto seen = (*next)->text();
      check(!seen.empty() && wanted.stream.substr(passed, seen.size()) == seen, "bytes pass unchanged and in order");
      passed += seen.size();
    }
    check(passed == fed && decoder.unread_size() == 0, "everything that was fed passes");
    check(!decoder.has_partial() && decoder.assembly_capacity() == 0, "without framing nothing is kept");
  };
  for (std::size_t index = 0; fed < wanted.stream.size(); ++index) {
    const auto& next = wanted.cuts[index % wanted.cuts.size()];
    const auto piece = wanted.stream.substr(fed, next.size);
    decoder.feed(payload::copy_of(piece));
    fed += piece.size();
    if (next.drains)
      drain();
  }
  drain();
  check(decoder.finish().has_value(), "without framing every end is a good one");
}

} // namespace

void run(std::span<const std::byte> input) {
  const auto wanted = plan_of(input);
  if (wanted.config.mode == framing_mode::none)
    run_unframed(wanted);
  else
    comparison{wanted}.run();
}

} // namespace actorwire::fuzz
