// What becomes of bytes: order, allowances, what is held up, and the figures that count them.

#include "seed.hpp"
#include "transport_contract_pair.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using event = transport_user::event;

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (auto& each : bytes)
    each = static_cast<char>(random());
  return bytes;
}

} // namespace

TEST_CASE("contract: bytes arrive complete and in order in both directions") {
  test_seed seed;
  auto random = seed.engine();
  contract both;
  both.connect();
  both.dialler.allow_everything();
  both.acceptor.allow_everything();
  std::string from_dialler;
  std::string from_acceptor;
  for (const std::size_t size_max : {1U, 2U, 100U, 20'000U, 1U << 20U})
    for (int count = 0; count < 4; ++count) {
      for (auto [sender, sent] : {std::pair{&both.dialler, &from_dialler}, std::pair{&both.acceptor, &from_acceptor}}) {
        const auto bytes = random_bytes(random, random() % (size_max + 1));
        *sent += bytes;
        sender->write(bytes);
      }
      if (random() % 2 == 0)
        REQUIRE(both.wait([&] { return both.dialler.unsent_size() == 0; }));
    }
  CHECK(both.wait([&] {
    return both.acceptor.received().size() >= from_dialler.size()
        && both.dialler.received().size() >= from_acceptor.size();
  }));
  CHECK((both.acceptor.received() == from_dialler));
  CHECK((both.dialler.received() == from_acceptor));
}

TEST_CASE("contract: pieces of any number, size and owner are sent as one stream") {
  test_seed seed;
  auto random = seed.engine();
  contract both;
  both.connect();
  both.acceptor.allow_everything();
  std::string sent;
  for (const std::size_t count : {0U, 1U, 2U, 63U, 64U, 65U, 200U}) {
    std::vector<std::string> texts;
    for (std::size_t index = 0; index < count; ++index)
      texts.push_back(random_bytes(random, random() % 40));
    std::vector<outgoing> pieces;
    for (const auto& each : texts) {
      pieces.push_back({reinterpret_cast<const std::byte*>(each.data()), each.size(), nullptr});
      sent += each;
    }
    const auto taken = both.dialler.send(pieces);
    REQUIRE(taken);
    std::size_t size = 0;
    for (const auto& each : texts)
      size += each.size();
    REQUIRE(*taken == size);
  }
  REQUIRE(both.wait([&] { return both.acceptor.received().size() >= sent.size(); }));
  CHECK((both.acceptor.received() == sent));
}

TEST_CASE("contract: memory that is sent may be reused or dropped when the call returns") {
  contract both;
  both.connect();
  auto text = std::make_unique<std::string>(10'000, 'a');
  const auto first = both.dialler.send(*text);
  REQUIRE((first && *first == 10'000));
  text->assign(10'000, 'b');
  const auto second = both.dialler.send(*text);
  REQUIRE((second && *second == 10'000));
  text.reset();
  // Bytes that somebody else owns are kept by a reference to the owner, as long as they are needed.
  slab* owner = nullptr;
  struct heap final : slab_owner {
    void recycle(slab* memory) noexcept override {
      memory->~slab();
      ::operator delete(memory);
    }
  };
  static heap from_heap;
  owner = new (::operator new(sizeof(slab) + 5)) slab;
  owner->capacity = 5;
  owner->owner = &from_heap;
  std::copy_n("owned", 5, reinterpret_cast<char*>(owner->bytes()));
  const outgoing piece{owner->bytes(), 5, owner};
  const auto third = both.dialler.send(std::span{&piece, 1});
  owner->release();
  REQUIRE((third && *third == 5));

  both.acceptor.allow_everything();
  REQUIRE(both.wait([&] { return both.acceptor.received().size() == 20'005; }));
  CHECK((both.acceptor.received() == std::string(10'000, 'a') + std::string(10'000, 'b') + "owned"));
}

TEST_CASE("contract: nothing is delivered beyond the allowance, and more follows more") {
  contract both;
  both.connect();
  const std::string text = "0123456789abcdefghij";
  both.dialler.write(text);
  both.dialler.finish();
  both.fixture().settle();
  CHECK(both.acceptor.received().empty());
  std::size_t allowed = 0;
  for (const std::size_t more : {1U, 2U, 7U}) {
    both.acceptor.allow(more);
    allowed += more;
    REQUIRE(both.wait([&] { return both.acceptor.received().size() == allowed; }));
    both.fixture().settle();
    CHECK(both.acceptor.received() == text.substr(0, allowed));
    CHECK(!both.acceptor.has(event::peer_finished));
  }
  both.acceptor.allow(text.size());
  REQUIRE(both.wait([&] { return both.acceptor.has(event::peer_finished); }));
  CHECK(both.acceptor.received() == text);
}

TEST_CASE("contract: bytes may be allowed from within the delivery of others") {
  contract both;
  both.connect();
  const std::string text(50'000, 'y');
  both.acceptor.then = [&](event kind) {
    if (kind == event::received)
      both.acceptor.allow(1'000);
  };
  both.acceptor.allow(1'000);
  both.dialler.write(text);
  REQUIRE(both.wait([&] { return both.acceptor.received().size() == text.size(); }));
}

TEST_CASE("contract: the end of an idle stream is noticed without an allowance") {
  contract both;
  both.connect();
  both.dialler.finish();
  CHECK(both.wait([&] { return both.acceptor.has(event::peer_finished); }));
}

TEST_CASE("contract: a reset is noticed without an allowance") {
  contract both;
  both.connect();
  both.dialler.close(aborted());
  CHECK(both.wait([&] { return both.acceptor.is_closed(); }));
}

TEST_CASE("contract: a sender to a peer that does not read is held up, and goes on when it reads") {
  contract both;
  both.connect();
  auto sent = fill(both.fixture(), both.dialler);
  const auto before = both.dialler.count(event::writable);
  both.acceptor.allow_everything();
  REQUIRE(both.wait([&] { return both.dialler.count(event::writable) > before; }));
  both.dialler.write("and the rest");
  sent += "and the rest";
  REQUIRE(both.wait([&] { return both.acceptor.received().size() >= sent.size(); }));
  CHECK((both.acceptor.received() == sent));
}

TEST_CASE("contract: one direction that is held up does not hold up the other") {
  contract both;
  both.connect();
  fill(both.fixture(), both.dialler);
  both.dialler.allow_everything();
  const std::string text(200'000, 'z');
  both.acceptor.write(text);
  CHECK(both.wait([&] { return both.dialler.received().size() == text.size(); }));
}

TEST_CASE("contract: the figures count every byte, and are kept after the end") {
  contract both;
  both.connect();
  both.acceptor.allow_everything();
  both.dialler.allow_everything();
  both.dialler.write(std::string(5'000, 'a'));
  both.acceptor.write(std::string(70, 'b'));
  REQUIRE(both.wait([&] { return both.acceptor.received().size() == 5'000 && both.dialler.received().size() == 70; }));
  const auto check = [&] {
    CHECK(both.dialler.wire()->stats().bytes_sent == 5'000);
    CHECK(both.dialler.wire()->stats().bytes_received == 70);
    CHECK(both.acceptor.wire()->stats().bytes_sent == 70);
    CHECK(both.acceptor.wire()->stats().bytes_received == 5'000);
  };
  check();
  both.dialler.finish();
  both.acceptor.finish();
  REQUIRE(both.wait([&] { return both.dialler.is_closed() && both.acceptor.is_closed(); }));
  check();
}

TEST_CASE("contract: acknowledged bytes are never more than sent ones, and become all of them") {
  contract both;
  both.connect();
  CHECK(both.dialler.wire()->bytes_acked() == 0);
  CHECK(both.acceptor.wire()->bytes_acked() == 0);
  both.acceptor.allow_everything();
  std::uint64_t sent = 0;
  std::uint64_t acked = 0;
  for (int count = 0; count < 20; ++count) {
    const auto taken = both.dialler.send(std::string(3'000, 'a'));
    REQUIRE(taken);
    sent += *taken;
    REQUIRE(both.wait([&] {
      const auto now = both.dialler.wire()->bytes_acked();
      REQUIRE(now >= acked);
      REQUIRE(now <= sent);
      acked = now;
      return count % 4 != 0 || acked == sent;
    }));
  }
  CHECK(both.wait([&] { return both.dialler.wire()->bytes_acked() == sent; }));
  CHECK(both.acceptor.wire()->bytes_acked() == 0);
}
