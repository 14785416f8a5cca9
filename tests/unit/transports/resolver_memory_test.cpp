// When a name is looked up, when what is remembered of it is told instead, and how whoever asked knows.

#include "engine/name_memory.hpp"
#include "resolver_fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

TEST_CASE("questions for a name that is being looked up wait for that look-up", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{through(way)};
  asking first{names, here, "one.example"};
  way->wait_for_asked(1);
  asking second{names, here, "one.example"};
  asking third{names, here, "one.example"};
  asking other{names, here, "other.example"};
  way->wait_for_asked(2);
  way->open();
  for (auto* each : {&first, &second, &third, &other})
    CHECK(each->found().addresses == numeric({"192.0.2.1"}));
  CHECK(way->asked() == std::vector<std::string>{"one.example", "other.example"});
  CHECK(names.counts() == resolver::figures{2, 2, 0, 0, 0});
}

TEST_CASE("a question that is dropped takes the look-up from no other", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{through(way)};
  std::optional<asking> dropped{std::in_place, names, here, "one.example"};
  way->wait_for_asked(1);
  asking kept{names, here, "one.example"};
  dropped.reset();
  way->open();
  CHECK(kept.found().addresses == numeric({"192.0.2.1"}));
}

TEST_CASE("a name is looked up anew for each question, however well it is remembered", "[P6]") {
  const auto service = std::make_shared<name_service>();
  stepped_shard here;
  resolver names{through(service)};
  CHECK(asking{names, here, "moves.example"}.found().addresses == numeric({"192.0.2.1"}));
  service->set(numeric({"192.0.2.2", "2001:db8::2"}));
  const auto moved = asking{names, here, "moves.example"}.found();
  CHECK(moved.addresses == numeric({"192.0.2.2", "2001:db8::2"}));
  CHECK_FALSE(moved.stale_because);
  CHECK(service->asked() == 2);
}

TEST_CASE("while look-ups fail the last addresses are told, with why, until they are ten minutes old", "[P6]") {
  const auto service = std::make_shared<name_service>();
  stepped_shard here;
  resolver names{through(service)};
  CHECK(asking{names, here, "a.example"}.found().addresses == numeric({"192.0.2.1"}));
  service->set(no_service());
  for (int minute = 0; minute < 10; ++minute) {
    here.advance(1min);
    const auto stale = asking{names, here, "a.example"}.found();
    CHECK(stale.addresses == numeric({"192.0.2.1"}));
    REQUIRE(stale.stale_because);
    CHECK(*stale.stale_because == no_service());
  }
  // Every one of them was looked up first.
  CHECK(service->asked() == 11);
  here.advance(1ms);
  CHECK(asking{names, here, "a.example"}.failure() == no_service());
  CHECK(names.counts() == resolver::figures{12, 0, 10, 1, 0});
  service->set(numeric({"192.0.2.3"}));
  CHECK_FALSE(asking{names, here, "a.example"}.found().stale_because);
}

TEST_CASE("a name that does not exist any more is no failure, and its addresses are forgotten", "[P6]") {
  const auto service = std::make_shared<name_service>();
  stepped_shard here;
  resolver names{through(service)};
  CHECK(asking{names, here, "a.example"}.answer());
  service->set(GENERATE(resolver::answer{no_name()}, resolver::answer{std::vector<ip_address>{}}));
  CHECK(asking{names, here, "a.example"}.failure().code == error_code::name_unknown);
  service->set(no_service());
  CHECK(asking{names, here, "a.example"}.failure() == no_service());
}

TEST_CASE("a name that was never found fails with what the look-up said, whatever others are remembered", "[P6]") {
  const auto service = std::make_shared<name_service>();
  stepped_shard here;
  resolver names{through(service)};
  CHECK(asking{names, here, "a.example"}.answer());
  service->set(no_service());
  CHECK(asking{names, here, "b.example"}.failure() == no_service());
}

TEST_CASE("a look-up that takes longer than its time is answered from memory, and told why", "[P6]") {
  const auto way = std::make_shared<gate>();
  auto is_hanging = std::make_shared<std::atomic<bool>>(false);
  stepped_shard here;
  resolver names{[way, is_hanging](const std::string& host) {
    return *is_hanging ? way->pass(host) : resolver::answer{numeric({"192.0.2.9"})};
  }};
  CHECK(asking{names, here, "a.example"}.answer());
  *is_hanging = true;
  const auto patience = GENERATE(duration{resolver::lookup_timeout}, duration{700ms}, duration{1h});
  asking late{names, here, "a.example", patience};
  way->wait_for_asked(1);
  const auto limit = std::min(patience, resolver::lookup_timeout);
  here.advance(limit - 1ms);
  CHECK_FALSE(late.is_answered());
  here.advance(1ms);
  REQUIRE(late.is_answered());
  CHECK(late.found().addresses == numeric({"192.0.2.9"}));
  const auto why = late.found().stale_because.value();
  CHECK(why.code == error_code::resolve_failed);
  CHECK(why.text.find(std::to_string(limit / 1ms) + " ms") != std::string::npos);
  way->open();
}

TEST_CASE("a look-up that takes longer than its time is an error where nothing is remembered", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{through(way)};
  asking late{names, here, "a.example"};
  way->wait_for_asked(1);
  here.advance(resolver::lookup_timeout);
  REQUIRE(late.is_answered());
  CHECK(late.failure().code == error_code::resolve_failed);
  CHECK(late.failure().retryable);
  CHECK(late.failure().text.find("a.example") != std::string::npos);
  way->open();
}

TEST_CASE("what a look-up finds after all patience is remembered", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{[way](const std::string& host) {
    // The first one is slow, and all later ones fail.
    return way->asked().empty() ? way->pass(host) : resolver::answer{no_service()};
  }};
  asking late{names, here, "slow.example"};
  way->wait_for_asked(1);
  here.advance(resolver::lookup_timeout);
  CHECK(late.failure().code == error_code::resolve_failed);
  CHECK(names.counts().hung == 1);
  way->open();
  here.until([&] { return names.counts().hung == 0; });
  const auto next = asking{names, here, "slow.example"}.found();
  CHECK(next.addresses == numeric({"192.0.2.1"}));
  CHECK(next.stale_because == no_service());
}

TEST_CASE("a look-up that comes back late changes nothing that a later one has answered", "[P6]") {
  const auto way = std::make_shared<gate>();
  const auto service = std::make_shared<name_service>();
  stepped_shard here;
  resolver names{
      [way, service](const std::string& host) { return way->asked().empty() ? way->pass(host) : service->ask(host); }};
  asking first{names, here, "moves.example"};
  way->wait_for_asked(1);
  here.advance(resolver::lookup_timeout);
  CHECK(first.failure().code == error_code::resolve_failed);
  const auto is_there = GENERATE(true, false);
  service->set(is_there ? resolver::answer{numeric({"192.0.2.2"})} : resolver::answer{no_name()});
  CHECK(asking{names, here, "moves.example"}.answer().has_value() == is_there);
  way->open();
  here.until([&] { return names.counts().hung == 0; });
  service->set(no_service());
  asking last{names, here, "moves.example"};
  if (is_there)
    CHECK(last.found() == resolver::resolution{numeric({"192.0.2.2"}), no_service()});
  else
    CHECK(last.failure() == no_service());
}
