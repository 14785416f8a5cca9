// The sending half of a stream, alone.

#include "engine/quic/stream_output.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

constexpr std::size_t all = 1U << 30U;

outgoing copied(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size(), nullptr};
}

outgoing shared(const payload& bytes) {
  return {bytes.data(), bytes.size(), bytes.memory()};
}

std::size_t append(stream_output& stream, const outgoing& piece, std::size_t room = all) {
  return stream.append({&piece, 1}, room);
}

std::string text_of(std::span<const ngtcp2_vec> pieces) {
  std::string text;
  for (const auto& each : pieces)
    text.append(reinterpret_cast<const char*>(each.base), each.len);
  return text;
}

/// Sends up to so many bytes, and returns them.
std::string send(stream_output& stream, std::size_t bytes_max = all) {
  std::array<ngtcp2_vec, 64> pieces{};
  const auto next = stream.gather(pieces, bytes_max);
  auto text = text_of(std::span{pieces}.first(next.count));
  CHECK(text.size() == next.bytes);
  stream.advance(next.bytes, next.fin);
  return text;
}

std::uint32_t references_to(const payload& bytes) {
  return bytes.memory()->references.load();
}

} // namespace

TEST_CASE("what is appended is sent in order, whatever owns it", "[stream_output]") {
  stream_output stream;
  const auto owned = payload::copy_of("owned ");
  const std::array pieces{copied("copied "), shared(owned), copied("copied again")};
  CHECK(stream.append(pieces, all) == 25);
  CHECK(stream.unsent() == 25);
  CHECK(send(stream) == "copied owned copied again");
  CHECK(stream.unsent() == 0);
  CHECK(stream.buffered() == 25);
}

TEST_CASE("no more is taken than there is room for, and the rest may follow", "[stream_output]") {
  stream_output stream;
  const auto owned = payload::copy_of("0123456789");
  const std::array pieces{copied("abc"), shared(owned)};
  CHECK(stream.append(pieces, 0) == 0);
  CHECK(stream.append(pieces, 5) == 5);
  auto rest = shared(owned);
  rest.data += 2;
  rest.size -= 2;
  CHECK(append(stream, rest) == 8);
  std::array<ngtcp2_vec, 8> seen{};
  // What lies side by side is one piece again.
  CHECK(stream.gather(seen, all).count == 2);
  CHECK(send(stream) == "abc0123456789");
}

TEST_CASE("small pieces without an owner share a chunk", "[stream_output]") {
  stream_output stream;
  for (int count = 0; count < 100; ++count)
    append(stream, copied("12345"));
  std::array<ngtcp2_vec, 8> pieces{};
  const auto next = stream.gather(pieces, all);
  CHECK(next.count == 1);
  CHECK(next.bytes == 500);
}

TEST_CASE("what is offered ends at the limit in bytes and in pieces", "[stream_output]") {
  stream_output stream;
  const auto first = payload::copy_of("first");
  const auto second = payload::copy_of("second");
  append(stream, shared(first));
  append(stream, shared(second));
  stream.finish();

  std::array<ngtcp2_vec, 2> pieces{};
  auto next = stream.gather(pieces, 7);
  CHECK(text_of(std::span{pieces}.first(next.count)) == "firstse");
  CHECK_FALSE(next.fin);
  next = stream.gather(std::span{pieces}.first(1), all);
  CHECK(next.bytes == 5);
  CHECK_FALSE(next.fin);
  next = stream.gather({}, all);
  CHECK(next.is_empty());
  next = stream.gather(pieces, 11);
  CHECK(next.bytes == 11);
  CHECK(next.fin);
}

TEST_CASE("the end of the stream is offered with its last byte, or alone, and once", "[stream_output]") {
  stream_output stream;
  CHECK_FALSE(stream.has_unsent());
  append(stream, copied("abc"));
  CHECK(send(stream) == "abc");
  CHECK_FALSE(stream.is_fin_next());
  stream.finish();
  CHECK(stream.is_fin_next());
  CHECK(stream.has_unsent());
  const auto next = stream.gather({}, all);
  CHECK(next.fin);
  CHECK_FALSE(next.is_empty());
  stream.advance(0, true);
  CHECK(stream.is_fin_sent());
  CHECK_FALSE(stream.has_unsent());
  CHECK(stream.gather({}, all).is_empty());
  CHECK(append(stream, copied("late")) == 0);
}

TEST_CASE("bytes stay where they are until they are acknowledged, and go at once then", "[stream_output]") {
  stream_output stream;
  const auto first = payload::copy_of("first");
  const auto second = payload::copy_of("second");
  append(stream, shared(first));
  append(stream, shared(second));
  send(stream, 8);
  stream.acknowledge(0, 4);
  CHECK(references_to(first) == 2);
  stream.acknowledge(4, 1);
  CHECK(references_to(first) == 1);
  CHECK(references_to(second) == 2);
  CHECK(stream.acked() == 5);
  CHECK(send(stream) == "ond");
  CHECK_FALSE(stream.is_all_acked());
  stream.acknowledge(5, 6);
  CHECK(references_to(second) == 1);
  CHECK(stream.is_all_acked());
}

TEST_CASE("what was sent does not move while more is appended", "[stream_output]") {
  stream_output stream;
  append(stream, copied("first"));
  std::array<ngtcp2_vec, 1> pieces{};
  static_cast<void>(stream.gather(pieces, all));
  stream.advance(3, false);
  const std::string much(100'000, 'x');
  for (int count = 0; count < 100; ++count) {
    append(stream, copied("more"));
    append(stream, copied(much));
  }
  CHECK(text_of(pieces) == "first");
}

TEST_CASE("an acknowledged end of stream is no byte", "[stream_output]") {
  stream_output stream;
  append(stream, copied("abc"));
  stream.finish();
  send(stream);
  stream.acknowledge(0, 0);
  CHECK(stream.acked() == 0);
  stream.acknowledge(0, 3);
  stream.acknowledge(3, 0);
  CHECK(stream.is_all_acked());
  CHECK(stream.acked() == 3);
}

TEST_CASE("a stream that is reset sends nothing more, and keeps what may still be looked at", "[stream_output]") {
  const auto sent = payload::copy_of("sent");
  const auto half = payload::copy_of("half");
  const auto unsent = payload::copy_of("unsent");
  {
    stream_output stream;
    append(stream, shared(sent));
    append(stream, shared(half));
    append(stream, shared(unsent));
    send(stream, 6);
    stream.finish();
    stream.discard();
    CHECK(references_to(sent) == 2);
    CHECK(references_to(half) == 2);
    CHECK(references_to(unsent) == 1);
    CHECK_FALSE(stream.has_unsent());
    CHECK(stream.buffered() == 6);
    CHECK(append(stream, copied("late")) == 0);
    std::array<ngtcp2_vec, 8> pieces{};
    CHECK(stream.gather(pieces, all).is_empty());
    stream.acknowledge(0, 4);
    CHECK(references_to(sent) == 1);
    CHECK(references_to(half) == 2);
  }
  CHECK(references_to(half) == 1);
}

TEST_CASE("a reset stream whose bytes all arrive holds nothing", "[stream_output]") {
  const auto half = payload::copy_of("half");
  stream_output stream;
  append(stream, shared(half));
  send(stream, 2);
  stream.discard();
  stream.discard();
  stream.acknowledge(0, 2);
  CHECK(references_to(half) == 1);
  CHECK(stream.is_all_acked());
}

TEST_CASE("after early data were rejected everything is sent again", "[stream_output]") {
  stream_output stream;
  append(stream, copied("early "));
  append(stream, copied("data"));
  stream.finish();
  CHECK(send(stream, 3) == "ear");
  CHECK(send(stream) == "ly data");
  stream.rewind();
  CHECK(stream.unsent() == 10);
  CHECK_FALSE(stream.is_fin_sent());
  CHECK(send(stream) == "early data");
  CHECK(stream.is_fin_sent());
}

TEST_CASE("whatever is appended, sent and acknowledged, all bytes leave once and in order", "[stream_output]") {
  const test_seed seed;
  auto chance = seed.engine();
  stream_output stream;
  std::string expected;
  std::string seen;
  const auto upto = [&](std::size_t limit) { return static_cast<std::size_t>(chance() % (limit + 1)); };
  const auto check = [&] {
    REQUIRE(stream.unsent() == expected.size() - seen.size());
    REQUIRE(stream.buffered() == expected.size() - stream.acked());
    REQUIRE(stream.sent() == seen.size());
  };
  for (int round = 0; round < 20'000; ++round) {
    switch (chance() % 4) {
      case 0: {
        std::vector<std::string> texts;
        for (auto count = upto(6); count > 0; --count)
          texts.emplace_back(upto(chance() % 50 == 0 ? 70'000 : 60), static_cast<char>('a' + chance() % 26));
        std::vector<payload> owners;
        std::vector<outgoing> pieces;
        std::string whole;
        for (const auto& each : texts) {
          whole += each;
          if (chance() % 2 == 0 && !each.empty()) {
            owners.push_back(payload::copy_of(each));
            pieces.push_back(shared(owners.back()));
          } else {
            pieces.push_back(copied(each));
          }
        }
        const auto room = upto(whole.size() + 10);
        const auto taken = stream.append(pieces, room);
        REQUIRE(taken == std::min(room, whole.size()));
        expected += whole.substr(0, taken);
        break;
      }
      case 1:
      case 2: {
        std::array<ngtcp2_vec, 5> pieces{};
        const auto next = stream.gather(std::span{pieces}.first(upto(5)), upto(3'000));
        const auto bytes = upto(next.bytes);
        seen += text_of(std::span{pieces}.first(next.count)).substr(0, bytes);
        stream.advance(bytes, false);
        break;
      }
      default:
        stream.acknowledge(stream.acked(), upto(static_cast<std::size_t>(stream.sent() - stream.acked())));
    }
    check();
  }
  stream.finish();
  while (stream.has_unsent())
    seen += send(stream, 5'000);
  CHECK(seen == expected);
  stream.acknowledge(stream.acked(), stream.sent() - stream.acked());
  CHECK(stream.is_all_acked());
}

} // namespace actorwire::test
