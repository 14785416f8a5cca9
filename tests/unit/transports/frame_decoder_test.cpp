#include "prefixed.hpp"
#include "seed.hpp"

#include <actorwire/transports/frame_decoder.hpp>
#include <actorwire/transports/frame_encoder.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace actorwire;
using actorwire::test::prefixed;

namespace {

framing_config config_of(framing_mode mode, std::size_t frame_size_max = 1U << 20U) {
  framing_config config;
  config.mode = mode;
  config.max_frame_size = frame_size_max;
  return config;
}

/// What came out of a stream: its messages, and why it ended if it did not end well.
struct reading {
  std::vector<std::string> messages;
  std::optional<error_code> failure;

  friend bool operator==(const reading&, const reading&) = default;
};

/// The formats, told in the plainest way: over the whole stream at once.
reading model(framing_mode mode, std::size_t frame_size_max, std::string_view stream) {
  reading out;
  while (!stream.empty()) {
    if (mode == framing_mode::length_prefixed) {
      if (stream.size() < 4) {
        out.failure = error_code::truncated_frame;
        return out;
      }
      std::size_t size = 0;
      for (std::size_t index = 0; index < 4; ++index)
        size = size << 8U | static_cast<unsigned char>(stream[index]);
      if (size > frame_size_max) {
        out.failure = error_code::frame_too_large;
        return out;
      }
      if (stream.size() - 4 < size) {
        out.failure = error_code::truncated_frame;
        return out;
      }
      out.messages.emplace_back(stream.substr(4, size));
      stream.remove_prefix(4 + size);
    } else {
      const auto end = stream.find('\n');
      auto line = stream.substr(0, end);
      if (line.ends_with('\r'))
        line.remove_suffix(1);
      if (line.size() > frame_size_max) {
        out.failure = error_code::frame_too_large;
        return out;
      }
      if (end == std::string_view::npos) {
        out.failure = error_code::truncated_frame;
        return out;
      }
      out.messages.emplace_back(line);
      stream.remove_prefix(end + 1);
    }
  }
  return out;
}

void drain(frame_decoder& decoder, reading& out) {
  while (!out.failure) {
    auto frame = decoder.next();
    if (!frame) {
      out.failure = frame.error().code;
      return;
    }
    if (!*frame)
      return;
    out.messages.emplace_back((*frame)->text());
  }
}

void end(frame_decoder& decoder, reading& out) {
  const auto finished = decoder.finish();
  if (!finished)
    out.failure = finished.error().code;
}

reading decode(const framing_config& config, const std::vector<std::string_view>& pieces) {
  frame_decoder decoder{config};
  reading out;
  for (auto piece : pieces) {
    decoder.feed(payload::copy_of(piece));
    drain(decoder, out);
  }
  end(decoder, out);
  return out;
}

/// Decodes `stream` cut at every pair of places.
void check_all_cuts(const framing_config& config, std::string_view stream, const reading& expected) {
  for (std::size_t first = 0; first <= stream.size(); ++first)
    for (std::size_t second = first; second <= stream.size(); ++second) {
      const auto seen =
          decode(config, {stream.substr(0, first), stream.substr(first, second - first), stream.substr(second)});
      if (seen != expected)
        FAIL("cut at " << first << " and " << second);
    }
  std::vector<std::string_view> single;
  for (std::size_t index = 0; index < stream.size(); ++index)
    single.push_back(stream.substr(index, 1));
  CHECK(decode(config, single) == expected);
}

std::string random_text(std::mt19937_64& random, std::size_t size, std::string_view alphabet) {
  std::string text(size, '\0');
  for (auto& each : text)
    each = alphabet[random() % alphabet.size()];
  return text;
}

std::string encoded(const frame_encoder& encoder, std::string_view message) {
  const auto envelope = encoder.frame(std::as_bytes(std::span{message}));
  REQUIRE(envelope);
  const auto text_of = [](std::span<const std::byte> bytes) {
    return std::string_view{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  };
  return std::string{text_of(envelope->head())}.append(message).append(text_of(envelope->tail()));
}

} // namespace

TEST_CASE("length-prefixed messages come out the same wherever the stream is cut") {
  const auto stream = prefixed("first") + prefixed("") + prefixed("x") + prefixed("") + prefixed("last one");
  const reading expected{{"first", "", "x", "", "last one"}, std::nullopt};
  REQUIRE(model(framing_mode::length_prefixed, 100, stream) == expected);
  check_all_cuts(config_of(framing_mode::length_prefixed, 100), stream, expected);
}

TEST_CASE("lines come out the same wherever the stream is cut") {
  const std::string_view stream = "first\r\n\nx\r\r\n\r\nlast\rone\n";
  const reading expected{{"first", "", "x\r", "", "last\rone"}, std::nullopt};
  REQUIRE(model(framing_mode::line, 100, stream) == expected);
  check_all_cuts(config_of(framing_mode::line, 100), stream, expected);
}

TEST_CASE("a message at the limit passes and one byte more fails wherever the stream is cut") {
  SECTION("length-prefixed") {
    check_all_cuts(config_of(framing_mode::length_prefixed, 5), prefixed("12345") + prefixed("123456"),
                   {{"12345"}, error_code::frame_too_large});
  }
  SECTION("a line that ends in LF") {
    check_all_cuts(config_of(framing_mode::line, 5), "12345\n123456\n", {{"12345"}, error_code::frame_too_large});
  }
  SECTION("a line that ends in CR LF") {
    check_all_cuts(config_of(framing_mode::line, 5), "12345\r\n123456\r\n", {{"12345"}, error_code::frame_too_large});
  }
  SECTION("a line whose last byte within the limit is a CR that belongs to it") {
    check_all_cuts(config_of(framing_mode::line, 5), "1234\r\r\n12345\r6\n", {{"1234\r"}, error_code::frame_too_large});
  }
}

TEST_CASE("a stream that ends inside a message is truncated at every byte of it") {
  for (const auto& [mode, stream] : {std::pair{framing_mode::length_prefixed, prefixed("one") + prefixed("second")},
                                     std::pair{framing_mode::line, std::string{"one\r\nsecond\r\n"}}})
    for (std::size_t size = 0; size <= stream.size(); ++size) {
      const auto part = std::string_view{stream}.substr(0, size);
      INFO(name_of(mode) << ", " << size << " bytes");
      CHECK(decode(config_of(mode), {part}) == model(mode, 1U << 20U, part));
    }
}

TEST_CASE("bytes pass through unchanged without framing") {
  frame_decoder decoder{config_of(framing_mode::none)};
  const auto bytes = payload::copy_of("any\nthing");
  decoder.feed(bytes);
  decoder.feed(payload{});
  decoder.feed(payload::copy_of("more"));
  auto first = decoder.next();
  REQUIRE((first && *first));
  CHECK((*first)->data() == bytes.data());
  CHECK((*first)->size() == bytes.size());
  auto second = decoder.next();
  REQUIRE((second && *second));
  CHECK((*second)->text() == "more");
  auto third = decoder.next();
  REQUIRE(third);
  CHECK(!*third);
  CHECK(!decoder.has_partial());
  CHECK(decoder.finish());
}

TEST_CASE("random streams in random pieces decode as the model says") {
  test::test_seed seed;
  auto random = seed.engine();
  for (int round = 0; round < 2'000; ++round) {
    const auto mode = round % 2 == 0 ? framing_mode::length_prefixed : framing_mode::line;
    const std::size_t limit = 1 + random() % 3'000;
    std::string stream;
    const auto count = random() % 12;
    for (std::size_t index = 0; index < count; ++index) {
      // Now and then a message is too large, which ends the stream for both.
      auto message = random_text(random, random() % (limit + (random() % 8 == 0 ? 3 : 1)), "ab\r");
      if (mode == framing_mode::length_prefixed)
        stream += prefixed(message);
      else
        stream += message + (random() % 2 == 0 ? "\n" : "\r\n");
    }
    if (random() % 4 == 0 && !stream.empty())
      stream.resize(stream.size() - random() % std::min<std::size_t>(stream.size(), 50));

    const auto whole = payload::copy_of(stream);
    frame_decoder decoder{config_of(mode, limit)};
    reading seen;
    std::uint32_t offset = 0;
    const auto longest = 1 + random() % 4'000;
    while (offset < whole.size()) {
      const auto size = std::min(static_cast<std::uint32_t>(1 + random() % longest), whole.size() - offset);
      decoder.feed(whole.slice(offset, size));
      offset += size;
      // Several payloads may be fed before anything is taken, and not all that could be taken has to be.
      if (random() % 3 != 0)
        drain(decoder, seen);
    }
    drain(decoder, seen);
    if (!seen.failure) {
      CHECK(decoder.unread_size() == 0);
      end(decoder, seen);
    }
    REQUIRE(seen == model(mode, limit, stream));
  }
}

TEST_CASE("what an encoder frames a decoder gives back") {
  test::test_seed seed;
  auto random = seed.engine();
  for (auto mode : {framing_mode::length_prefixed, framing_mode::line}) {
    const auto config = config_of(mode, 5'000);
    const frame_encoder encoder{config};
    std::string stream;
    reading expected;
    for (int count = 0; count < 500; ++count) {
      const auto alphabet = mode == framing_mode::line ? std::string_view{"abc \t"} : std::string_view{"a\n\r\0z", 5};
      expected.messages.push_back(random_text(random, random() % 5'001, alphabet));
      stream += encoded(encoder, expected.messages.back());
    }
    std::vector<std::string_view> pieces;
    for (std::string_view rest{stream}; !rest.empty();) {
      const auto size = std::min<std::size_t>(1 + random() % 20'000, rest.size());
      pieces.push_back(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    CHECK(decode(config, pieces) == expected);
  }
}

TEST_CASE("a message within one payload is a slice of it") {
  for (auto mode : {framing_mode::length_prefixed, framing_mode::line}) {
    const frame_encoder encoder{config_of(mode)};
    const auto bytes = payload::copy_of(encoded(encoder, "one") + encoded(encoder, "two"));
    frame_decoder decoder{config_of(mode)};
    decoder.feed(bytes);
    for (std::string_view text : {"one", "two"}) {
      auto frame = decoder.next();
      REQUIRE((frame && *frame));
      CHECK((*frame)->text() == text);
      CHECK((*frame)->data() >= bytes.data());
      CHECK((*frame)->data() < bytes.data() + bytes.size());
    }
    CHECK(decoder.assembly_capacity() == 0);
  }
}

TEST_CASE("memory follows what arrived and not what was announced", "[F4]") {
  constexpr std::uint32_t announced = 16U << 20U;
  frame_decoder decoder{config_of(framing_mode::length_prefixed, announced)};
  decoder.feed(payload::copy_of(prefixed(std::string(announced, 'x')).substr(0, 4)));
  auto frame = decoder.next();
  REQUIRE((frame && !*frame));
  CHECK(decoder.has_partial());
  CHECK(decoder.assembly_capacity() == 0);

  const auto piece = payload::copy_of(std::string(10'000, 'x'));
  std::size_t arrived = 0;
  while (arrived < announced) {
    const auto size =
        arrived == 0 ? 1U : std::min<std::uint32_t>(piece.size(), announced - static_cast<std::uint32_t>(arrived));
    decoder.feed(piece.slice(0, size));
    arrived += size;
    frame = decoder.next();
    REQUIRE(frame);
    REQUIRE(decoder.assembly_capacity() <= std::max<std::size_t>(2 * arrived, 1'024));
  }
  REQUIRE(*frame);
  CHECK((*frame)->size() == announced);
  CHECK(decoder.assembly_capacity() == 0);
}

TEST_CASE("a length over the limit is refused before memory is taken, naming both", "[F4]") {
  frame_decoder decoder{config_of(framing_mode::length_prefixed, 1'000)};
  decoder.feed(payload::copy_of("\xff\xff\xff\xff some of it"));
  const auto frame = decoder.next();
  REQUIRE(!frame);
  CHECK(frame.error().code == error_code::frame_too_large);
  CHECK(frame.error().kind == error_kind::receive);
  CHECK(frame.error().who == origin::remote);
  CHECK(frame.error().text.find("4294967295") != std::string::npos);
  CHECK(frame.error().text.find("1000") != std::string::npos);
  CHECK(decoder.assembly_capacity() == 0);
  CHECK(decoder.unread_size() == 0);
}

TEST_CASE("a client that speaks TLS to a plain port is recognised by its first bytes") {
  for (const std::string_view hello : {"\x16\x03\x01\x02", "\x16\x03\x03\x40"}) {
    frame_decoder decoder{config_of(framing_mode::length_prefixed)};
    decoder.feed(payload::copy_of(hello));
    const auto refused = decoder.next();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::frame_too_large);
    CHECK(refused.error().text.ends_with("it begins like TLS, so the other side may mean tls:// and not tcp://"));
  }
  frame_decoder decoder{config_of(framing_mode::length_prefixed)};
  decoder.feed(payload::copy_of("\x16\x02\x01\x02"));
  CHECK(decoder.next().error().text.find("TLS") == std::string::npos);
}

TEST_CASE("a line without an end is refused at the limit and holds no more than that", "[F4]") {
  frame_decoder decoder{config_of(framing_mode::line, 100'000)};
  const auto piece = payload::copy_of(std::string(999, 'x'));
  for (std::size_t arrived = 999; arrived <= 100'000; arrived += 999) {
    decoder.feed(piece);
    const auto line = decoder.next();
    REQUIRE((line && !*line));
    REQUIRE(decoder.assembly_capacity() <= 100'001);
  }
  decoder.feed(piece);
  const auto line = decoder.next();
  REQUIRE(!line);
  CHECK(line.error().code == error_code::frame_too_large);
  CHECK(decoder.assembly_capacity() == 0);
}

TEST_CASE("a decoder that failed stays failed and keeps nothing") {
  frame_decoder decoder{config_of(framing_mode::line, 3)};
  decoder.feed(payload::copy_of("toolong\nok\n"));
  decoder.feed(payload::copy_of("ok\n"));
  const auto first = decoder.next();
  REQUIRE(!first);
  decoder.feed(payload::copy_of("ok\n"));
  const auto second = decoder.next();
  REQUIRE(!second);
  CHECK(second.error() == first.error());
  const auto finished = decoder.finish();
  REQUIRE(!finished);
  CHECK(finished.error() == first.error());
  CHECK(decoder.unread_size() == 0);
}

TEST_CASE("a message that has begun is known from its first byte to its last") {
  for (const auto& [mode, stream] : {std::pair{framing_mode::length_prefixed, prefixed("abc")},
                                     std::pair{framing_mode::line, std::string{"abc\r\n"}}}) {
    frame_decoder decoder{config_of(mode)};
    CHECK(!decoder.has_partial());
    for (std::size_t index = 0; index < stream.size(); ++index) {
      decoder.feed(payload::copy_of(std::string_view{stream}.substr(index, 1)));
      const auto frame = decoder.next();
      REQUIRE(frame);
      const auto is_last = index + 1 == stream.size();
      CHECK(frame->has_value() == is_last);
      CHECK(decoder.has_partial() != is_last);
    }
  }
}

TEST_CASE("a long line that is kept does not keep memory that it does not need") {
  frame_decoder decoder{config_of(framing_mode::line)};
  decoder.feed(payload::copy_of(std::string(70'000, 'x')));
  auto line = decoder.next();
  REQUIRE((line && !*line));
  CHECK(decoder.assembly_capacity() > 70'000);
  decoder.feed(payload::copy_of("\n"));
  line = decoder.next();
  REQUIRE((line && *line));
  CHECK((*line)->size() == 70'000);
  CHECK(decoder.assembly_capacity() == 0);
}

TEST_CASE("an encoder refuses what the peer would not accept") {
  SECTION("a message over the limit") {
    for (auto mode : {framing_mode::length_prefixed, framing_mode::line}) {
      const frame_encoder encoder{config_of(mode, 4)};
      CHECK(encoder.frame(std::as_bytes(std::span{"1234", 4})));
      const auto refused = encoder.frame(std::as_bytes(std::span{"12345", 5}));
      REQUIRE(!refused);
      CHECK(refused.error().code == error_code::message_too_large);
      CHECK(refused.error().kind == error_kind::send);
      CHECK(refused.error().text.find("5 bytes") != std::string::npos);
      CHECK(refused.error().text.find("= 4") != std::string::npos);
    }
  }
  SECTION("a line that holds a line feed") {
    const frame_encoder encoder{config_of(framing_mode::line)};
    const auto refused = encoder.frame(std::as_bytes(std::span{"two\nlines", 9}));
    REQUIRE(!refused);
    CHECK(refused.error().code == error_code::invalid_value);
    CHECK(refused.error().text.find("offset 3") != std::string::npos);
  }
  SECTION("nothing without framing") {
    const frame_encoder encoder{config_of(framing_mode::none, 4)};
    const auto envelope = encoder.frame(std::as_bytes(std::span{"12345\n", 6}));
    REQUIRE(envelope);
    CHECK(envelope->head().empty());
    CHECK(envelope->tail().empty());
  }
}

TEST_CASE("a length prefix is four bytes, the highest first") {
  const frame_encoder encoder{config_of(framing_mode::length_prefixed)};
  const std::vector<std::byte> message(0x010203);
  const auto envelope = encoder.frame(message);
  REQUIRE(envelope);
  const std::vector<std::byte> expected{std::byte{0}, std::byte{1}, std::byte{2}, std::byte{3}};
  CHECK(std::ranges::equal(envelope->head(), expected));
  CHECK(envelope->tail().empty());
}
