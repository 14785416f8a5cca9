// What closed connections leave behind.

#include "engine/quic/tombstones.hpp"
#include "quic_ids.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

using namespace std::chrono_literals;

constexpr time_point start{1h};

void no_chance(std::span<std::byte> bytes) {
  std::fill(bytes.begin(), bytes.end(), std::byte{7});
}

std::vector<std::byte> packet(std::string_view text) {
  const auto bytes = std::as_bytes(std::span{text});
  return {bytes.begin(), bytes.end()};
}

void add(tombstones& graves, std::string_view id, std::string_view said, time_point until = start + 1s) {
  const auto one = id_of(id);
  graves.add({&one, 1}, packet(said), until);
}

/// What is answered: "?" if nobody is known, "" for silence.
std::string answer(tombstones& graves, std::string_view id, std::size_t size = 1'200, time_point now = start) {
  const auto said = graves.answer(id_of(id), size, now);
  return said ? std::string{reinterpret_cast<const char*>(said->data()), said->size()} : "?";
}

} // namespace

TEST_CASE("a connection that we closed repeats its close, ever more rarely", "[tombstones]") {
  tombstones graves{no_chance};
  CHECK(answer(graves, "a") == "?");
  add(graves, "a", "closed");
  std::vector<int> answered;
  for (int number = 1; number <= 40; ++number)
    if (answer(graves, "a") == "closed")
      answered.push_back(number);
  CHECK(answered == std::vector{1, 2, 4, 8, 16, 32});
}

TEST_CASE("whoever goes on after a while has not heard, and is told again, however much came before", "[tombstones]") {
  tombstones graves{no_chance};
  add(graves, "a", "closed");
  for (int number = 1; number <= 40; ++number)
    static_cast<void>(answer(graves, "a"));
  std::vector<std::chrono::milliseconds> answered;
  for (auto after = 1ms; after <= 35ms; ++after)
    if (answer(graves, "a", 1'200, start + after) == "closed")
      answered.push_back(after);
  CHECK(answered == std::vector<std::chrono::milliseconds>{10ms, 30ms});
}

TEST_CASE("two who have both closed soon fall silent", "[tombstones]") {
  tombstones one{no_chance};
  tombstones other{no_chance};
  add(one, "a", "closed", start + 3s);
  add(other, "a", "closed", start + 3s);
  // 15 ms apart, each answers what the other says, beginning with its last words.
  auto said = 0;
  auto now = start;
  for (auto heard = true; heard && now < start + 3s; now += 15ms) {
    heard = answer(said % 2 == 0 ? one : other, "a", 6, now) == "closed";
    said += heard ? 1 : 0;
  }
  CHECK(said < 16);
}

TEST_CASE("a connection that the peer closed is silent", "[tombstones]") {
  tombstones graves{no_chance};
  add(graves, "a", "");
  CHECK(answer(graves, "a").empty());
  CHECK(answer(graves, "b") == "?");
}

TEST_CASE("every ID of a connection leads to one tombstone", "[tombstones]") {
  tombstones graves{no_chance};
  const std::array ids{id_of("a"), id_of("b"), id_of("c")};
  graves.add(ids, packet("closed"), start + 1s);
  CHECK(graves.count() == 1);
  CHECK(answer(graves, "a") == "closed");
  CHECK(answer(graves, "b") == "closed");
  CHECK(answer(graves, "c").empty());
  CHECK(answer(graves, "a") == "closed");
}

TEST_CASE("no more than three times what came is sent", "[tombstones]") {
  tombstones graves{no_chance};
  const std::string said(100, 'c');
  add(graves, "a", said);
  CHECK(answer(graves, "a", 33).empty());
  CHECK(answer(graves, "a", 1) == said);
  CHECK(answer(graves, "a", 1).empty());
  CHECK(answer(graves, "a", 1).empty());
  CHECK(answer(graves, "a", 1'000) == said);
}

TEST_CASE("a tombstone stays for its time and not longer", "[tombstones]") {
  tombstones graves{no_chance};
  CHECK(graves.next_timeout() == time_point::max());
  add(graves, "late", "closed", start + 3s);
  add(graves, "soon", "closed", start + 1s);
  CHECK(graves.next_timeout() == start + 1s);
  graves.handle_timeout(start + 1s - 1ns);
  CHECK(graves.count() == 2);
  CHECK(answer(graves, "soon", 1'200, start + 1s - 1ns) == "closed");
  CHECK(answer(graves, "soon", 1'200, start + 1s) == "?");
  graves.handle_timeout(start + 1s);
  CHECK(graves.count() == 1);
  CHECK(graves.next_timeout() == start + 3s);
  CHECK(answer(graves, "late") == "closed");
  graves.handle_timeout(start + 1h);
  CHECK(graves.count() == 0);
  CHECK(graves.next_timeout() == time_point::max());
}

TEST_CASE("beyond the bound the oldest tombstones go", "[tombstones]") {
  tombstones graves{no_chance, 2};
  add(graves, "a", "closed", start + 9s);
  add(graves, "b", "closed", start + 1s);
  add(graves, "c", "closed", start + 5s);
  CHECK(graves.count() == 2);
  CHECK(answer(graves, "a") == "?");
  CHECK(answer(graves, "b") == "closed");
  CHECK(answer(graves, "c") == "closed");
  CHECK(graves.next_timeout() == start + 1s);
}

TEST_CASE("an ID that is used again leads to the connection that was closed last", "[tombstones]") {
  tombstones graves{no_chance};
  add(graves, "a", "first", start + 1s);
  add(graves, "a", "second", start + 2s);
  graves.handle_timeout(start + 1s);
  CHECK(answer(graves, "a", 1'200, start + 1s) == "second");
}

} // namespace actorwire::test
