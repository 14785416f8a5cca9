// Unreliable datagrams that wait.

#include "engine/quic/datagram_queue.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

namespace actorwire::test {

namespace {

using ids = std::vector<std::uint64_t>;

/// So many datagrams of this size.
constexpr std::size_t room_for(std::size_t count, std::size_t size) {
  return count * (size + datagram_queue::bytes_each);
}

payload bytes(std::size_t size) {
  return payload::copy_of(std::string(size, 'd'));
}

} // namespace

TEST_CASE("datagrams leave in the order in which they came", "[datagram_queue]") {
  datagram_queue queue{room_for(2, 10)};
  CHECK(queue.empty());
  CHECK(queue.push(1, payload::copy_of("first")).empty());
  CHECK(queue.push(2, payload::copy_of("second")).empty());
  CHECK(queue.count() == 2);
  CHECK(queue.bytes() == 11);
  CHECK(queue.front().bytes.text() == "first");
  CHECK(queue.pop().id == 1);
  CHECK(queue.pop().bytes.text() == "second");
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
  CHECK(queue.dropped() == 0);
}

TEST_CASE("beyond the bound the oldest are dropped, counted and named", "[datagram_queue]") {
  datagram_queue queue{room_for(3, 100)};
  for (std::uint64_t id = 1; id <= 3; ++id)
    CHECK(queue.push(id, bytes(100)).empty());
  CHECK(queue.push(4, bytes(1)) == ids{1});
  CHECK(queue.push(5, bytes(99)).empty() == false);
  CHECK(queue.front().id == 3);
  CHECK(queue.push(6, bytes(3 * 100 + 2 * datagram_queue::bytes_each)) == ids{3, 4, 5});
  CHECK(queue.count() == 1);
  CHECK(queue.dropped() == 5);
  CHECK(queue.dropped_bytes() == 100 + 100 + 100 + 1 + 99);
}

TEST_CASE("a datagram that never fits is dropped alone", "[datagram_queue]") {
  datagram_queue queue{room_for(1, 100)};
  CHECK(queue.push(1, bytes(100)).empty());
  CHECK(queue.push(2, bytes(101)) == ids{2});
  CHECK(queue.front().id == 1);
  CHECK(queue.dropped() == 1);
  CHECK(queue.dropped_bytes() == 101);
}

TEST_CASE("datagrams without bytes are bounded too", "[datagram_queue]") {
  datagram_queue queue{room_for(10, 0)};
  for (std::uint64_t id = 0; id < 1'000; ++id)
    static_cast<void>(queue.push(id, {}));
  CHECK(queue.count() == 10);
  CHECK(queue.dropped() == 990);
  CHECK(queue.front().id == 990);
}

} // namespace actorwire::test
