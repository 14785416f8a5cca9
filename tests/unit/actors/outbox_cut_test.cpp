#include "outbox_fixture.hpp"

#include <actorwire/transports/frame_decoder.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

/// What a peer makes of the bytes of one connection.
std::vector<std::string> frames_in(std::string_view bytes, framing_mode mode) {
  frame_decoder decoder{framing_config{.mode = mode}};
  decoder.feed(payload::copy_of(bytes));
  std::vector<std::string> frames;
  for (;;) {
    auto frame = decoder.next();
    REQUIRE(frame);
    if (!*frame)
      return frames;
    frames.emplace_back((*frame)->text());
  }
}

constexpr std::array<std::string_view, 3> cut_messages{"abc", "d", "ef"};

/// Three messages, `acked_choice` saying bit by bit which want to be acked, on a connection that takes `cut` bytes of
/// them in two goes and acknowledges `acked` of those before it is lost. The next connection takes everything.
void check_cut(framing_mode mode, unsigned acked_choice, std::size_t first_go, std::size_t cut, std::size_t acked) {
  CAPTURE(mode, acked_choice, first_go, cut, acked);
  outbox_fixture f{mode};
  f.ready();
  std::string wire;
  std::vector<std::string> whole;
  std::vector<std::string> left;
  expected by_writing;
  expected by_acking;
  expected by_loss;
  expected afterwards_written;
  expected afterwards_acked;
  for (std::size_t index = 0; index < cut_messages.size(); ++index) {
    const auto is_acked = (acked_choice >> index & 1U) != 0;
    const auto sequence = f.must_accept(cut_messages[index], is_acked ? want_acked : send_options{});
    const auto id = static_cast<int>(sequence);
    const auto begin = wire.size();
    wire += wire_of(cut_messages[index], mode);
    const auto end = wire.size();
    if (end <= cut)
      whole.emplace_back(cut_messages[index]);
    if (begin >= cut)
      left.emplace_back(cut_messages[index]);

    if (begin >= cut)
      (is_acked ? afterwards_acked : afterwards_written)
          .push_back({id, sequence, is_acked ? outcome::acked : outcome::written, error_code::none});
    else if (end > cut || (is_acked && end > acked))
      by_loss.push_back({id, sequence, outcome::maybe_sent, error_code::reset});
    else if (is_acked)
      by_acking.push_back({id, sequence, outcome::acked, error_code::none});
    else
      by_writing.push_back({id, sequence, outcome::written, error_code::none});
  }

  auto first_bytes = f.take(first_go);
  first_bytes += f.take(cut - first_go);
  REQUIRE(first_bytes == wire.substr(0, cut));
  REQUIRE(f.told.take() == by_writing);
  f.box.acknowledged(acked, f.told);
  REQUIRE(f.told.take() == by_acking);
  const auto lost = f.lose();
  REQUIRE(f.told.take() == by_loss);
  REQUIRE(lost.maybe_sent.messages == by_loss.size());
  REQUIRE(lost.not_sent == tally{});
  REQUIRE(adds_up(f.box.totals()));

  f.ready();
  const auto second_bytes = f.take_all();
  REQUIRE(f.told.take() == afterwards_written);
  f.box.acknowledged(second_bytes.size(), f.told);
  REQUIRE(f.told.take() == afterwards_acked);
  REQUIRE(f.box.pending() == tally{});
  REQUIRE(adds_up(f.box.totals()));

  if (mode == framing_mode::none) {
    std::string survivors;
    for (const auto& text : left)
      survivors += text;
    REQUIRE(second_bytes == survivors);
  } else {
    REQUIRE(frames_in(first_bytes, mode) == whole);
    REQUIRE(frames_in(second_bytes, mode) == left);
  }
}

} // namespace

TEST_CASE("wherever a connection is cut, the peer sees whole messages once and in order", "[outbox][D2][D3][D4][D5]") {
  for (const auto mode : all_framings) {
    std::size_t wire_size = 0;
    for (const auto text : cut_messages)
      wire_size += wire_of(text, mode).size();
    for (unsigned acked_choice = 0; acked_choice < 8; ++acked_choice)
      for (std::size_t cut = 0; cut <= wire_size; ++cut) {
        for (std::size_t first_go = 0; first_go <= cut; ++first_go)
          check_cut(mode, acked_choice, first_go, cut, cut / 2);
        for (std::size_t acked = 0; acked <= cut; ++acked)
          check_cut(mode, acked_choice, 0, cut, acked);
      }
  }
}
