#include "handshake_book.hpp"

#include <actorwire/actors/system_config.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace actorwire;

namespace {

/// An address of its own for each number.
address_group stranger(std::uint32_t number) {
  return address_group_of("10." + std::to_string(number >> 16U & 0xffU) + '.' + std::to_string(number >> 8U & 0xffU)
                          + '.' + std::to_string(number & 0xffU));
}

/// Actors that never run, as clients; nobody else holds them.
class clients {
public:
  connection_actor next() {
    return caf::actor_cast<connection_actor>(
        system_.spawn<caf::lazy_init>([](caf::event_based_actor*) { return caf::behavior{[](int) {}}; }));
  }

private:
  system_config config_;
  caf::actor_system system_{config_};
};

/// A client and its place in the book.
struct half_open {
  explicit operator bool() const noexcept { return place != 0; }

  handshake_book::place place = 0;
  connection_actor actor;
};

/// Lets a client in for whom nobody has to go; no place if it is refused.
half_open let_in(handshake_book& book, clients& all, const address_group& from,
                 address_proof proof = address_proof::proved) {
  const auto [taken, evicted] = book.admit(from, proof);
  CHECK_FALSE(evicted);
  if (taken == 0)
    return {};
  half_open made{taken, all.next()};
  book.add(taken, made.actor);
  return made;
}

/// Lets a client in, and returns who has to go for it; null if nobody, or if it is refused.
connection_actor evict_for(handshake_book& book, clients& all, const address_group& from) {
  auto [taken, evicted] = book.admit(from);
  if (taken != 0)
    book.add(taken, all.next());
  return std::move(evicted);
}

} // namespace

TEST_CASE("at most half of the connections are half-open, and one may always be") {
  CHECK(handshake_book::limit_for(1'024, 65'536) == 1'024);
  CHECK(handshake_book::limit_for(1'024, 2'048) == 1'024);
  CHECK(handshake_book::limit_for(1'024, 2'047) == 1'023);
  CHECK(handshake_book::limit_for(1'024, 3) == 1);
  CHECK(handshake_book::limit_for(1'024, 1) == 1);
}

TEST_CASE("a limit that changes holds for those who come from then on") {
  clients all;
  handshake_book book{1, 10};
  const auto first = let_in(book, all, stranger(1));
  book.set_limit(3);
  const auto second = let_in(book, all, stranger(2));
  const auto third = let_in(book, all, stranger(3));
  REQUIRE(third);
  CHECK(book.counts().handshaking == 3);
  book.set_limit(1);
  CHECK(book.counts().handshaking == 3);
  const auto [taken, evicted] = book.admit(stranger(4));
  CHECK(evicted == first.actor);
  CHECK(book.remove(taken));
  CHECK(book.remove(second.place));
  CHECK(book.counts().handshaking == 1);
  CHECK(book.admit(stranger(5)).evicted == third.actor);
}

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
  clients all;
  handshake_book book{100, 3};
  const auto greedy = stranger(1);
  const auto first = let_in(book, all, greedy);
  CHECK(first);
  for (int count = 1; count < 3; ++count)
    CHECK(let_in(book, all, greedy));
  CHECK_FALSE(let_in(book, all, greedy));
  CHECK(let_in(book, all, stranger(2)));
  CHECK(book.counts().handshaking == 4);
  CHECK(book.counts().refused == 1);
  // One that is through with its handshake does not count any more.
  CHECK(book.remove(first.place));
  CHECK(let_in(book, all, greedy));
  CHECK_FALSE(let_in(book, all, greedy));
  CHECK(book.counts().evicted == 0);
}

TEST_CASE("a client that leaves makes room, and nobody goes for the next") {
  clients all;
  handshake_book book{3, 1};
  std::vector<half_open> present;
  for (std::uint32_t number = 0; number < 3; ++number)
    present.push_back(let_in(book, all, stranger(number)));
  CHECK(book.counts().handshaking == 3);
  CHECK(book.remove(present[1].place));
  CHECK(let_in(book, all, stranger(3)));
  CHECK(book.counts().handshaking == 3);
  CHECK(book.counts().evicted == 0);
  CHECK(book.counts().refused == 0);
}

TEST_CASE("at the limit the one that has taken longest goes, whoever left in between") {
  clients all;
  handshake_book book{4, 4};
  std::vector<half_open> present;
  for (std::uint32_t number = 0; number < 4; ++number)
    present.push_back(let_in(book, all, stranger(number)));
  // The oldest has become ready, and one in the middle has gone.
  CHECK(book.remove(present[0].place));
  CHECK(book.remove(present[2].place));
  for (std::uint32_t number = 4; number < 6; ++number)
    present.push_back(let_in(book, all, stranger(number)));
  for (const std::size_t oldest : {1U, 3U, 4U, 5U}) {
    CAPTURE(oldest);
    CHECK(evict_for(book, all, stranger(100)) == present[oldest].actor);
    CHECK_FALSE(book.remove(present[oldest].place));
  }
  CHECK(book.counts().handshaking == 4);
  CHECK(book.counts().evicted == 4);
  CHECK(book.counts().refused == 0);
}

TEST_CASE("a client over its share ends nobody but one of its own address") {
  clients all;
  handshake_book book{3, 2};
  const auto greedy = stranger(1);
  const auto first = let_in(book, all, stranger(2));
  const auto second = let_in(book, all, greedy);
  const auto third = let_in(book, all, greedy);
  // The oldest is of another address.
  CHECK_FALSE(let_in(book, all, greedy));
  CHECK(book.counts().refused == 1);
  CHECK(evict_for(book, all, stranger(3)) == first.actor);
  CHECK(evict_for(book, all, greedy) == second.actor);
  // The share of one that went is free again.
  CHECK(evict_for(book, all, stranger(2)) == third.actor);
  CHECK(book.counts().handshaking == 3);
}

TEST_CASE("a client that is only just being accepted does not go for another, which is turned away") {
  clients all;
  handshake_book book{2, 2};
  const auto place = book.admit(stranger(1)).taken;
  CHECK(place != 0);
  CHECK(book.admit(stranger(2)).is_admitted());
  CHECK_FALSE(let_in(book, all, stranger(3)));
  CHECK(book.counts().handshaking == 2);
  CHECK(book.counts().refused == 1);
  const auto first = all.next();
  book.add(place, first);
  CHECK(evict_for(book, all, stranger(3)) == first);
}

TEST_CASE("who is ready before its shard has told its name has left the book all the same") {
  clients all;
  handshake_book book{1, 1};
  const auto place = book.admit(stranger(1)).taken;
  CHECK(book.remove(place));
  book.add(place, all.next());
  CHECK(book.counts().handshaking == 0);
  // Nobody has to go for the next.
  CHECK(let_in(book, all, stranger(2)));
  CHECK(book.counts().evicted == 0);
}

TEST_CASE("a client leaves the book once, however often it is said to have gone") {
  clients all;
  handshake_book book{2, 2};
  const auto client = let_in(book, all, stranger(1));
  CHECK(book.remove(client.place));
  CHECK_FALSE(book.remove(client.place));
  CHECK_FALSE(book.remove(client.place + 1));
  CHECK_FALSE(book.remove(0));
  CHECK(book.counts().handshaking == 0);
}

TEST_CASE("the book keeps nobody alive, and who has ended goes for a newcomer like everybody") {
  clients all;
  handshake_book book{1, 1};
  auto client = let_in(book, all, stranger(1));
  const auto seen = caf::actor_cast<caf::weak_actor_ptr>(client.actor);
  client.actor = connection_actor{};
  CHECK_FALSE(seen.lock());
  const auto [taken, evicted] = book.admit(stranger(2));
  CHECK(taken != 0);
  CHECK_FALSE(evicted);
  CHECK_FALSE(book.remove(client.place));
  CHECK(book.counts().handshaking == 1);
  CHECK(book.counts().evicted == 1);
}

TEST_CASE("claims to come from an address use up nothing of its share") {
  clients all;
  handshake_book book{100, 2};
  const auto victim = stranger(1);
  for (int count = 0; count < 50; ++count)
    REQUIRE(let_in(book, all, victim, address_proof::claimed));
  CHECK(book.counts().handshaking == 50);
  CHECK(let_in(book, all, victim));
  const auto last = let_in(book, all, victim);
  CHECK(last);
  CHECK_FALSE(let_in(book, all, victim));
  // Nor does a claim need any of it, which whoever makes it may have got from nobody.
  CHECK(book.admit(victim, address_proof::claimed).is_admitted());
  CHECK(book.remove(last.place));
  CHECK(let_in(book, all, victim));
}

TEST_CASE("at the limit the oldest claim goes, and who has proved an address only where there is none") {
  clients all;
  handshake_book book{3, 2};
  const auto claim = [&](std::uint32_t number) {
    auto [taken, evicted] = book.admit(stranger(number), address_proof::claimed);
    CHECK(taken != 0);
    auto client = all.next();
    book.add(taken, client);
    return std::pair{std::move(client), std::move(evicted)};
  };
  const auto proved = let_in(book, all, stranger(1));
  const auto first = claim(2).first;
  const auto second = claim(3).first;
  const auto [third, gone_for_third] = claim(4);
  CHECK(gone_for_third == first);
  CHECK(evict_for(book, all, stranger(5)) == second);
  CHECK(evict_for(book, all, stranger(6)) == third);
  CHECK(book.counts().handshaking == 3);
  // Nobody who has proved an address keeps out those who cannot be asked for a proof any more.
  CHECK(claim(7).second == proved.actor);
  CHECK(book.counts().handshaking == 3);
  CHECK(book.counts().refused == 0);
}

TEST_CASE("who is over its share does not get the place of a claim") {
  clients all;
  handshake_book book{3, 1};
  REQUIRE(let_in(book, all, stranger(2), address_proof::claimed));
  const auto first = let_in(book, all, stranger(1));
  const auto second = let_in(book, all, stranger(3));
  CHECK_FALSE(let_in(book, all, stranger(3)));
  CHECK(evict_for(book, all, stranger(1)) == first.actor);
  CHECK(book.counts().refused == 1);
}

TEST_CASE("shards that admit at the same time never exceed the limit or a share together, and each client goes once",
          "[C2]") {
  constexpr std::uint32_t limit = 6;
  constexpr std::uint32_t share = 4;
  constexpr int rounds = 2'000;
  struct findings {
    std::uint32_t most = 0;
    std::uint64_t ended = 0;
    std::uint64_t gone_before = 0;
  };
  clients all;
  handshake_book book{limit, share};
  std::vector<std::thread> shards;
  std::vector<findings> found(4);
  for (auto& mine : found)
    shards.emplace_back([&book, &mine, own = std::vector{all.next(), all.next(), all.next(), all.next()}] {
      for (int round = 0; round < rounds; ++round) {
        std::vector<handshake_book::place> present;
        for (std::uint32_t number = 0; number < own.size(); ++number) {
          const auto from = stranger(number % 2);
          const auto [taken, evicted] = book.admit(from);
          mine.ended += evicted ? 1 : 0;
          if (taken != 0)
            book.add(present.emplace_back(taken), own[number]);
        }
        mine.most = std::max(mine.most, book.counts().handshaking);
        for (const auto each : present)
          mine.gone_before += book.remove(each) ? 0 : 1;
      }
    });
  for (auto& each : shards)
    each.join();
  findings sum;
  for (const auto& each : found) {
    CHECK(each.most <= limit);
    sum.ended += each.ended;
    sum.gone_before += each.gone_before;
  }
  CHECK(sum.ended == sum.gone_before);
  CHECK(book.counts().evicted == sum.ended);
  CHECK(book.counts().handshaking == 0);
}

TEST_CASE("a place that was taken for a client that is not added after all is free again") {
  const auto from = stranger(1);
  for (const auto proof : {address_proof::proved, address_proof::claimed}) {
    handshake_book book{1, 1};
    clients all;
    for (int times = 0; times < 3; ++times) {
      const auto admitted = book.admit(from, proof);
      REQUIRE(admitted.is_admitted());
      CHECK(book.counts().handshaking == 1);
      CHECK(book.remove(admitted.taken));
      CHECK(book.counts().handshaking == 0);
    }
    CHECK(let_in(book, all, from));
    CHECK(book.counts().refused == 0);
    CHECK(book.counts().evicted == 0);
  }
}
