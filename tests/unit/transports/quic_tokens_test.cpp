// What a server hands out to know its clients again.

#include "engine/quic/quic_secret.hpp"
#include "engine/quic/quic_tokens.hpp"
#include "quic_ids.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

using namespace std::chrono_literals;
using verdict = quic_tokens::verdict;

constexpr quic_tokens::wall_time_point noon{1'800'000'000s};
constexpr std::uint32_t version = NGTCP2_PROTO_VER_V1;

quic_secret secret_of(char letter) {
  std::array<std::byte, quic_secret::size> bytes{};
  bytes.fill(static_cast<std::byte>(letter));
  return quic_secret{bytes};
}

quic_tokens tokens_of(char letter) {
  return quic_tokens{secret_of(letter), {}};
}

udp_address address(const std::string& host, std::uint16_t port = 4'433) {
  return {parse_ip_address(host).value(), port};
}

const auto client = address("192.0.2.1");
const auto ours = id_of("12345678");
const auto theirs = id_of("chosen by the client");

} // namespace

TEST_CASE("secrets differ by purpose and number, and are the same each time", "[quic_secret]") {
  const auto made = [](const quic_secret& secret) { return std::vector(secret.bytes().begin(), secret.bytes().end()); };
  const auto master = secret_of('m');
  CHECK(made(master.derive("one", 2)) == made(secret_of('m').derive("one", 2)));
  CHECK(made(master.derive("one", 2)) != made(master.derive("one", 3)));
  CHECK(made(master.derive("one", 2)) != made(master.derive("two", 2)));
  CHECK(made(master.derive("one", 12)) != made(master.derive("one1", 2)));
  CHECK(made(master.derive("one")) != made(master));
  CHECK(made(master.derive("one")) != made(secret_of('n').derive("one")));
}

TEST_CASE("a client that comes back after a Retry is known, by any shard", "[quic_tokens]") {
  for (const auto* host : {"192.0.2.1", "2001:db8::1"}) {
    const auto from = address(host);
    const auto token = tokens_of('m').make_retry(version, from, ours, theirs, noon);
    CHECK_FALSE(token.empty());
    const auto checked = tokens_of('m').check(token.bytes(), version, from, ours, noon + 1s);
    CHECK(checked.what == verdict::retry_good);
    CHECK(checked.original_destination == theirs);
  }
}

TEST_CASE("the token of a Retry is bad from elsewhere and when it is too old, and nothing with another ID",
          "[quic_tokens]") {
  const auto tokens = tokens_of('m');
  const auto token = tokens.make_retry(version, client, ours, theirs, noon);
  const auto check = [&](const udp_address& from, const quic_cid& destination, quic_tokens::wall_time_point now) {
    return tokens.check(token.bytes(), version, from, destination, now).what;
  };
  CHECK(check(client, ours, noon + 9s) == verdict::retry_good);
  CHECK(check(client, ours, noon + 11s) == verdict::retry_bad);
  CHECK(check(address("192.0.2.2"), ours, noon) == verdict::retry_bad);
  CHECK(check(address("192.0.2.1", 4'434), ours, noon) == verdict::retry_bad);
  CHECK(check(address("2001:db8::1"), ours, noon) == verdict::retry_bad);
  // ngtcp2 cannot read it then.
  CHECK(check(client, id_of("12345679"), noon) == verdict::unknown);
}

TEST_CASE("a client that was connected is known a day long, whatever its port", "[quic_tokens]") {
  const auto tokens = tokens_of('m');
  for (const auto* host : {"192.0.2.1", "2001:db8::1"}) {
    const auto token = tokens.make_new_token(version, address(host), noon);
    CHECK_FALSE(token.empty());
    const auto check = [&](const udp_address& from, std::chrono::nanoseconds later) {
      return tokens_of('m').check(token.bytes(), version, from, theirs, noon + later).what;
    };
    CHECK(check(address(host), 0s) == verdict::new_token_good);
    CHECK(check(address(host, 1), 1h) == verdict::new_token_good);
    // Whenever the secrets change.
    for (auto later = 0h; later < 24h; later += 1h)
      CHECK(check(address(host), later) == verdict::new_token_good);
    CHECK(check(address(host), 24h + 1s) == verdict::unknown);
    CHECK(check(address(host), 24h * 30) == verdict::unknown);
    CHECK(check(address("192.0.2.2"), 1h) == verdict::unknown);
  }
}

TEST_CASE("a Retry survives the change of secrets", "[quic_tokens]") {
  const auto tokens = tokens_of('m');
  // The change is somewhere within the day.
  for (auto made = 0h; made < 25h; made += 1h) {
    const auto then = noon + made - 1s;
    const auto token = tokens.make_retry(version, client, ours, theirs, then);
    CHECK(tokens.check(token.bytes(), version, client, ours, then + 2s).what == verdict::retry_good);
  }
}

TEST_CASE("tokens of another secret are nothing", "[quic_tokens]") {
  const auto other = tokens_of('o');
  CHECK(other.check(tokens_of('m').make_retry(version, client, ours, theirs, noon).bytes(), version, client, ours, noon)
            .what
        == verdict::unknown);
  CHECK(other.check(tokens_of('m').make_new_token(version, client, noon).bytes(), version, client, ours, noon).what
        == verdict::unknown);
}

TEST_CASE("a token may be made before the epoch began", "[quic_tokens]") {
  const auto tokens = tokens_of('m');
  const quic_tokens::wall_time_point before{-1h};
  const auto token = tokens.make_new_token(version, client, before);
  CHECK(tokens.check(token.bytes(), version, client, ours, before).what == verdict::new_token_good);
}

TEST_CASE("hostile tokens of every length are nothing", "[quic_tokens]") {
  const test_seed seed;
  auto chance = seed.engine();
  const auto tokens = tokens_of('m');
  for (std::size_t size = 0; size <= 300; ++size) {
    for (const auto magic :
         {NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY, NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2, NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR, 0}) {
      // Of its own size, so that a sanitizer sees each byte beyond it.
      std::vector<std::byte> hostile(size);
      for (auto& each : hostile)
        each = static_cast<std::byte>(chance() & 0xffU);
      if (size != 0)
        hostile[0] = static_cast<std::byte>(magic);
      REQUIRE(tokens.check(hostile, version, client, ours, noon).what == verdict::unknown);
    }
  }
}

TEST_CASE("a token that is cut, grown or changed in one bit is not good", "[quic_tokens]") {
  const auto tokens = tokens_of('m');
  for (const auto& token :
       {tokens.make_retry(version, client, ours, theirs, noon), tokens.make_new_token(version, client, noon)}) {
    const std::vector<std::byte> whole(token.bytes().begin(), token.bytes().end());
    const auto is_good = [&](const std::vector<std::byte>& bytes) {
      const auto what = tokens.check(bytes, version, client, ours, noon).what;
      return what == verdict::retry_good || what == verdict::new_token_good;
    };
    REQUIRE(is_good(whole));
    for (std::size_t size = 0; size < whole.size(); ++size)
      REQUIRE_FALSE(is_good({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
    auto grown = whole;
    grown.push_back(std::byte{0});
    REQUIRE_FALSE(is_good(grown));
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
      auto changed = whole;
      changed[bit / 8] ^= std::byte{1} << (bit % 8);
      REQUIRE_FALSE(is_good(changed));
    }
  }
}

TEST_CASE("a token is nothing in another version of QUIC", "[quic_tokens]") {
  const auto tokens = tokens_of('m');
  const auto retry = tokens.make_retry(version, client, ours, theirs, noon);
  const auto later = tokens.make_new_token(version, client, noon);
  for (const auto& token : {retry, later}) {
    CHECK(tokens.check(token.bytes(), version, client, ours, noon).what != verdict::unknown);
    CHECK(tokens.check(token.bytes(), NGTCP2_PROTO_VER_V2, client, ours, noon).what == verdict::unknown);
  }
}

TEST_CASE("the token of a stateless reset is the same for ever, and another for each ID and secret", "[quic_tokens]") {
  const auto make = [](char letter, const quic_cid& id) { return tokens_of(letter).make_stateless_reset(id, client); };
  CHECK(make('m', ours) == make('m', ours));
  CHECK(make('m', ours) != make('m', id_of("12345679")));
  CHECK(make('m', ours) != make('o', ours));
}

TEST_CASE("who listens elsewhere with the same secret does not know the token of a reset", "[quic_tokens]") {
  const auto make = [](const udp_address& local) { return tokens_of('m').make_stateless_reset(ours, local); };
  const auto here = make(address("192.0.2.9", 443));
  CHECK(make(address("192.0.2.9", 443)) == here);
  CHECK(make(address("192.0.2.9", 8'443)) != here);
  CHECK(make(address("192.0.2.8", 443)) != here);
  CHECK(make(address("2001:db8::1", 443)) != here);
  // However the address is written, and whatever number the system gives to the interface.
  CHECK(make(address("::ffff:192.0.2.9", 443)) == here);
  CHECK(make(address("fe80::1%2", 443)) == make(address("fe80::1%3", 443)));
}

TEST_CASE("resets may have a secret of their own, and address tokens are those of the listener", "[quic_tokens]") {
  const quic_tokens other{secret_of('m'), secret_of('r'), {}};
  CHECK(other.make_stateless_reset(ours, client) != tokens_of('m').make_stateless_reset(ours, client));
  CHECK(other.make_stateless_reset(ours, client)
        == quic_tokens(secret_of('n'), secret_of('r'), {}).make_stateless_reset(ours, client));
  const auto token = other.make_new_token(version, client, noon);
  CHECK(tokens_of('m').check(token.bytes(), version, client, ours, noon).what == verdict::new_token_good);
}

} // namespace actorwire::test
