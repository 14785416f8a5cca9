// Connection IDs: values, the table that finds connections by them, and what ours look like.

#include "engine/quic/connection_id_format.hpp"
#include "engine/quic/connection_id_map.hpp"
#include "engine/quic/quic_cid.hpp"
#include "engine/quic/siphash.hpp"
#include "quic_ids.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

quic_random chance_from(std::mt19937_64& engine) {
  return [&engine](std::span<std::byte> bytes) {
    for (auto& each : bytes)
      each = static_cast<std::byte>(engine() & 0xffU);
  };
}

std::array<std::byte, 16> counting_key() {
  std::array<std::byte, 16> key{};
  for (std::size_t index = 0; index < key.size(); ++index)
    key[index] = static_cast<std::byte>(index);
  return key;
}

} // namespace

TEST_CASE("the hash is the published one", "[siphash]") {
  // Appendix A of the paper.
  std::array<std::byte, 15> input{};
  for (std::size_t index = 0; index < input.size(); ++index)
    input[index] = static_cast<std::byte>(index);
  CHECK(siphash<2, 4>(siphash_key::from(counting_key()), input) == 0xa129ca6149be45e5ULL);
  // What CPython computes for these bytes with PYTHONHASHSEED=0.
  CHECK(siphash<1, 3>({}, std::as_bytes(std::span{std::string_view{"12345678"}})) == 0x3489982430560a87ULL);
  CHECK(siphash<1, 3>({}, std::as_bytes(std::span{std::string_view{"a connection ID is no secret"}}))
        == 0x327e5801ebacdc36ULL);
}

TEST_CASE("a connection ID goes to ngtcp2 and back, whatever its size", "[quic_cid]") {
  const std::string text = "abcdefghijklmnopqrst";
  for (std::size_t size = 0; size <= quic_cid::size_max; ++size) {
    const auto id = id_of(text.substr(0, size));
    CHECK(id.size() == size);
    CHECK(id.empty() == (size == 0));
    CHECK(id.to_ngtcp2().datalen == size);
    CHECK(quic_cid{id.to_ngtcp2()} == id);
  }
}

TEST_CASE("connection IDs of different size differ, also when zeros make the difference", "[quic_cid]") {
  const std::string zeros(quic_cid::size_max, '\0');
  CHECK(id_of(zeros.substr(0, 8)) != id_of(zeros.substr(0, 9)));
  CHECK(id_of("") != id_of(zeros.substr(0, 1)));
  CHECK(id_of("a") != id_of("b"));
}

TEST_CASE("an ID belongs to the first that it was given to", "[connection_id_map]") {
  std::mt19937_64 engine{1};
  connection_id_map<int> map{chance_from(engine)};
  int first = 1;
  int second = 2;
  CHECK(map.find(id_of("x")) == nullptr);
  CHECK_FALSE(map.erase(id_of("x")));
  CHECK(map.insert(id_of("x"), first));
  CHECK_FALSE(map.insert(id_of("x"), second));
  CHECK(map.find(id_of("x")) == &first);
  CHECK(map.insert(id_of(""), second));
  CHECK(map.find(id_of("")) == &second);
  CHECK(map.size() == 2);
  CHECK(map.erase(id_of("x")));
  CHECK(map.find(id_of("x")) == nullptr);
  CHECK(map.insert(id_of("x"), second));
}

TEST_CASE("whatever is inserted and erased, the table finds what a map finds", "[connection_id_map]") {
  const test_seed seed;
  auto engine = seed.engine();
  connection_id_map<int> map{chance_from(engine)};
  std::map<std::string, int*> exact;
  std::array<int, 7> values{};
  // Phases in which it mostly grows and mostly shrinks.
  for (int round = 0; round < 60'000; ++round) {
    const auto key = std::to_string(engine() % 3'000);
    const auto id = id_of(key);
    const auto grows = round / 10'000 % 2 == 0;
    if ((engine() % 10 < 7) == grows) {
      auto& value = values[engine() % values.size()];
      REQUIRE(map.insert(id, value) == exact.emplace(key, &value).second);
    } else {
      REQUIRE(map.erase(id) == (exact.erase(key) != 0));
    }
    REQUIRE(map.size() == exact.size());
    const auto other = std::to_string(engine() % 3'000);
    const auto found = exact.find(other);
    REQUIRE(map.find(id_of(other)) == (found == exact.end() ? nullptr : found->second));
  }
  for (const auto& [key, value] : exact) {
    REQUIRE(map.find(id_of(key)) == value);
    REQUIRE(map.erase(id_of(key)));
  }
  CHECK(map.empty());
}

TEST_CASE("every shard tells which shard made an ID", "[connection_id_format]") {
  std::mt19937_64 engine{2};
  const connection_id_format format{counting_key(), connection_id_format::shards_max};
  const connection_id_format other_shard{counting_key(), connection_id_format::shards_max};
  for (unsigned shard = 0; shard < connection_id_format::shards_max; ++shard) {
    const auto id = format.make(shard, chance_from(engine));
    CHECK(id.size() == connection_id_format::size);
    CHECK(other_shard.shard_of(id) == shard);
  }
}

TEST_CASE("IDs of one shard have no byte in common", "[connection_id_format]") {
  std::mt19937_64 engine{3};
  const connection_id_format format{counting_key(), 4};
  std::array<std::set<std::byte>, connection_id_format::size> seen;
  for (int count = 0; count < 1'000; ++count) {
    const auto id = format.make(3, chance_from(engine));
    for (std::size_t index = 0; index < seen.size(); ++index)
      seen[index].insert(id.bytes()[index]);
  }
  for (const auto& each : seen)
    CHECK(each.size() > 200);
}

TEST_CASE("an ID that none of ours can have made leads nowhere", "[connection_id_format]") {
  std::mt19937_64 engine{4};
  const connection_id_format format{counting_key(), 2};
  CHECK_FALSE(format.shard_of(id_of("")));
  CHECK_FALSE(format.shard_of(id_of("1234567")));
  CHECK_FALSE(format.shard_of(id_of("123456789")));
  CHECK_FALSE(format.shard_of(id_of("12345678901234567890")));
  const connection_id_format larger{counting_key(), 3};
  CHECK_FALSE(format.shard_of(larger.make(2, chance_from(engine))));
  int accepted = 0;
  for (int count = 0; count < 25'600; ++count) {
    std::string chosen(8, '\0');
    chance_from(engine)(std::as_writable_bytes(std::span{chosen}));
    if (const auto shard = format.shard_of(id_of(chosen))) {
      CHECK(*shard < 2);
      ++accepted;
    }
  }
  // 2 of 256 by chance.
  CHECK(accepted > 100);
  CHECK(accepted < 300);
}

} // namespace actorwire::test
