#include "engine/quic/stream_input.hpp"
#include "pattern.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>

namespace actorwire::test {

namespace {

constexpr std::size_t slab_size = buffer_pool::slab_sizes[1];

struct shared_memory {
  explicit shared_memory(std::size_t limit = std::size_t{64} << 20U)
    : budget(std::make_shared<memory_budget>(limit)), buffers(budget), arena(buffers) {}

  /// One datagram that holds nothing but these bytes; false if it is refused.
  bool receive(stream_input& stream, std::string_view bytes) {
    if (!arena.admits(bytes.size()))
      return false;
    stream.append(arena, std::as_bytes(std::span{bytes}));
    return true;
  }

  std::shared_ptr<memory_budget> budget;
  buffer_pool buffers;
  receive_arena arena;
};

std::string rest_of(stream_input& stream) {
  std::string text;
  for (auto bytes = stream.take(slab_size); !bytes.empty(); bytes = stream.take(slab_size))
    text.append(bytes.text());
  return text;
}

} // namespace

TEST_CASE("what is read at once is one piece, where it has arrived", "[stream_input]") {
  shared_memory memory;
  stream_input stream;
  for (int count = 0; count < 40; ++count)
    REQUIRE(memory.receive(stream, pattern(1'200)));
  CHECK(stream.pieces() == 1);
  CHECK(stream.size() == 48'000);
  CHECK(memory.budget->used() == slab_size);
  CHECK(stream.take(100'000).size() == 48'000);
  CHECK(stream.empty());
}

TEST_CASE("bytes that come one by one on streams in turn take little more than themselves, read or not",
          "[stream_input]") {
  constexpr std::size_t count = 100'000;
  shared_memory memory;
  stream_input one;
  stream_input other;
  for (std::size_t index = 0; index < count; ++index) {
    REQUIRE(memory.receive(one, "a"));
    REQUIRE(memory.receive(other, "b"));
  }
  CHECK(one.pieces() <= 20);
  CHECK(memory.budget->used() <= 2 * 2 * count + 2 * slab_size);
  CHECK((rest_of(one) == std::string(count, 'a')));
  CHECK((rest_of(other) == std::string(count, 'b')));
}

TEST_CASE("a few bytes that nobody reads keep no slab", "[stream_input]") {
  shared_memory memory;
  stream_input unread;
  for (int count = 0; count < 1'000; ++count) {
    stream_input read;
    REQUIRE(memory.receive(read, pattern(slab_size - 1)));
    REQUIRE(memory.receive(unread, "x"));
    read.clear();
    unread.settle(memory.arena);
  }
  CHECK(memory.budget->used() <= slab_size + 4'096);
  CHECK((rest_of(unread) == std::string(1'000, 'x')));
}

TEST_CASE("what fills its slab well stays there", "[stream_input]") {
  shared_memory memory;
  stream_input stream;
  REQUIRE(memory.receive(stream, pattern(slab_size / 2)));
  const auto used = memory.budget->used();
  stream.settle(memory.arena);
  CHECK_FALSE(stream.is_fresh());
  CHECK(memory.budget->used() == used);
  CHECK((rest_of(stream) == pattern(slab_size / 2)));
}

TEST_CASE("what is kept is given back, on whatever day, and may outlive the pool", "[stream_input]") {
  std::shared_ptr<memory_budget> budget;
  payload last;
  {
    shared_memory memory;
    budget = memory.budget;
    stream_input stream;
    REQUIRE(memory.receive(stream, "kept"));
    stream.settle(memory.arena);
    last = stream.take(4);
  }
  CHECK(last.text() == "kept");
  CHECK(budget->used() > 0);
  last = {};
  CHECK(budget->used() == 0);
}

TEST_CASE("at the memory limit small datagrams are taken as long as little is kept of them", "[stream_input]") {
  constexpr std::size_t limit = slab_size;
  shared_memory memory{limit};
  stream_input stream;
  REQUIRE(memory.receive(stream, pattern(slab_size)));
  CHECK_FALSE(memory.receive(stream, pattern(1'200)));
  // Acknowledgements leave nothing behind.
  for (int count = 0; count < 100'000; ++count)
    REQUIRE(memory.arena.admits(receive_arena::small_datagram_max));
  std::size_t taken = 0;
  while (memory.receive(stream, "x")) {
    stream.settle(memory.arena);
    REQUIRE(++taken < 10 * receive_arena::overdraft_max);
  }
  CHECK(taken > receive_arena::overdraft_max / 4);
  CHECK(memory.budget->used() <= limit + receive_arena::overdraft_max + 8'192);
  // What may give memory back is taken if it fits, and nothing else.
  memory.budget->take_beyond(receive_arena::overdraft_max);
  CHECK_FALSE(memory.arena.admits(1));
  CHECK(memory.arena.admits(1, true));
  CHECK_FALSE(memory.arena.admits(1'200, true));
  memory.budget->give_back(receive_arena::overdraft_max);
  // When not even that is had any more, each byte of the last block is a piece.
  CHECK(stream.pieces() <= taken / 64 + 4'096);
  CHECK((rest_of(stream) == std::string{pattern(slab_size)} + std::string(taken, 'x')));
  CHECK(memory.receive(stream, pattern(1'200)));
}

TEST_CASE("bytes stay in order, however they come and are read", "[stream_input][random]") {
  const test_seed seed;
  auto chance = seed.engine();
  for (int round = 0; round < 50; ++round) {
    shared_memory memory{round % 2 == 0 ? std::size_t{64} << 20U : 3 * slab_size};
    stream_input stream;
    std::string said;
    std::string read;
    for (int step = 0; step < 2'000; ++step) {
      const auto size = std::size_t{1} << chance() % 12;
      const auto words = std::string(size, static_cast<char>('a' + step % 26));
      if (memory.receive(stream, words))
        said += words;
      if (chance() % 3 == 0)
        read.append(stream.take(std::size_t{1} << chance() % 14).text());
      if (chance() % 8 == 0)
        stream.settle(memory.arena);
      REQUIRE(stream.size() == said.size() - read.size());
    }
    read += rest_of(stream);
    REQUIRE((read == said));
    CHECK(stream.empty());
  }
}

} // namespace actorwire::test
