#include "protocol.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <string>

using namespace transfer;

namespace {

offer some_offer(std::string name = "data.bin") {
  offer made;
  std::ranges::fill(made.content, std::byte{0xab});
  made.shape = {1'000'000, 256U << 10U};
  made.name = std::move(name);
  return made;
}

std::string error_of(const actorwire::payload& frame) {
  const auto read = decode(frame);
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == actorwire::error_code::malformed);
  return read.error().text;
}

template <class T>
T decoded(const actorwire::payload& frame) {
  auto read = decode(frame);
  REQUIRE(read.has_value());
  REQUIRE(std::holds_alternative<T>(*read));
  return std::get<T>(std::move(*read));
}

} // namespace

TEST_CASE("every message is read back as it was written") {
  CHECK(decoded<offer>(encode(some_offer())) == some_offer());
  CHECK(decoded<acknowledgement>(encode(acknowledgement{0x01020304})).index == 0x01020304);
  decoded<finish>(encode(finish{}));
  CHECK(decoded<finished>(encode(finished{some_offer().content})).content == some_offer().content);
  CHECK(decoded<refusal>(encode(refusal{"no room"})).reason == "no room");

  chunk_set present{11};
  present.insert(0);
  present.insert(10);
  const auto read = decoded<inventory>(encode(present));
  const chunk_set again{read.chunk_count, read.bitmap.bytes()};
  CHECK(again.size() == 2);
  CHECK(again.contains(10));

  const auto piece = decoded<chunk>(encode_chunk(7, 3, [](auto space) { std::ranges::fill(space, std::byte{'x'}); }));
  CHECK(piece.index == 7);
  CHECK(piece.bytes.text() == "xxx");
}

TEST_CASE("a message that is cut short or too long is refused") {
  const auto whole = encode(finished{some_offer().content});
  for (std::uint32_t size = 0; size < whole.size(); ++size)
    error_of(whole.slice(0, size));
  error_of(actorwire::payload::copy_of(std::string{whole.text()} + "!"));
  error_of(encode(some_offer()).slice(0, 44));
  error_of(actorwire::payload::copy_of(std::string_view{"\x03\x00\x00\x00", 4}));
}

TEST_CASE("an unknown kind of message is refused") {
  error_of(actorwire::payload{});
  error_of(actorwire::payload::copy_of(std::string_view{"\x00", 1}));
  error_of(actorwire::payload::copy_of("HTTP/1.1 400 Bad Request"));
}

TEST_CASE("a name that leads out of the folder is refused") {
  for (const auto* name : {"", ".", "..", "../passwd", "/etc/passwd", "a/b", "bell\a", "x.part", "x.part.state"}) {
    INFO(name);
    error_of(encode(some_offer(name)));
  }
  error_of(encode(some_offer(std::string(name_size_max + 1, 'x'))));
  error_of(encode(some_offer(std::string{"null\0byte", 9})));
  CHECK(decode(encode(some_offer(std::string(name_size_max, 'x')))).has_value());
}

TEST_CASE("an offer that would need boundless memory is refused") {
  auto wanted = some_offer();
  for (const auto size : {0U, chunk_size_min - 1, chunk_size_max + 1}) {
    wanted.shape.chunk_size = size == 0 ? 1 : size;
    error_of(encode(wanted));
  }
  wanted.shape = {chunk_count_max * chunk_size_min, chunk_size_min};
  CHECK(decode(encode(wanted)).has_value());
  ++wanted.shape.size;
  error_of(encode(wanted));
}

TEST_CASE("an inventory must fit its number of chunks") {
  const auto frame_of = [](std::string_view count, std::string_view bitmap) {
    return actorwire::payload::copy_of("\x02" + std::string{count} + std::string{bitmap});
  };
  CHECK(decode(frame_of({"\0\0\0\x09", 4}, "\xff\x01")).has_value());
  error_of(frame_of({"\0\0\0\x09", 4}, "\xff\x02")); // a tenth chunk
  error_of(frame_of({"\0\0\0\x09", 4}, "\xff"));
  error_of(frame_of({"\0\0\0\x09", 4}, {"\xff\x01\x00", 3}));
  error_of(frame_of("\xff\xff\xff\xff", ""));
}

TEST_CASE("the longest messages fit into a frame") {
  const auto limit = wire_settings().framing.max_frame_size;
  CHECK(validate(wire_settings()).has_value());
  CHECK(encode(chunk_set{static_cast<std::uint32_t>(chunk_count_max)}).size() <= limit);
  CHECK(encode_chunk(0, chunk_size_max, [](auto) {}).size() <= limit);
}
