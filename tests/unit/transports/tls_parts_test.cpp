// What an engine of TLS is made of, each part alone.

#include "engine/acked_offsets.hpp"
#include "engine/output_queue.hpp"
#include "engine/record_sizer.hpp"
#include "engine/tls_session_cache.hpp"
#include "seed.hpp"

#include <actorwire/transports/memory_budget.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

using namespace std::chrono_literals;

constexpr time_point start{1h};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

std::shared_ptr<memory_budget> budget(std::size_t limit = std::size_t{64} << 20U) {
  return std::make_shared<memory_budget>(limit);
}

/// All that waits, as it is shown in so many pieces at once.
std::string shown(const output_queue& queue, std::size_t pieces_max) {
  std::vector<outgoing> pieces(pieces_max);
  std::string all;
  for (const auto& each : std::span{pieces}.first(queue.gather(pieces)))
    all.append(reinterpret_cast<const char*>(each.data), each.size);
  return all;
}

} // namespace

// -- acked_offsets ----------------------------------------------------------------------------------------------------------

TEST_CASE("nothing is acknowledged before the first record has arrived whole", "[acked_offsets]") {
  acked_offsets offsets;
  CHECK(offsets.acknowledge(0) == 0);
  offsets.mark(100, 122);
  CHECK(offsets.acknowledge(0) == 0);
  CHECK(offsets.acknowledge(121) == 0);
  CHECK(offsets.acknowledge(122) == 100);
  CHECK(offsets.acknowledge(1'000) == 100);
}

TEST_CASE("an acknowledgement that comes late or twice takes nothing back", "[acked_offsets]") {
  acked_offsets offsets;
  offsets.mark(100, 122);
  offsets.mark(200, 244);
  CHECK(offsets.acknowledge(244) == 200);
  CHECK(offsets.acknowledge(122) == 200);
  CHECK(offsets.acknowledge(0) == 200);
}

TEST_CASE("whatever is marked and acknowledged, never too much is said, and all in the end", "[acked_offsets]") {
  const test_seed seed;
  auto chance = seed.engine();
  acked_offsets offsets;
  std::map<std::uint64_t, std::uint64_t> exact{{0, 0}};
  std::uint64_t plain = 0;
  std::uint64_t travelling = 0;
  std::uint64_t arrived = 0;
  std::uint64_t said = 0;
  for (int round = 0; round < 20'000; ++round) {
    if (chance() % 3 != 0) {
      plain += 1 + chance() % 16'384;
      travelling = std::max(travelling, plain) + 22 + chance() % 40;
      offsets.mark(plain, travelling);
      exact[travelling] = plain;
    } else {
      arrived += chance() % (travelling - arrived + 1);
      const auto now = offsets.acknowledge(arrived);
      CHECK(now >= said);
      REQUIRE(now <= std::prev(exact.upper_bound(arrived))->second);
      said = now;
    }
    REQUIRE(offsets.size() <= acked_offsets::marks_max);
  }
  CHECK(offsets.acknowledge(travelling) == plain);
  CHECK(offsets.size() == 0);
}

TEST_CASE("more records on their way than there are marks share them, and the last keeps its own", "[acked_offsets]") {
  acked_offsets offsets;
  for (std::uint64_t count = 1; count <= 10 * acked_offsets::marks_max; ++count) {
    offsets.mark(100 * count, 122 * count);
    CHECK(offsets.size() <= acked_offsets::marks_max);
    CHECK(offsets.size() > 0);
  }
  const auto last = 10 * acked_offsets::marks_max;
  CHECK(offsets.acknowledge(122 * last - 1) < 100 * last);
  CHECK(offsets.acknowledge(122 * last) == 100 * last);
}

// -- record_sizer -----------------------------------------------------------------------------------------------------------

TEST_CASE("records are small at first, and large once enough was sent", "[record_sizer]") {
  record_sizer sizer;
  std::size_t sent = 0;
  for (; sent < record_sizer::small_bytes; sent += record_sizer::small) {
    CHECK(sizer.next(start) == record_sizer::small);
    sizer.note_sent(record_sizer::small);
  }
  for (int count = 0; count < 3; ++count) {
    CHECK(sizer.next(start) == record_sizer::large);
    sizer.note_sent(record_sizer::large);
  }
}

TEST_CASE("records are small again after a rest, and not before", "[record_sizer]") {
  record_sizer sizer;
  static_cast<void>(sizer.next(start));
  sizer.note_sent(record_sizer::small_bytes);
  // It is the time between two records that counts.
  CHECK(sizer.next(start + record_sizer::rest) == record_sizer::large);
  CHECK(sizer.next(start + 2 * record_sizer::rest) == record_sizer::large);
  CHECK(sizer.next(start + 3 * record_sizer::rest + 1ns) == record_sizer::small);
}

// -- output_queue -----------------------------------------------------------------------------------------------------------

TEST_CASE("an output queue gives the bytes in the order they came, however they come and go", "[output_queue]") {
  const test_seed seed;
  auto chance = seed.engine();
  buffer_pool pool{budget()};
  output_queue queue{pool};
  std::string waiting;
  char next = 0;
  for (int round = 0; round < 2'000; ++round) {
    if (chance() % 2 == 0) {
      std::string more(chance() % (chance() % 10 == 0 ? 40'000 : 300), next++);
      queue.append(bytes_of(more), chance() % 3 == 0 ? chance() % 100'000 : 0);
      waiting += more;
    } else {
      const auto count = waiting.empty() ? 0 : chance() % (waiting.size() + 1);
      queue.consume(count);
      waiting.erase(0, count);
    }
    REQUIRE(queue.size() == waiting.size());
    REQUIRE(shown(queue, 1'000) == waiting);
    REQUIRE(waiting.starts_with(shown(queue, 1)));
  }
}

TEST_CASE("an empty output queue holds no memory", "[output_queue]") {
  const auto limit = budget();
  {
    buffer_pool pool{limit};
    output_queue queue{pool};
    queue.append(bytes_of(std::string(100'000, 'x')), 0);
    CHECK(queue.size() == 100'000);
    CHECK(limit->used() > 0);
    queue.consume(100'000);
    std::array<outgoing, 4> pieces;
    CHECK(queue.gather(pieces) == 0);
    pool.trim();
    // At most the pool's own reserve.
    CHECK(limit->used() <= std::size_t{256} << 10U);
  }
  CHECK(limit->used() == 0);
}

TEST_CASE("what is sent from an output queue outlives it", "[output_queue]") {
  buffer_pool pool{budget()};
  payload kept;
  {
    output_queue queue{pool};
    queue.append(bytes_of("on its way"), 0);
    std::array<outgoing, 1> pieces;
    REQUIRE(queue.gather(pieces) == 1);
    REQUIRE(pieces[0].owner != nullptr);
    const auto offset = static_cast<std::uint32_t>(pieces[0].data - pieces[0].owner->bytes());
    kept = payload{*pieces[0].owner, offset, static_cast<std::uint32_t>(pieces[0].size)};
    queue.consume(pieces[0].size);
    queue.append(bytes_of("something else"), 0);
  }
  CHECK(kept.text() == "on its way");
}

TEST_CASE("at the memory limit an output queue takes memory elsewhere", "[output_queue]") {
  buffer_pool pool{budget(1)};
  REQUIRE(pool.take(buffer_pool::size_class::small) == nullptr);
  output_queue queue{pool};
  const std::string bytes(100'000, 'y');
  queue.append(bytes_of(bytes), 50'000);
  queue.append(bytes_of("!"), 0);
  CHECK(shown(queue, 100) == bytes + "!");
}

// -- tls_session_cache --------------------------------------------------------------------------------------------------------

TEST_CASE("a session is handed out once, the latest first", "[tls_session_cache]") {
  tls_session_cache cache{10, 1h};
  cache.put("here", {"first", start});
  cache.put("there", {"other", start});
  cache.put("here", {"second", start});
  CHECK_FALSE(cache.take("nowhere", start));
  CHECK(cache.take("here", start)->data == "second");
  CHECK(cache.take("here", start)->data == "first");
  CHECK_FALSE(cache.take("here", start));
  CHECK(cache.take("there", start)->data == "other");
  CHECK(cache.size() == 0);
}

TEST_CASE("a session is forgotten at the end of its lifetime and not before", "[tls_session_cache]") {
  tls_session_cache cache{10, 1h};
  cache.put("here", {"one", start});
  cache.put("here", {"two", start});
  CHECK(cache.take("here", start + 1h - 1ns)->data == "two");
  CHECK_FALSE(cache.take("here", start + 1h));
  CHECK(cache.size() == 0);
}

TEST_CASE("a session that came late but is old does not hide a younger one", "[tls_session_cache]") {
  tls_session_cache cache{10, 1h};
  cache.put("here", {"young", start + 30min});
  cache.put("here", {"old", start});
  CHECK(cache.take("here", start + 1h)->data == "young");
  CHECK(cache.size() == 0);
}

TEST_CASE("no more sessions are kept than the limit, and those that came first go first", "[tls_session_cache]") {
  tls_session_cache cache{3, 1h};
  for (const auto* server : {"a", "b", "c", "d"})
    cache.put(server, {server, start});
  CHECK(cache.size() == 3);
  CHECK_FALSE(cache.take("a", start));
  for (const auto* server : {"b", "c", "d"})
    CHECK(cache.take(server, start)->data == server);
}

TEST_CASE("one server fills no more of the cache than its share", "[tls_session_cache]") {
  tls_session_cache cache{100, 1h};
  cache.put("other", {"other", start});
  for (int count = 0; count < 50; ++count)
    cache.put("here", {std::to_string(count), start});
  CHECK(cache.size() == 1 + tls_session_cache::sessions_per_server);
  for (const auto* expected : {"49", "48", "47", "46"})
    CHECK(cache.take("here", start)->data == expected);
  CHECK_FALSE(cache.take("here", start));
  CHECK(cache.take("other", start));
}

TEST_CASE("a cache of one session keeps the last", "[tls_session_cache]") {
  tls_session_cache cache{1, 1h};
  cache.put("here", {"one", start});
  cache.put("here", {"two", start});
  CHECK(cache.size() == 1);
  CHECK(cache.take("here", start)->data == "two");
}

} // namespace actorwire::test
