#include "engine/endpoint_failures.hpp"
#include "engine/race.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using kind = race::order::kind;
using orders = std::vector<race::order>;

namespace {

constexpr time_point start{};

transport_error failure_of(error_code code, phase where = phase::connect) {
  return make_error(code, where, origin::remote, std::string{name_of(code)});
}

race::order connect_to(std::size_t index) {
  return {kind::connect, index};
}

race::order drop(std::size_t index) {
  return {kind::give_up, index};
}

// What happens at an instant, before orders are taken.
struct nothing {};
struct connected {
  std::size_t index;
};
struct failed {
  std::size_t index;
};
struct given_up {
  std::size_t index;
};

struct step {
  duration when;
  std::variant<nothing, connected, failed, given_up> what;
  orders expected;
};

struct story {
  std::string_view about;
  std::size_t count;
  std::vector<step> steps;
  std::optional<std::size_t> winner;
  bool is_lost = false;
};

const std::vector<story> stories{
    {"the first wins before its head start is over",
     2,
     {{0ms, nothing{}, {connect_to(0)}}, {249ms, nothing{}, {}}, {249ms, connected{0}, {}}, {1h, nothing{}, {}}},
     0},
    {"the second starts when the first has been silent for its head start, and wins",
     2,
     {{0ms, nothing{}, {connect_to(0)}}, {250ms, nothing{}, {connect_to(1)}}, {260ms, connected{1}, {drop(0)}}},
     1},
    {"the second starts at once when the first fails",
     2,
     {{0ms, nothing{}, {connect_to(0)}}, {1ms, failed{0}, {connect_to(1)}}, {2ms, connected{1}, {}}},
     1},
    {"the first is late, and wins before the second is connected",
     2,
     {{0ms, nothing{}, {connect_to(0)}}, {250ms, nothing{}, {connect_to(1)}}, {300ms, connected{0}, {drop(1)}}},
     0},
    {"a failure lets one further start, and the next has its head start",
     4,
     {{0ms, nothing{}, {connect_to(0)}},
      {100ms, failed{0}, {connect_to(1)}},
      {349ms, nothing{}, {}},
      {350ms, nothing{}, {connect_to(2)}},
      {360ms, failed{1}, {connect_to(3)}},
      {370ms, connected{3}, {drop(2)}}},
     3},
    {"all fail, one after the other",
     2,
     {{0ms, nothing{}, {connect_to(0)}}, {1ms, failed{0}, {connect_to(1)}}, {2ms, failed{1}, {}}, {1h, nothing{}, {}}},
     std::nullopt,
     true},
    {"all fail, the last one first",
     2,
     {{0ms, nothing{}, {connect_to(0)}},
      {250ms, nothing{}, {connect_to(1)}},
      {251ms, failed{1}, {}},
      {1s, failed{0}, {}}},
     std::nullopt,
     true},
    {"one that is given up is dropped, and lets the next start",
     2,
     {{0ms, nothing{}, {connect_to(0)}}, {100ms, given_up{0}, {drop(0), connect_to(1)}}, {1s, connected{1}, {}}},
     1},
    {"reports that come too late change nothing",
     2,
     {{0ms, nothing{}, {connect_to(0)}},
      {250ms, nothing{}, {connect_to(1)}},
      {300ms, connected{1}, {drop(0)}},
      {301ms, connected{0}, {}},
      {302ms, failed{1}, {}},
      {303ms, given_up{0}, {}}},
     1},
    {"of one alone nothing else starts",
     1,
     {{0ms, nothing{}, {connect_to(0)}}, {1h, nothing{}, {}}, {1h, failed{0}, {}}},
     std::nullopt,
     true},
};

orders take_orders(race& running, time_point now) {
  orders all;
  while (const auto order = running.poll_order(now))
    all.push_back(*order);
  return all;
}

} // namespace

TEST_CASE("stories of races") {
  for (const auto& told : stories) {
    DYNAMIC_SECTION(told.about) {
      race running{told.count, 250ms};
      for (const auto& [when, what, expected] : told.steps) {
        INFO("at " << std::chrono::duration_cast<std::chrono::milliseconds>(when).count() << " ms");
        if (const auto* won = std::get_if<connected>(&what))
          running.handle_connected(won->index);
        else if (const auto* lost = std::get_if<failed>(&what))
          running.handle_failure(lost->index, failure_of(error_code::refused));
        else if (const auto* late = std::get_if<given_up>(&what))
          running.give_up(late->index, failure_of(error_code::connect_timeout));
        CHECK(take_orders(running, start + when) == expected);
      }
      CHECK(running.winner() == told.winner);
      CHECK(running.is_lost() == told.is_lost);
      CHECK_FALSE(running.next_start());
    }
  }
}

TEST_CASE("a race says when its next attempt starts") {
  race running{3, 250ms};
  CHECK_FALSE(running.next_start());
  take_orders(running, start + 1s);
  CHECK(running.next_start() == start + 1'250ms);
  take_orders(running, start + 2s);
  CHECK(running.next_start() == start + 2'250ms);
  take_orders(running, start + 3s);
  CHECK_FALSE(running.next_start());
}

TEST_CASE("a race knows since when an attempt is under way, and why it failed") {
  race running{2, 250ms};
  CHECK_FALSE(running.running_since(0));
  take_orders(running, start + 1s);
  CHECK(running.running_since(0) == start + 1s);
  running.handle_failure(0, failure_of(error_code::refused));
  CHECK_FALSE(running.running_since(0));
  CHECK(running.reason(0).code == error_code::refused);
}

TEST_CASE("whatever is reported in whatever order, a race ends once, and only its winner is not dropped or failed") {
  const test::test_seed seed;
  auto chance = seed.engine();
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(chance() % bound); };
  for (int round = 0; round < 2'000; ++round) {
    race running{1 + below(4), std::chrono::milliseconds{10 + below(500)}};
    auto now = start;
    std::set<std::size_t> tried;
    std::set<std::size_t> open;
    const auto follow = [&] {
      for (const auto& order : take_orders(running, now)) {
        if (order.what == kind::connect) {
          REQUIRE(order.index == tried.size());
          REQUIRE(tried.insert(order.index).second);
          open.insert(order.index);
        } else {
          REQUIRE(open.erase(order.index) == 1);
        }
      }
    };
    follow();
    for (int count = 0; count < 100 && !running.winner() && !running.is_lost(); ++count) {
      REQUIRE_FALSE(open.empty());
      const auto index = *std::next(open.begin(), static_cast<std::ptrdiff_t>(below(open.size())));
      now += std::chrono::milliseconds{below(300)};
      switch (below(4)) {
        case 0:
          running.handle_failure(index, failure_of(error_code::refused));
          open.erase(index);
          break;
        case 1:
          running.give_up(index, failure_of(error_code::connect_timeout));
          break;
        case 2:
          if (below(3) == 0)
            running.handle_connected(index);
          break;
        default:
          break;
      }
      follow();
    }
    REQUIRE(running.winner().has_value() != running.is_lost());
    if (running.winner())
      REQUIRE(open == std::set{*running.winner()});
    else
      REQUIRE((open.empty() && tried.size() == running.size()));
  }
}

// -- why nobody won -----------------------------------------------------------------------------------------------------

namespace {

const endpoint quick{protocol::quic, "a", 1};
const endpoint sure{protocol::tls, "a", 1};

transport_error sum_of(const transport_error& first, const transport_error& second) {
  const std::vector<endpoint_failure> all{{quick, first}, {sure, second}};
  return sum_up(all);
}

} // namespace

TEST_CASE("when all endpoints have failed, the error names each with its reason") {
  const auto sum = sum_of(failure_of(error_code::connect_timeout), failure_of(error_code::refused));
  CHECK(sum.text == "none of 2 endpoints could be connected to: quic://a:1: connect_timeout; tls://a:1: refused");
}

TEST_CASE("the error of several endpoints is permanent only if all are") {
  const auto rejected = failure_of(error_code::certificate_rejected, phase::handshake);
  const auto silent = failure_of(error_code::connect_timeout);
  CHECK(sum_of(silent, rejected).code == error_code::connect_timeout);
  CHECK(sum_of(silent, rejected).retryable);
  CHECK(sum_of(rejected, silent).retryable);
  CHECK(sum_of(rejected, rejected).code == error_code::certificate_rejected);
  CHECK_FALSE(sum_of(rejected, rejected).retryable);
  CHECK_FALSE(sum_of(failure_of(error_code::unsupported, phase::setup), rejected).retryable);
}

TEST_CASE("the error of several endpoints is that of the one that says most") {
  const auto refused = failure_of(error_code::refused);
  const auto silent = failure_of(error_code::connect_timeout);
  const auto unreachable = failure_of(error_code::unreachable);
  const auto shaken = failure_of(error_code::handshake_failed, phase::handshake);
  const auto short_of = failure_of(error_code::descriptor_limit, phase::setup);
  CHECK(sum_of(silent, refused).code == error_code::refused);
  CHECK(sum_of(refused, silent).code == error_code::refused);
  CHECK(sum_of(unreachable, silent).code == error_code::connect_timeout);
  CHECK(sum_of(refused, shaken).code == error_code::handshake_failed);
  CHECK(sum_of(shaken, short_of).code == error_code::descriptor_limit);
  auto first = refused;
  first.system_code = 1;
  auto second = refused;
  second.system_code = 2;
  CHECK(sum_of(first, second).system_code == 1);
}
