// What the parts of a QUIC connection hold while nothing happens, and what they take from the heap while something does.

#include "counted_heap.hpp"
#include "engine/quic/connection_id_map.hpp"
#include "engine/quic/datagram_queue.hpp"
#include "engine/quic/quic_streams.hpp"
#include "engine/quic/stream_output.hpp"
#include "engine/quic/stream_scheduler.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

namespace actorwire::test {

TEST_CASE("a stream whose bytes have all arrived holds no memory", "[stream_output]") {
  const auto bytes = payload::copy_of("bytes");
  const auto before = blocks_held;
  stream_output stream;
  for (int count = 0; count < 100; ++count) {
    const std::array pieces{outgoing{bytes.data(), 3, nullptr}, outgoing{bytes.data(), bytes.size(), bytes.memory()}};
    static_cast<void>(stream.append(pieces, 100));
  }
  stream.advance(stream.unsent(), false);
  stream.acknowledge(0, stream.sent() - 1);
  const auto with_one_byte = blocks_held;
  stream.acknowledge(stream.acked(), 1);
  const auto after = blocks_held;
  CHECK(with_one_byte > before);
  CHECK(after == before);
  CHECK(bytes.memory()->references == 1);
}

TEST_CASE("streams that come and go take nothing from the heap", "[stream_scheduler]") {
  stream_scheduler streams;
  const auto come_and_go = [&](bool incremental) {
    for (const std::int64_t id : {0, 4, 8})
      streams.add(id, {3, incremental});
    while (const auto id = streams.next()) {
      streams.rotate(*id);
      streams.remove(*id);
    }
  };
  come_and_go(true);
  const auto before = blocks_taken;
  for (int count = 0; count < 1'000; ++count)
    come_and_go(count % 2 == 0);
  const auto after = blocks_taken;
  CHECK(after == before);
}

TEST_CASE("a scheduler keeps little of a thousand streams that have gone", "[stream_scheduler]") {
  const auto before = blocks_held;
  stream_scheduler streams;
  for (std::int64_t id = 0; id < 1'000; ++id)
    streams.add(id, {});
  for (std::int64_t id = 0; id < 1'000; ++id)
    streams.remove(id);
  const auto after = blocks_held;
  CHECK(after - before <= 10);
}

TEST_CASE("streams that find the connection's window used up over and over wait but once", "[quic_streams]") {
  quic_streams streams;
  for (const stream_id id : {stream_id{0}, stream_id{4}}) {
    auto& each = streams.get(id);
    each.is_open = true;
  }
  const auto try_all = [&] {
    streams.for_each([&](quic_stream& each) { streams.make_ready(each); });
    while (auto* next = streams.next_ready())
      streams.wait_for_connection(*next);
  };
  try_all();
  const auto before = blocks_taken;
  for (int count = 0; count < 1'000; ++count)
    try_all();
  const auto after = blocks_taken;
  CHECK(after == before);
  streams.remove(0);
  streams.wake_those_that_wait_for_connection();
  REQUIRE(streams.next_ready() != nullptr);
  CHECK(streams.next_ready()->id == 4);
}

TEST_CASE("an empty queue of datagrams holds no memory", "[datagram_queue]") {
  const auto before = blocks_held;
  datagram_queue queue{1'000};
  for (std::uint64_t id = 0; id < 100; ++id)
    static_cast<void>(queue.push(id, {}));
  while (!queue.empty())
    queue.pop();
  const auto after = blocks_held;
  CHECK(after == before);
}

TEST_CASE("a table without connections holds no memory", "[connection_id_map]") {
  int value = 0;
  const auto id_of = [](std::uint32_t number) { return quic_cid{std::as_bytes(std::span{&number, 1})}; };
  connection_id_map<int> map{[](std::span<std::byte>) {}};
  const auto before = blocks_held;
  for (std::uint32_t number = 0; number < 1'000; ++number)
    map.insert(id_of(number), value);
  for (std::uint32_t number = 0; number < 1'000; ++number)
    map.erase(id_of(number));
  const auto after = blocks_held;
  CHECK(after == before);
}

TEST_CASE("IDs leave a table although there is no memory for a smaller one", "[connection_id_map]") {
  constexpr std::uint32_t count = 1'000;
  int value = 0;
  const auto id_of = [](std::uint32_t number) { return quic_cid{std::as_bytes(std::span{&number, 1})}; };
  connection_id_map<int> map{[](std::span<std::byte>) {}};
  for (std::uint32_t number = 0; number < count; ++number)
    map.insert(id_of(number), value);
  std::uint32_t left = 0;
  heap_is_exhausted = true;
  for (std::uint32_t number = 0; number + 1 < count; ++number)
    left += map.erase(id_of(number)) ? 1 : 0;
  heap_is_exhausted = false;
  CHECK(left == count - 1);
  CHECK(map.size() == 1);
  CHECK(map.find(id_of(0)) == nullptr);
  CHECK(map.find(id_of(count - 1)) == &value);
  static_assert(noexcept(map.erase(std::declval<const quic_cid&>())));
}

} // namespace actorwire::test
