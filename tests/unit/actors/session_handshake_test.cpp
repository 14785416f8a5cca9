#include "seed.hpp"
#include "session/session_handshake.hpp"

#include <actorwire/messages/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace actorwire;

namespace {

using bytes = std::vector<std::byte>;

constexpr std::string_view id_text = "000102030405060708090a0b0c0d0e0f";

/// The bytes that hexadecimal digits name, whatever blanks are between them.
bytes from_hex(std::string_view text) {
  bytes made;
  std::string digits;
  for (const auto each : text)
    if (each != ' ')
      digits += each;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2)
    made.push_back(std::byte{static_cast<std::uint8_t>(std::stoul(digits.substr(at, 2), nullptr, 16))});
  return made;
}

session_id known_id() {
  std::array<std::byte, session_id::size> made{};
  std::ranges::copy(from_hex(id_text), made.begin());
  return session_id{made};
}

template <std::size_t Size>
bytes to_vector(const std::array<std::byte, Size>& encoded) {
  return {encoded.begin(), encoded.end()};
}

const bytes first_hello = from_hex(
    "01 00 000102030405060708090a0b0c0d0e0f 0000000000000001 0000000000000000 0000000000000001 0000000000000000");
const bytes third_hello = from_hex(
    "01 01 000102030405060708090a0b0c0d0e0f 0000000000000003 0000000000000007 0000000000000100 000000000000012c");
const bytes resuming_welcome = from_hex(
    "01 01 000102030405060708090a0b0c0d0e0f 0000000000000003 0000000000000122 0000000000000008 0000000000000009");
const bytes refusing_welcome = from_hex(
    "01 02 000102030405060708090a0b0c0d0e0f 0000000000000003 0000000000000000 0000000000000001 0000000000000000");
const bytes goodbye = from_hex("01 000000000000012c");

/// `body` with one byte replaced.
bytes with(bytes body, std::size_t at, std::uint8_t value) {
  body.at(at) = std::byte{value};
  return body;
}

template <class Result>
std::string refusal(const Result& parsed) {
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == error_code::malformed);
  CHECK(parsed.error().who == origin::remote);
  return parsed.error().text;
}

/// Whatever it is: it is refused, or it is exactly what the value that was read is written as.
void hold_to_format(std::span<const std::byte> body, std::uint64_t number) {
  const bytes copy{body.begin(), body.end()};
  if (const auto parsed = parse_session_hello(number, copy))
    REQUIRE((to_vector(encode(*parsed)) == copy && number == 0));
  else
    REQUIRE(parsed.error().text.starts_with("session hello: "));
  if (const auto parsed = parse_session_welcome(number, copy))
    REQUIRE((to_vector(encode(*parsed)) == copy && number == 0));
  else
    REQUIRE(parsed.error().text.starts_with("session welcome: "));
  if (const auto parsed = parse_session_goodbye(number, copy))
    REQUIRE((to_vector(encode(*parsed)) == copy && parsed->received >= number));
  else
    REQUIRE(parsed.error().text.starts_with("session goodbye: "));
}

} // namespace

TEST_CASE("what is said in a session is written as its format says", "[D8]") {
  const session_hello third{known_id(), 3, true, {7, 256, 300}};
  const session_welcome resuming{session_answer::resumed, known_id(), 3, {290, 8, 9}};
  const session_welcome refusing{session_answer::not_known, known_id(), 3, {}};
  CHECK(to_vector(encode(session_hello{known_id(), 1, false, {}})) == first_hello);
  CHECK(to_vector(encode(third)) == third_hello);
  CHECK(to_vector(encode(resuming)) == resuming_welcome);
  CHECK(to_vector(encode(refusing)) == refusing_welcome);
  CHECK(to_vector(encode(session_goodbye{300})) == goodbye);
  CHECK(*parse_session_hello(0, first_hello) == session_hello{known_id(), 1, false, {}});
  CHECK(*parse_session_hello(0, third_hello) == third);
  CHECK(*parse_session_welcome(0, resuming_welcome) == resuming);
  CHECK(*parse_session_welcome(0, refusing_welcome) == refusing);
  CHECK(*parse_session_goodbye(300, goodbye) == session_goodbye{300});
  CHECK(*parse_session_goodbye(290, goodbye) == session_goodbye{300});
}

TEST_CASE("a hello that cannot be is refused by the name of its field", "[D8]") {
  const auto refused = [](const bytes& body) { return refusal(parse_session_hello(0, body)); };
  CHECK(refusal(parse_session_hello(1, third_hello)) == "session hello: number of the frame = 1: must be 0");
  CHECK(refused(with(third_hello, 0, 2)) == "session hello: version = 2: must be 1");
  CHECK(refused(with(third_hello, 1, 2)) == "session hello: flags = 2: must be 0 or 1");
  auto nameless = third_hello;
  std::fill_n(nameless.begin() + 2, session_id::size, std::byte{0});
  CHECK(refused(nameless) == "session hello: id = 0: must be any other");
  CHECK(refused(with(third_hello, 25, 0)) == "session hello: epoch = 0: must be 1 or more");
  CHECK(refused(with(third_hello, 40, 0)) == "session hello: replays_from = 0: must be 1 or more");
  CHECK(refused(with(third_hello, 40, 2))
        == "session hello: replays_from = 512: must be at most one beyond sent = 300");
  CHECK(refused(with(first_hello, 33, 1)) == "session hello: delivered = 1: must be 0 where no session was resumed");
  CHECK(refused(with(first_hello, 49, 1)) == "session hello: sent = 1: must be 0 where no session was resumed");
}

TEST_CASE("a welcome that cannot be is refused by the name of its field", "[D8]") {
  const auto refused = [](const bytes& body) { return refusal(parse_session_welcome(0, body)); };
  CHECK(refusal(parse_session_welcome(1, resuming_welcome)) == "session welcome: number of the frame = 1: must be 0");
  CHECK(refused(with(resuming_welcome, 0, 0)) == "session welcome: version = 0: must be 1");
  CHECK(refused(with(resuming_welcome, 1, 5)) == "session welcome: answer = 5: must be 0 .. 4");
  CHECK(refused(with(resuming_welcome, 25, 0)) == "session welcome: epoch = 0: must be 1 or more");
  CHECK(refused(with(resuming_welcome, 41, 11))
        == "session welcome: replays_from = 11: must be at most one beyond sent = 9");
  CHECK(refused(with(refusing_welcome, 33, 3))
        == "session welcome: delivered = 3: must be 0 where no session was resumed");
}

TEST_CASE("a goodbye that cannot be is refused by the name of its field", "[D8]") {
  CHECK(refusal(parse_session_goodbye(1, with(goodbye, 0, 9))) == "session goodbye: version = 9: must be 1");
  CHECK(refusal(parse_session_goodbye(301, goodbye))
        == "session goodbye: received = 300: must be not below the number of the frame, 301");
}

TEST_CASE("a body of another length is refused before anything else of it is looked at", "[D8]") {
  for (std::size_t size = 0; size <= 2 * session_hello_size; ++size) {
    // Of the right version, and wrong in all else.
    bytes body(size, std::byte{0xff});
    if (size > 0)
      body.front() = std::byte{session_version};
    const auto seen = std::to_string(size);
    if (size != session_hello_size)
      REQUIRE(refusal(parse_session_hello(0, body)) == "session hello: length = " + seen + ": must be 50");
    if (size != session_welcome_size)
      REQUIRE(refusal(parse_session_welcome(0, body)) == "session welcome: length = " + seen + ": must be 50");
    if (size != session_goodbye_size)
      REQUIRE(refusal(parse_session_goodbye(0, body)) == "session goodbye: length = " + seen + ": must be 9");
  }
}

TEST_CASE("no text that a peer causes repeats the id of a session", "[D8]") {
  for (std::size_t at = 0; at < third_hello.size(); ++at) {
    const auto parsed = parse_session_hello(0, with(third_hello, at, 0xff));
    if (!parsed)
      REQUIRE(parsed.error().text.find("01020304") == std::string::npos);
  }
}

TEST_CASE("the largest numbers are read as they are", "[D8]") {
  constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
  const session_hello hello{known_id(), largest, true, {largest, largest, largest}};
  CHECK(*parse_session_hello(0, encode(hello)) == hello);
  CHECK(*parse_session_goodbye(largest, encode(session_goodbye{largest})) == session_goodbye{largest});
}

TEST_CASE("whatever bytes come, a parser refuses them or reads exactly what they are the only way to write", "[D8]") {
  const test::test_seed seed;
  auto chance = seed.engine();
  const std::array kept{first_hello, third_hello, resuming_welcome, refusing_welcome, goodbye};
  for (auto round = 0; round < 20'000; ++round) {
    bytes body;
    if (chance() % 4 == 0) {
      body.resize(chance() % 64);
      for (auto& each : body)
        each = std::byte{static_cast<std::uint8_t>(chance())};
    } else {
      body = kept[chance() % kept.size()];
      for (auto changes = chance() % 4; changes > 0 && !body.empty(); --changes) {
        const auto at = chance() % body.size();
        switch (chance() % 5) {
          case 0:
            body[at] = std::byte{static_cast<std::uint8_t>(chance())};
            break;
          case 1:
            body[at] ^= std::byte{static_cast<std::uint8_t>(1U << chance() % 8)};
            break;
          case 2:
            body[at] = chance() % 2 == 0 ? std::byte{0} : std::byte{0xff};
            break;
          case 3:
            body.resize(at);
            break;
          default:
            body.insert(body.begin() + static_cast<std::ptrdiff_t>(at), std::byte{static_cast<std::uint8_t>(chance())});
        }
      }
    }
    hold_to_format(body, chance() % 2 == 0 ? 0 : chance() % 512);
  }
}

TEST_CASE("an id is drawn from the chance that is passed in, all 128 bits of it") {
  std::mt19937_64 chance{7};
  auto asked = std::size_t{0};
  const auto draw = [&] {
    return session_id::draw([&](std::span<std::byte> bits) {
      asked += bits.size();
      for (auto& each : bits)
        each = std::byte{static_cast<std::uint8_t>(chance())};
    });
  };
  const auto first = draw();
  CHECK(asked == 16);
  CHECK(first != draw());
  std::mt19937_64 again{7};
  for (const auto each : first.bytes())
    CHECK(each == std::byte{static_cast<std::uint8_t>(again())});
}
