#include "frame_vectors.hpp"
#include "hex.hpp"
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
using actorwire::test::bytes_of_hex;
using actorwire::test::frame_vectors;
using actorwire::test::malformed_vectors;

namespace {

framing_config config_of(std::size_t frame_size_max = 1U << 20U) {
  framing_config config;
  config.mode = framing_mode::numbered;
  config.max_frame_size = frame_size_max;
  return config;
}

struct labelled {
  frame_label label;
  std::string body;

  friend bool operator==(const labelled&, const labelled&) = default;
};

struct reading {
  std::vector<labelled> frames;
  std::optional<transport_error> failure;
};

void drain(frame_decoder& decoder, reading& out) {
  while (!out.failure) {
    frame_label label;
    const auto next = decoder.next(label);
    if (!next)
      out.failure = next.error();
    else if (!*next)
      return;
    else
      out.frames.push_back({label, std::string{(*next)->text()}});
  }
}

reading decode(const framing_config& config, const std::vector<std::string_view>& pieces) {
  frame_decoder decoder{config};
  reading out;
  for (const auto piece : pieces) {
    decoder.feed(payload::copy_of(piece));
    drain(decoder, out);
  }
  if (!out.failure)
    if (const auto finished = decoder.finish(); !finished)
      out.failure = finished.error();
  return out;
}

std::string encoded(const frame_encoder& encoder, const labelled& frame) {
  const auto envelope = encoder.frame(std::as_bytes(std::span{frame.body}), frame.label);
  REQUIRE(envelope);
  REQUIRE(envelope->tail().empty());
  const auto head = envelope->head();
  return std::string{reinterpret_cast<const char*>(head.data()), head.size()} + frame.body;
}

/// Decodes `stream` cut at every pair of places, and byte by byte.
void check_all_cuts(const framing_config& config, std::string_view stream, const std::vector<labelled>& frames,
                    error_code failure) {
  const auto check = [&](const std::vector<std::string_view>& pieces) {
    const auto seen = decode(config, pieces);
    REQUIRE(seen.frames == frames);
    REQUIRE((seen.failure ? seen.failure->code : error_code::none) == failure);
  };
  for (std::size_t first = 0; first <= stream.size(); ++first)
    for (std::size_t second = first; second <= stream.size(); ++second) {
      INFO("cut at " << first << " and " << second);
      check({stream.substr(0, first), stream.substr(first, second - first), stream.substr(second)});
    }
  std::vector<std::string_view> single;
  for (std::size_t index = 0; index < stream.size(); ++index)
    single.push_back(stream.substr(index, 1));
  check(single);
}

} // namespace

TEST_CASE("numbered frames have the bytes that the documentation shows") {
  for (const auto& [label, body, hex] : frame_vectors) {
    CAPTURE(hex);
    const labelled frame{label, std::string{body}};
    const auto bytes = bytes_of_hex(hex);
    CHECK(encoded(frame_encoder{config_of()}, frame) == bytes);
    const auto seen = decode(config_of(), {bytes});
    CHECK_FALSE(seen.failure);
    CHECK(seen.frames == std::vector{frame});
  }
}

TEST_CASE("numbered frames come out the same wherever the stream is cut") {
  std::string stream;
  std::vector<labelled> frames;
  for (const auto& [label, body, hex] : frame_vectors) {
    stream += bytes_of_hex(hex);
    frames.push_back({label, std::string{body}});
  }
  check_all_cuts(config_of(), stream, frames, error_code::none);
}

TEST_CASE("what no numbered frame may be ends the stream wherever it is cut, and is named") {
  const labelled good{{frame_kind::call, 9}, "good"};
  for (const auto& [hex, text] : malformed_vectors) {
    CAPTURE(hex);
    const auto stream = encoded(frame_encoder{config_of()}, good) + bytes_of_hex(hex);
    check_all_cuts(config_of(), stream, {good}, error_code::malformed);
    const auto seen = decode(config_of(), {stream});
    CHECK(seen.failure->text == text);
    CHECK(seen.failure->kind == error_kind::protocol);
    CHECK(seen.failure->who == origin::remote);
  }
  for (unsigned kind = 4; kind < 256; ++kind) {
    const std::string head{"\0\0\0\x09", 4};
    const auto seen = decode(config_of(), {head + static_cast<char>(kind)});
    REQUIRE(seen.failure);
    CHECK(seen.failure->code == error_code::malformed);
    CHECK(seen.failure->text.starts_with("frame of kind " + std::to_string(kind)));
  }
}

TEST_CASE("a numbered message at the limit passes, and one byte more fails before it is stored") {
  const frame_encoder unlimited{config_of()};
  const labelled fits{{frame_kind::answer, 1}, "12345"};
  const auto stream = encoded(unlimited, fits) + encoded(unlimited, {{frame_kind::call, 2}, "123456"});
  check_all_cuts(config_of(5), stream, {fits}, error_code::frame_too_large);

  frame_decoder decoder{config_of(1'000)};
  decoder.feed(payload::copy_of("\xff\xff\xff\xff some of it"));
  const auto refused = decoder.next();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text == "frame of 4294967286 bytes is larger than max_frame_size = 1000");
  CHECK(decoder.assembly_capacity() == 0);

  const frame_encoder limited{config_of(5)};
  CHECK(limited.frame(std::as_bytes(std::span{"12345", 5}), {frame_kind::call, 1}));
  CHECK(limited.frame(std::as_bytes(std::span{"123456", 6})).error().code == error_code::message_too_large);
}

TEST_CASE("a numbered stream that ends inside a frame is truncated at every byte of it") {
  const auto stream = encoded(frame_encoder{config_of()}, {{frame_kind::call, 5}, "body"});
  for (std::size_t size = 1; size < stream.size(); ++size) {
    const auto seen = decode(config_of(), {std::string_view{stream}.substr(0, size)});
    REQUIRE(seen.failure);
    CHECK(seen.failure->code == error_code::truncated_frame);
  }
}

TEST_CASE("the kind of the next message is known with its fifth byte, and the message stays") {
  const auto stream = encoded(frame_encoder{config_of()}, {{frame_kind::answer, 5}, "body"});
  frame_decoder decoder{config_of()};
  CHECK_FALSE(decoder.next_kind());
  for (std::size_t index = 0; index < stream.size(); ++index) {
    decoder.feed(payload::copy_of(std::string_view{stream}.substr(index, 1)));
    CHECK(decoder.next_kind() == (index < 4 ? std::nullopt : std::optional{frame_kind::answer}));
    CHECK(decoder.has_partial());
  }
  frame_label label;
  const auto whole = decoder.next(label);
  REQUIRE((whole && *whole));
  CHECK((*whole)->text() == "body");
  CHECK(label == frame_label{frame_kind::answer, 5});
  CHECK_FALSE(decoder.next_kind());

  // Part of one that has begun to be put together.
  decoder.feed(payload::copy_of(std::string_view{stream}.substr(0, 8)));
  REQUIRE(decoder.next());
  CHECK(decoder.next_kind() == frame_kind::answer);

  // What follows a length that is too short for a kind is none.
  for (const char size : {'\0', '\1', '\x08'}) {
    for (const std::string_view behind : {"", "\x02", "\x02 and more"}) {
      frame_decoder short_of_one{config_of()};
      short_of_one.feed(payload::copy_of(std::string(3, '\0') + size + std::string{behind}));
      REQUIRE(short_of_one.next_kind());
      CHECK(*short_of_one.next_kind() > frame_kind::goodbye);
      CHECK(short_of_one.next().error().code == error_code::malformed);
      CHECK_FALSE(short_of_one.next_kind());
    }
  }

  framing_config lines;
  lines.mode = framing_mode::line;
  CHECK(frame_decoder{lines}.next_kind() == frame_kind::data);
}

TEST_CASE("a numbered message within one payload is a slice of it") {
  const frame_encoder encoder{config_of()};
  const auto bytes = payload::copy_of(encoded(encoder, {{frame_kind::data, 0}, "one"})
                                      + encoded(encoder, {{frame_kind::call, 1}, "two"}));
  frame_decoder decoder{config_of()};
  decoder.feed(bytes);
  for (const std::string_view text : {"one", "two"}) {
    const auto frame = decoder.next();
    REQUIRE((frame && *frame));
    CHECK((*frame)->text() == text);
    CHECK((*frame)->memory() == bytes.memory());
  }
  CHECK(decoder.assembly_capacity() == 0);
}

TEST_CASE("random numbered frames in random pieces come out as they went in") {
  test::test_seed seed;
  auto random = seed.engine();
  for (int round = 0; round < 500; ++round) {
    const frame_encoder encoder{config_of(3'000)};
    std::string stream;
    std::vector<labelled> frames;
    for (auto count = random() % 12; count > 0; --count) {
      labelled next;
      next.label.kind = static_cast<frame_kind>(random() % 4);
      if (next.label.kind != frame_kind::data)
        next.label.number = std::max<std::uint64_t>(random() >> (random() % 64), 1);
      next.body.resize(next.label.kind == frame_kind::refusal ? 1 + random() % 3'000 : random() % 3'001);
      for (auto& each : next.body)
        each = static_cast<char>(random());
      stream += encoded(encoder, next);
      frames.push_back(std::move(next));
    }
    const auto whole = payload::copy_of(stream);
    frame_decoder decoder{config_of(3'000)};
    reading seen;
    const auto longest = 1 + random() % 4'000;
    for (std::uint32_t offset = 0; offset < whole.size();) {
      const auto size = std::min(static_cast<std::uint32_t>(1 + random() % longest), whole.size() - offset);
      decoder.feed(whole.slice(offset, size));
      offset += size;
      if (random() % 3 == 0)
        static_cast<void>(decoder.next_kind());
      if (random() % 3 != 0)
        drain(decoder, seen);
    }
    drain(decoder, seen);
    REQUIRE_FALSE(seen.failure);
    REQUIRE(decoder.finish());
    REQUIRE(seen.frames == frames);
  }
}

TEST_CASE("a session has frames of its own, no calls, and data with numbers") {
  const frame_encoder encoder{config_of()};
  std::vector<labelled> frames;
  for (const auto kind :
       {frame_kind::hello, frame_kind::welcome, frame_kind::data, frame_kind::acknowledge, frame_kind::goodbye})
    frames.push_back({{kind, kind == frame_kind::data ? 7U : 0U}, std::string(session_message_max, 'x')});
  frame_decoder decoder{config_of(), session_mode::on};
  reading out;
  for (const auto& each : frames) {
    decoder.feed(payload::copy_of(encoded(encoder, each)));
    drain(decoder, out);
  }
  CHECK_FALSE(out.failure);
  CHECK(out.frames == frames);
  const auto refusal = [&](const labelled& frame) {
    frame_decoder another{config_of(), session_mode::on};
    reading seen;
    another.feed(payload::copy_of(encoded(encoder, frame)));
    drain(another, seen);
    CHECK(seen.frames.empty());
    REQUIRE(seen.failure);
    CHECK(seen.failure->code == error_code::malformed);
    return seen.failure->text;
  };
  CHECK(refusal({{frame_kind::call, 1}, "x"}) == "frame of kind 1 (call): a session has none");
  CHECK(refusal({{frame_kind::data, 0}, "x"}) == "data with number 0: a session numbers it from 1");
  CHECK(refusal({{frame_kind::hello, 0}, std::string(session_message_max + 1, 'x')})
        == "frame of kind 4 (hello) of 65 bytes: at most 64");
}

TEST_CASE("only numbered framing carries calls") {
  for (const auto mode : {framing_mode::none, framing_mode::length_prefixed, framing_mode::line}) {
    framing_config config;
    config.mode = mode;
    const frame_encoder encoder{config};
    CHECK(encoder.frame({}));
    const auto refused = encoder.frame({}, {frame_kind::call, 1});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::unsupported);
  }
}
