// How much a server may send where its client has not proved to be.

#include "engine/quic/amplification_limit.hpp"
#include "engine/quic/quic_callbacks.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace actorwire::test {

namespace {

constexpr std::size_t full = 1'452;
constexpr ngtcp2_duration timeout = 30 * NGTCP2_MILLISECONDS;
constexpr ngtcp2_tstamp start = NGTCP2_SECONDS;
constexpr amplification_limit::challenge asked{1, 2, 3, 4, 5, 6, 7, 8};

/// A packet that says something, then `frame`, and something again.
std::vector<std::uint8_t> packet_with(const amplification_limit::challenge& frame) {
  std::vector<std::uint8_t> text(20, 9);
  text.insert(text.end(), frame.begin(), frame.end());
  text.insert(text.end(), 20, 9);
  return text;
}

/// Sends as large packets as may be, until none may; returns their bytes.
std::size_t use_up(amplification_limit& limit, ngtcp2_tstamp now) {
  std::size_t sent = 0;
  while (const auto room = limit.cut(full, now, timeout)) {
    limit.note_sent(room, now);
    sent += room;
  }
  return sent;
}

} // namespace

TEST_CASE("nothing is sent where nothing came from") {
  const amplification_limit limit{udp_path{}};
  CHECK(limit.cut(full, start, timeout) == 0);
}

TEST_CASE("less is sent than three times what came, and something is kept for later, however much that was") {
  for (std::size_t came = 1; came < 5'000; ++came) {
    amplification_limit limit{udp_path{}};
    limit.note_received(came);
    const auto at_once = use_up(limit, start);
    CHECK(at_once < 3 * came);
    auto now = start;
    auto later = std::size_t{0};
    for (int count = 0; count < 100; ++count)
      later += use_up(limit, now += timeout);
    CHECK(at_once + later < 3 * came);
    // What was kept makes some packets of the smallest size.
    if (came >= 400)
      CHECK(later >= std::size_t{5} * 50);
  }
}

TEST_CASE("what is kept for later goes in the shortest packets, one in a probe timeout") {
  amplification_limit limit{udp_path{}};
  limit.note_received(1'200);
  use_up(limit, start);
  CHECK(limit.next_change(timeout) == start + timeout);
  CHECK(limit.cut(full, start + timeout - 1, timeout) == 0);
  CHECK(limit.cut(full, start + timeout, timeout) == path_frame_packet_size);
  limit.note_sent(path_frame_packet_size, start + timeout);
  CHECK(limit.cut(full, start + timeout, timeout) == 0);
}

TEST_CASE("three times a keep-alive is an acknowledgement, and a challenge thereafter") {
  constexpr std::size_t ping = 30;
  constexpr std::size_t acknowledgement = 36;
  amplification_limit limit{udp_path{}};
  limit.note_received(ping);
  REQUIRE(limit.cut(full, start, timeout) >= acknowledgement);
  limit.note_sent(acknowledgement, start);
  CHECK(limit.cut(full, start + timeout, timeout) == path_frame_packet_size);
}

TEST_CASE("a packet with a challenge that was sent lifts the limit") {
  amplification_limit limit{udp_path{}};
  limit.note_received(30);
  limit.note_opened(packet_with(asked));
  CHECK(limit.cut(full, start, timeout) < full);
  limit.note_challenge(asked);
  // It was drawn, and did not leave.
  limit.note_opened(packet_with(asked));
  CHECK(limit.cut(full, start, timeout) < full);
  limit.note_sent(35, start);
  limit.note_opened(packet_with({1, 2, 3, 4, 5, 6, 7, 9}));
  CHECK(limit.cut(full, start, timeout) < full);
  limit.note_opened(packet_with(asked));
  CHECK(limit.cut(full, start, timeout) == full);
  CHECK(limit.next_change(timeout) == UINT64_MAX);
}

TEST_CASE("challenges that do not leave push none out that have") {
  amplification_limit limit{udp_path{}};
  limit.note_received(1'200);
  limit.note_challenge(asked);
  limit.note_sent(35, start);
  for (std::uint8_t count = 0; count < 100; ++count)
    limit.note_challenge({count});
  limit.note_opened(packet_with(asked));
  CHECK(limit.cut(full, start, timeout) == full);
}

TEST_CASE("a limit of its own is kept only by a connection that learns which paths have to be proved") {
  constexpr auto version = [](int minor) { return 0x010000 + minor * 0x100; };
  STATIC_REQUIRE(proof_knowledge_of(version(11), version(11)) == proof_knowledge::is_always_asked);
  STATIC_REQUIRE(proof_knowledge_of(version(11), version(12)) == proof_knowledge::none);
  STATIC_REQUIRE(proof_knowledge_of(version(13), version(25)) == proof_knowledge::none);
  STATIC_REQUIRE(proof_knowledge_of(version(14), version(14)) == proof_knowledge::is_told);
  STATIC_REQUIRE(proof_knowledge_of(version(25), version(13)) == proof_knowledge::none);
}

} // namespace actorwire::test
