#include "half_open_list.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

using namespace actorwire;

namespace {

address_group stranger(std::uint64_t number) {
  return address_group_of("10.0." + std::to_string(number / 256) + '.' + std::to_string(number % 256));
}

/// Lets client `number` in, from an address of its own; returns whether it was.
bool let_in(half_open_list& list, std::uint64_t number) {
  const auto [is_admitted, evicted] = list.admit(stranger(number));
  CHECK_FALSE(evicted);
  if (is_admitted)
    list.add(number, stranger(number));
  return is_admitted;
}

} // namespace

TEST_CASE("at the limit the one that has taken longest goes, whoever left in between") {
  const auto book = std::make_shared<handshake_book>(4, 4);
  half_open_list list{book};
  for (std::uint64_t number = 1; number <= 4; ++number)
    CHECK(let_in(list, number));
  // The oldest has become ready, and one in the middle has gone.
  CHECK(list.remove(1));
  CHECK(list.remove(3));
  CHECK(let_in(list, 5));
  CHECK(let_in(list, 6));
  for (const std::uint64_t oldest : {2U, 4U, 5U, 6U}) {
    const auto [is_admitted, evicted] = list.admit(stranger(100 + oldest));
    CHECK(is_admitted);
    CHECK(evicted == oldest);
    CHECK_FALSE(list.remove(oldest));
    list.add(100 + oldest, stranger(100 + oldest));
  }
  CHECK(list.size() == 4);
  CHECK(book->counts().handshaking == 4);
  CHECK(book->counts().evicted == 4);
}

TEST_CASE("a client over the share of its address is not admitted, and nobody goes for it") {
  const auto book = std::make_shared<handshake_book>(4, 2);
  half_open_list list{book};
  for (std::uint64_t number = 1; number <= 2; ++number) {
    CHECK(list.admit(stranger(7)).is_admitted);
    list.add(number, stranger(7));
  }
  const auto [is_admitted, evicted] = list.admit(stranger(7));
  CHECK_FALSE(is_admitted);
  CHECK_FALSE(evicted);
  CHECK(list.size() == 2);
  CHECK(book->counts().refused == 1);
  // One that is through with its handshake does not count any more.
  CHECK(list.remove(1));
  CHECK(list.admit(stranger(7)).is_admitted);
}

TEST_CASE("a shard that has nobody to end turns a newcomer away and leaves those of the others alone") {
  const auto book = std::make_shared<handshake_book>(2, 2);
  half_open_list here{book};
  half_open_list elsewhere{book};
  CHECK(let_in(elsewhere, 1));
  CHECK(let_in(elsewhere, 2));
  CHECK_FALSE(let_in(here, 3));
  CHECK(elsewhere.size() == 2);
  CHECK(book->counts().refused == 1);
  CHECK(elsewhere.remove(1));
  CHECK(let_in(here, 3));
  const auto [is_admitted, evicted] = here.admit(stranger(4));
  CHECK(is_admitted);
  CHECK(evicted == 3);
}

TEST_CASE("a client leaves the book once, however often it is said to have gone") {
  const auto book = std::make_shared<handshake_book>(2, 2);
  half_open_list list{book};
  CHECK(let_in(list, 1));
  CHECK(list.remove(1));
  CHECK_FALSE(list.remove(1));
  CHECK_FALSE(list.remove(2));
  CHECK(book->counts().handshaking == 0);
}

TEST_CASE("with the shard's part of a listener its clients leave the book") {
  const auto book = std::make_shared<handshake_book>(8, 8);
  {
    half_open_list list{book};
    CHECK(let_in(list, 1));
    CHECK(let_in(list, 2));
  }
  CHECK(book->counts().handshaking == 0);
}
