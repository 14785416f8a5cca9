#include "engine/happy_eyeballs.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using kind = happy_eyeballs::order::kind;

namespace {

ip_address v4(std::uint8_t last) {
  ip_address address;
  address.bytes = {192, 0, 2, last};
  return address;
}

ip_address v6(std::uint8_t last) {
  ip_address address;
  address.bytes = {0x20, 0x01, 0x0d, 0xb8};
  address.bytes[15] = last;
  address.is_v6 = true;
  return address;
}

constexpr happy_eyeballs::settings times{250ms, 5s};
constexpr time_point start{};

transport_error failure_of(error_code code) {
  return make_error(code, phase::connect, origin::system, std::string{name_of(code)});
}

std::vector<happy_eyeballs::order> take_orders(happy_eyeballs& race, time_point now) {
  std::vector<happy_eyeballs::order> orders;
  while (const auto order = race.poll_order(now))
    orders.push_back(*order);
  return orders;
}

happy_eyeballs::order connect_to(std::size_t index) {
  return {kind::connect, index};
}

happy_eyeballs::order give_up(std::size_t index) {
  return {kind::give_up, index};
}

using orders = std::vector<happy_eyeballs::order>;

} // namespace

TEST_CASE("the families take turns, beginning with the one that the resolver prefers") {
  const happy_eyeballs six_first{{v6(1), v6(2), v6(3), v4(1)}, times};
  CHECK(six_first.addresses() == std::vector{v6(1), v4(1), v6(2), v6(3)});
  const happy_eyeballs four_first{{v4(1), v6(1), v6(2)}, times};
  CHECK(four_first.addresses() == std::vector{v4(1), v6(1), v6(2)});
}

TEST_CASE("an address that is named twice is tried once") {
  const happy_eyeballs race{{v4(1), v6(1), v4(1), v6(1)}, times};
  CHECK(race.addresses() == std::vector{v4(1), v6(1)});
}

TEST_CASE("no more than 32 addresses are tried") {
  std::vector<ip_address> many;
  for (std::uint8_t number = 0; number < 100; ++number)
    many.push_back(v4(number));
  const happy_eyeballs race{many, times};
  REQUIRE(race.addresses().size() == happy_eyeballs::addresses_max);
  CHECK(race.addresses().back() == v4(31));
}

TEST_CASE("the second address starts when the first has been silent for the delay") {
  happy_eyeballs race{{v6(1), v4(1)}, times};
  CHECK(take_orders(race, start) == orders{connect_to(0)});
  CHECK(race.next_timeout() == start + 250ms);
  CHECK(take_orders(race, start + 249ms).empty());
  CHECK(take_orders(race, start + 250ms) == orders{connect_to(1)});
  CHECK(race.next_timeout() == start + 5s);
}

TEST_CASE("the second address starts at once when the first fails") {
  happy_eyeballs race{{v6(1), v4(1)}, times};
  take_orders(race, start);
  race.handle_failure(0, failure_of(error_code::refused));
  CHECK(take_orders(race, start + 1ms) == orders{connect_to(1)});
}

TEST_CASE("the winner ends all other attempts and no further ones are started") {
  happy_eyeballs race{{v6(1), v4(1), v6(2)}, times};
  take_orders(race, start);
  take_orders(race, start + 250ms);
  race.handle_connected(1);
  CHECK(race.winner() == 1);
  CHECK(take_orders(race, start + 10s) == orders{give_up(0)});
  CHECK_FALSE(race.next_timeout());
  CHECK_FALSE(race.failure());
}

TEST_CASE("a report that comes after the winner changes nothing") {
  happy_eyeballs race{{v6(1), v4(1)}, times};
  take_orders(race, start);
  take_orders(race, start + 250ms);
  race.handle_connected(1);
  race.handle_connected(0);
  race.handle_failure(0, failure_of(error_code::reset));
  CHECK(race.winner() == 1);
  CHECK_FALSE(race.failure());
}

TEST_CASE("an attempt fails after the connect timeout of its own address") {
  happy_eyeballs race{{v6(1), v4(1)}, times};
  take_orders(race, start);
  take_orders(race, start + 250ms);
  race.handle_timeout(start + 5s);
  CHECK(take_orders(race, start + 5s) == orders{give_up(0)});
  CHECK(race.next_timeout() == start + 5s + 250ms);
  race.handle_timeout(start + 5s + 250ms);
  CHECK(take_orders(race, start + 5s + 250ms) == orders{give_up(1)});
  REQUIRE(race.failure());
  CHECK(race.failure()->code == error_code::connect_timeout);
  CHECK(race.failure()->text == "no answer within 5000 ms (2 addresses tried)");
}

TEST_CASE("when all addresses fail, the reason that tells most is kept") {
  happy_eyeballs race{{v6(1), v4(1), v4(2)}, times};
  take_orders(race, start);
  race.handle_failure(0, failure_of(error_code::unreachable));
  take_orders(race, start);
  race.handle_failure(1, failure_of(error_code::refused));
  CHECK_FALSE(race.failure());
  take_orders(race, start);
  race.handle_failure(2, failure_of(error_code::connect_timeout));
  REQUIRE(race.failure());
  CHECK(race.failure()->code == error_code::refused);
  CHECK(race.failure()->text == "refused (3 addresses tried)");
  CHECK_FALSE(race.next_timeout());
  CHECK(take_orders(race, start + 1h).empty());
}

TEST_CASE("whatever the order of events, a race ends exactly once and tries each address at most once") {
  const test::test_seed seed;
  auto chance = seed.engine();
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(chance() % bound); };

  for (int round = 0; round < 2'000; ++round) {
    std::vector<ip_address> found;
    for (auto count = 1 + below(8); count > 0; --count)
      found.push_back(below(2) == 0 ? v4(static_cast<std::uint8_t>(below(6)))
                                    : v6(static_cast<std::uint8_t>(below(6))));
    happy_eyeballs race{found, {std::chrono::milliseconds{10 + below(500)}, std::chrono::milliseconds{1 + below(900)}}};

    auto now = start;
    std::set<std::size_t> tried;
    std::set<std::size_t> running;
    std::optional<std::size_t> connected;
    const auto follow = [&] {
      for (const auto& order : take_orders(race, now)) {
        if (order.what == kind::connect) {
          REQUIRE(tried.insert(order.index).second);
          running.insert(order.index);
        } else {
          REQUIRE(running.erase(order.index) == 1);
        }
      }
    };
    follow();
    // Every step reports something or moves to the next deadline, so it must end; the bound is far above the need.
    for (int step = 0; step < 1'000 && !race.winner() && !race.failure(); ++step) {
      const auto next = race.next_timeout();
      REQUIRE(next);
      REQUIRE(*next >= now);
      if (running.empty() || below(3) == 0) {
        now = *next;
        race.handle_timeout(now);
      } else {
        const auto index = *std::next(running.begin(), static_cast<std::ptrdiff_t>(below(running.size())));
        now += std::min<duration>(std::chrono::milliseconds{below(50)}, *next - now);
        running.erase(index);
        if (below(8) == 0) {
          race.handle_connected(index);
          connected = index;
        } else {
          race.handle_failure(index, failure_of(below(2) == 0 ? error_code::refused : error_code::unreachable));
        }
      }
      follow();
    }
    REQUIRE(race.winner().has_value() != race.failure().has_value());
    REQUIRE(race.winner() == connected);
    REQUIRE(running.empty());
    if (race.failure())
      REQUIRE(tried.size() == race.addresses().size());

    // Nothing that is reported afterwards changes the end.
    const auto winner = race.winner();
    const auto reason = race.failure();
    for (std::size_t index = 0; index < race.addresses().size(); ++index) {
      race.handle_connected(index);
      race.handle_failure(index, failure_of(error_code::memory_limit));
    }
    race.handle_timeout(now + 1h);
    REQUIRE(take_orders(race, now + 1h).empty());
    REQUIRE(race.winner() == winner);
    REQUIRE(race.failure() == reason);
  }
}
