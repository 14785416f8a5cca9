// What is said to whom there is no connection with: never more than he has sent, and not for ever.

#include "engine/quic/quic_setup.hpp"
#include "engine/quic/stranger_answers.hpp"
#include "quic_ids.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

using namespace std::chrono_literals;

constexpr time_point start{1h};
constexpr std::time_t noon = 1'800'000'000;
constexpr std::uint32_t version = NGTCP2_PROTO_VER_V1;

const auto ours = id_of("12345678");
const auto theirs = id_of("of the client");
const auto wanted = id_of("chosen by the client");

/// Answers, and what they are made of.
struct answering {
  static std::shared_ptr<const quic_tokens> make_tokens() {
    std::array<std::byte, quic_secret::size> secret{};
    secret.fill(std::byte{7});
    return std::make_shared<quic_tokens>(quic_secret{secret}, quic_tokens::lifetimes{});
  }

  /// The next answer; nothing if there is none.
  std::optional<std::vector<std::byte>> next() {
    std::vector<std::byte> room(departure_bytes_max);
    const auto departure = answers.poll(room);
    if (!departure)
      return std::nullopt;
    CHECK(departure->path == path);
    CHECK(departure->segment_size == departure->bytes.size());
    return std::vector(departure->bytes.begin(), departure->bytes.end());
  }

  [[nodiscard]] udp_arrival arrival(std::size_t size) const {
    return {path, ecn_mark::not_capable, std::span{sent}.first(size)};
  }

  const udp_path path{{parse_ip_address("192.0.2.1").value(), 4'433},
                      {parse_ip_address("198.51.100.2").value(), 1'024}};
  const std::vector<std::byte> sent = std::vector<std::byte>(2'000);
  const std::shared_ptr<const quic_tokens> tokens = make_tokens();
  stranger_answers answers{tokens, [](std::span<std::byte> room) { std::ranges::fill(room, std::byte{0xab}); }};
};

/// What a client's first packet says.
ngtcp2_pkt_hd first_head() {
  ngtcp2_pkt_hd head{};
  head.version = version;
  head.scid = theirs.to_ngtcp2();
  head.dcid = wanted.to_ngtcp2();
  return head;
}

/// The head of a long packet.
ngtcp2_pkt_hd head_of(const std::vector<std::byte>& packet) {
  ngtcp2_pkt_hd head{};
  REQUIRE(::ngtcp2_pkt_decode_hd_long(&head, reinterpret_cast<const std::uint8_t*>(packet.data()), packet.size()) > 0);
  CHECK(quic_cid{head.dcid} == theirs);
  return head;
}

} // namespace

TEST_CASE("answers leave in their order, and no more of them wait than may", "[quic_answers]") {
  answering here;
  const auto said = here.arrival(2'000).bytes;
  for (std::size_t size = 1; size <= stranger_answers::waiting_max + 5; ++size)
    here.answers.repeat(here.path, said.first(size));
  for (std::size_t size = 1; size <= stranger_answers::waiting_max; ++size) {
    const auto answer = here.next();
    REQUIRE(answer);
    REQUIRE(answer->size() == size);
  }
  CHECK(here.answers.empty());
  CHECK_FALSE(here.next());
  // Silence is no answer.
  here.answers.repeat(here.path, {});
  CHECK(here.answers.empty());
}

TEST_CASE("a reset is shorter than what it answers, and ends with the token of the connection", "[quic_answers]") {
  answering here;
  const auto token = here.tokens->make_stateless_reset(ours, here.path.local);
  for (std::size_t size = 1; size <= 100; ++size) {
    here.answers.reset(here.arrival(size), ours, start + size * 1s);
    const auto answer = here.next();
    REQUIRE(answer.has_value() == (size > stranger_answers::reset_size_min));
    if (!answer)
      continue;
    REQUIRE(answer->size() == std::min(size - 1, stranger_answers::reset_size_max));
    // A short packet, by its first two bits.
    REQUIRE((answer->front() & std::byte{0xc0}) == std::byte{0x40});
    REQUIRE(std::memcmp(answer->data() + answer->size() - token.size(), token.data(), token.size()) == 0);
  }
}

TEST_CASE("no more resets are sent in a second than may, whoever asks", "[quic_answers]") {
  answering here;
  for (const auto now : {start, start + 1s}) {
    std::uint32_t sent = 0;
    for (std::uint32_t count = 0; count < 3 * stranger_answers::resets_per_second; ++count) {
      here.answers.reset(here.arrival(1'200), ours, now);
      sent += here.next() ? 1 : 0;
    }
    CHECK(sent == stranger_answers::resets_per_second);
  }
}

TEST_CASE("an offer names the versions, and one that nobody has, to who has sent enough", "[quic_answers]") {
  answering here;
  const std::vector versions{quic_version::v2, quic_version::v1};
  const auto source = theirs.to_ngtcp2();
  const auto destination = wanted.to_ngtcp2();
  const ngtcp2_version_cid ids{0x1a2a3a4a, destination.data, destination.datalen, source.data, source.datalen};
  here.answers.offer(versions, here.arrival(stranger_answers::first_datagram_min - 1), ids);
  CHECK_FALSE(here.next());
  here.answers.offer(versions, here.arrival(stranger_answers::first_datagram_min), ids);
  const auto answer = here.next();
  REQUIRE(answer);
  CHECK(answer->size() < stranger_answers::first_datagram_min);
  // Version 0, both IDs the other way round, and then numbers of 4 bytes (RFC 9000, 17.2.1).
  ngtcp2_version_cid told{};
  CHECK(::ngtcp2_pkt_decode_version_cid(&told, reinterpret_cast<const std::uint8_t*>(answer->data()), answer->size(), 8)
        == 0);
  CHECK(told.version == 0);
  CHECK(quic_cid{told.dcid, told.dcidlen} == theirs);
  CHECK(quic_cid{told.scid, told.scidlen} == wanted);
  std::vector<std::uint32_t> offered;
  for (auto at = 7 + told.dcidlen + told.scidlen; at + 4 <= answer->size(); at += 4) {
    std::uint32_t number = 0;
    for (std::size_t index = 0; index < 4; ++index)
      number = number << 8U | std::to_integer<std::uint32_t>((*answer)[at + index]);
    offered.push_back(number);
  }
  REQUIRE(offered.size() == 3);
  CHECK(offered[0] == wire_version(quic_version::v2));
  CHECK(offered[1] == wire_version(quic_version::v1));
  CHECK((offered[2] & 0x0f0f0f0fU) == 0x0a0a0a0aU);
}

TEST_CASE("what a Retry gives to a client proves its address, and where it went at first", "[quic_answers]") {
  answering here;
  here.answers.ask_for_proof(here.arrival(1'200), first_head(), ours, noon);
  const auto answer = here.next();
  REQUIRE(answer);
  const auto head = head_of(*answer);
  CHECK(head.type == NGTCP2_PKT_RETRY);
  CHECK(quic_cid{head.scid} == ours);
  // The token lies between the IDs and 16 bytes that protect all of it (RFC 9000, 17.2.5).
  const auto begin = 7 + head.dcid.datalen + head.scid.datalen;
  const auto token = std::span{*answer}.subspan(begin, answer->size() - begin - 16);
  const auto at = std::chrono::system_clock::from_time_t(noon);
  const auto checked = here.tokens->check(token, version, here.path.remote, ours, at);
  CHECK(checked.what == quic_tokens::verdict::retry_good);
  CHECK(checked.original_destination == wanted);
}

TEST_CASE("a client that is turned away is told in its own keys", "[quic_answers]") {
  answering here;
  here.answers.close(here.arrival(1'200), first_head(), NGTCP2_CONNECTION_REFUSED);
  const auto answer = here.next();
  REQUIRE(answer);
  CHECK(answer->size() < 100);
  const auto head = head_of(*answer);
  CHECK(head.type == NGTCP2_PKT_INITIAL);
  CHECK(head.version == version);
  CHECK(quic_cid{head.scid} == wanted);
}

} // namespace actorwire::test
