#include "handshake_book.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

using namespace actorwire;
using verdict = handshake_book::verdict;

namespace {

/// An address of its own for each number.
address_group stranger(std::uint32_t number) {
  return address_group_of("10." + std::to_string(number >> 16U & 0xffU) + '.' + std::to_string(number >> 8U & 0xffU)
                          + '.' + std::to_string(number & 0xffU));
}

} // namespace

TEST_CASE("an IPv4 address is one address, however it is written") {
  CHECK(address_group_of("192.0.2.1") == address_group_of("::ffff:192.0.2.1"));
  CHECK(address_group_of("192.0.2.1") != address_group_of("192.0.2.2"));
  CHECK(address_group_of("192.0.2.1") != address_group_of("::ffff:192.0.2.2"));
}

TEST_CASE("an IPv6 /64 is one address, and the next is another") {
  CHECK(address_group_of("2001:db8:0:1::1") == address_group_of("2001:db8:0:1:ffff:ffff:ffff:ffff"));
  CHECK(address_group_of("2001:db8:0:1::1") != address_group_of("2001:db8:0:2::1"));
  CHECK(address_group_of("fe80::1%1") == address_group_of("fe80::2%1"));
}

TEST_CASE("an IPv6 address is never taken for an IPv4 address with the same bytes") {
  CHECK(address_group_of("c000:201::") != address_group_of("192.0.2.1"));
  CHECK(address_group_of("::1") != address_group_of("0.0.0.0"));
  CHECK(address_group_of("::192.0.2.1") != address_group_of("192.0.2.1"));
}

TEST_CASE("whatever is no address shares one group with its like") {
  CHECK(address_group_of("") == address_group_of("a name"));
  CHECK(address_group_of("") != address_group_of("0.0.0.0"));
  CHECK(address_group_of("") != address_group_of("::"));
}

TEST_CASE("exactly as many clients of one address are admitted as are its share") {
  handshake_book book{100, 3};
  const auto greedy = stranger(1);
  for (int count = 0; count < 3; ++count)
    CHECK(book.enter(greedy, nullptr) == verdict::admitted);
  CHECK(book.enter(greedy, nullptr) == verdict::share_used_up);
  CHECK(book.enter(stranger(2), nullptr) == verdict::admitted);
  CHECK(book.counts().handshaking == 4);
  CHECK(book.counts().refused == 1);
  book.leave(greedy);
  CHECK(book.enter(greedy, nullptr) == verdict::admitted);
  CHECK(book.enter(greedy, nullptr) == verdict::share_used_up);
}

TEST_CASE("exactly as many clients are admitted as the limit says, and one that leaves makes room") {
  handshake_book book{3, 1};
  for (std::uint32_t number = 0; number < 3; ++number)
    CHECK(book.enter(stranger(number), nullptr) == verdict::admitted);
  CHECK(book.enter(stranger(3), nullptr) == verdict::full);
  CHECK(book.counts().handshaking == 3);
  CHECK(book.counts().refused == 1);
  book.leave(stranger(1));
  CHECK(book.enter(stranger(3), nullptr) == verdict::admitted);
  CHECK(book.counts().evicted == 0);
}

TEST_CASE("in a full book a newcomer takes the place of the one that may go") {
  handshake_book book{2, 1};
  const auto oldest = stranger(0);
  CHECK(book.enter(oldest, nullptr) == verdict::admitted);
  CHECK(book.enter(stranger(1), &oldest) == verdict::admitted);
  CHECK(book.enter(stranger(2), &oldest) == verdict::admitted_in_place);
  CHECK(book.counts().handshaking == 2);
  CHECK(book.counts().evicted == 1);
  CHECK(book.counts().refused == 0);
  // The share of the one that went is free again.
  const auto next = stranger(1);
  CHECK(book.enter(oldest, &next) == verdict::admitted_in_place);
}

TEST_CASE("a client over its share ends nobody but one of its own address") {
  handshake_book book{3, 2};
  const auto greedy = stranger(1);
  const auto other = stranger(2);
  CHECK(book.enter(greedy, nullptr) == verdict::admitted);
  CHECK(book.enter(greedy, nullptr) == verdict::admitted);
  CHECK(book.enter(other, &greedy) == verdict::admitted);
  CHECK(book.enter(greedy, &other) == verdict::share_used_up);
  CHECK(book.enter(greedy, nullptr) == verdict::share_used_up);
  CHECK(book.enter(greedy, &greedy) == verdict::admitted_in_place);
  CHECK(book.counts().handshaking == 3);
}

TEST_CASE("shards that admit at the same time never exceed the limit or a share together") {
  constexpr std::uint32_t limit = 16;
  constexpr std::uint32_t share = 4;
  constexpr int rounds = 2'000;
  handshake_book book{limit, share};
  std::vector<std::thread> shards;
  std::vector<std::uint32_t> most(4, 0);
  for (std::uint32_t shard = 0; shard < most.size(); ++shard)
    shards.emplace_back([&book, &highest = most[shard]] {
      for (int round = 0; round < rounds; ++round) {
        std::vector<address_group> mine;
        for (std::uint32_t number = 0; number < 8; ++number)
          if (const auto from = stranger(number % 2); book.enter(from, nullptr) == verdict::admitted)
            mine.push_back(from);
        highest = std::max(highest, book.counts().handshaking);
        for (const auto& each : mine)
          book.leave(each);
      }
    });
  for (auto& each : shards)
    each.join();
  for (const auto highest : most)
    CHECK(highest <= 2 * share);
  CHECK(book.counts().handshaking == 0);
}
