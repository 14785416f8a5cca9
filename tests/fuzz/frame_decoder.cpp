// Whatever a peer sends and however the network cuts it: the decoder finds the messages that the format says, each as soon
// as its last byte is there, and holds no more memory than its limit and what has arrived allow.
//
// An input is
//   1 byte   framing mode: none, length_prefixed, line
//   2 bytes  max_frame_size - 1
//   1 byte   n, how many cuts follow (modulo 16)
//   n bytes  cuts, used in turn until the stream ends: see `cut`
//   the rest the stream

#include "target.hpp"

#include <actorwire/transports/frame_decoder.hpp>

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
  constexpr std::array modes{framing_mode::none, framing_mode::length_prefixed, framing_mode::line};
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
};

struct expectation {
  std::vector<message> messages;
  /// How much of the stream shows that a message is too large.
  std::size_t too_large_at = never;
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
      expected.too_large_at = begin;
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

expectation expect_lines(std::string_view stream, std::size_t size_max) {
  expectation expected;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < stream.size(); ++at) {
    const auto is_end = stream[at] == '\n';
    auto line = stream.substr(begin, at - begin + (is_end ? 0 : 1));
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    if (line.size() > size_max) {
      expected.too_large_at = at + 1;
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
  explicit comparison(const plan& wanted)
    : plan_(wanted),
      decoder_(wanted.config),
      expected_(wanted.config.mode == framing_mode::line
                    ? expect_lines(wanted.stream, wanted.config.max_frame_size)
                    : expect_length_prefixed(wanted.stream, wanted.config.max_frame_size)) {}

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
  void feed(std::size_t size) {
    // Memory of its own, so that reading past the end of the piece is seen.
    const auto piece = plan_.stream.substr(fed_, size);
    decoder_.feed(payload::copy_of(piece));
    fed_ += piece.size();
    largest_piece_ = std::max(largest_piece_, piece.size());
  }

  void drain() {
    for (;;) {
      const auto next = decoder_.next();
      if (!next) {
        check_failure(next.error().code);
        return;
      }
      if (!*next)
        break;
      check_message(**next);
    }
    check(expected_.too_large_at > fed_, "a message that is too large is refused as soon as it shows");
    check(decoded_ == expected_.messages.size() || expected_.messages[decoded_].end > fed_,
          "a message comes out as soon as its last byte is there");
    check(decoder_.unread_size() == 0, "a decoder that runs dry has looked at everything");
    check(decoder_.has_partial() == (pending() > 0), "a message has begun exactly when bytes of it are there");
    check_memory();
  }

  void check_message(const payload& seen) {
    check(decoded_ < expected_.messages.size(), "no message comes out that is not in the stream");
    const auto& wanted = expected_.messages[decoded_];
    check(wanted.end <= fed_, "no message comes out before its last byte");
    check(seen.text() == wanted.content, "a message comes out unchanged and in its turn");
    check(seen.size() <= plan_.config.max_frame_size, "no message is larger than max_frame_size");
    check(seen.memory() == nullptr || seen.memory()->capacity <= std::max(largest_piece_, seen.size() + floor_size),
          "a message keeps no more memory than the piece that it came in, or a little more than itself");
    ++decoded_;
  }

  /// Nothing is kept for a message but what has arrived of it, or as much again for what may follow.
  void check_memory() const {
    const auto held = decoder_.assembly_capacity();
    const auto line_end = plan_.config.mode == framing_mode::line ? 1U : 0U;
    check(held <= plan_.config.max_frame_size + line_end, "memory stays within max_frame_size");
    check(held <= std::max(floor_size, pending() * 2), "memory follows what arrived, not what was announced");
    check(pending() > 0 || held == 0, "between messages a decoder holds nothing");
  }

  void check_failure(error_code seen) {
    check(seen == error_code::frame_too_large, "a stream fails only by a message that is too large");
    check(expected_.too_large_at <= fed_, "no message is refused that is not too large");
    check(decoded_ == expected_.messages.size(), "what comes before a message that is too large comes out");
    check(decoder_.unread_size() == 0 && decoder_.assembly_capacity() == 0, "a decoder that failed holds nothing");
  }

  void finish() {
    const auto finished = decoder_.finish();
    if (expected_.too_large_at != never)
      check(!finished && finished.error().code == error_code::frame_too_large, "a failure is for ever");
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
