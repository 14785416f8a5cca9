// Look-ups that hang for ever, and those who ask meanwhile.

#include "resolver_fixture.hpp"

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

/// Names that begin with an h hang until the gate opens.
resolver::lookup_function hanging_by_name(const std::shared_ptr<gate>& way) {
  return [way](const std::string& host) {
    return host.starts_with('h') ? way->pass(host) : resolver::answer{numeric({"192.0.2.7"})};
  };
}

std::vector<std::unique_ptr<asking>> hang(resolver& names, stepped_shard& here, gate& way, std::size_t count) {
  std::vector<std::unique_ptr<asking>> all;
  const auto before = way.asked().size();
  for (std::size_t number = 0; number < count; ++number)
    all.push_back(std::make_unique<asking>(names, here, "h" + std::to_string(before + number)));
  return all;
}

} // namespace

TEST_CASE("look-ups that hang on every thread let others through while these have time left", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{hanging_by_name(way)};
  const auto hanging = hang(names, here, *way, 4);
  way->wait_for_asked(4);
  asking quick{names, here, "quick.example"};
  here.advance(resolver::hung_after - 1ms);
  CHECK_FALSE(quick.is_answered());
  CHECK(names.counts().lookups == 4);
  here.advance(1ms);
  CHECK(quick.found().addresses == numeric({"192.0.2.7"}));
  CHECK(names.counts().hung == 4);
  // So are all that come later, at once.
  for (int count = 0; count < 10; ++count)
    CHECK(asking{names, here, "next" + std::to_string(count)}.answer());
  way->open();
}

TEST_CASE("when as many look-ups hang as there may be threads, every question still has its answer in time", "[P6]") {
  constexpr std::size_t usual = 4;
  constexpr auto most = usual + resolver::hung_threads_max;
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{hanging_by_name(way), usual};
  std::vector<std::vector<std::unique_ptr<asking>>> hanging;
  for (std::size_t begun = 0; begun < most; begun += usual) {
    hanging.push_back(hang(names, here, *way, usual));
    way->wait_for_asked(begun + usual);
    here.advance(resolver::hung_after);
  }
  CHECK(names.counts().hung == most);
  asking stuck{names, here, "quick.example"};
  here.advance(resolver::lookup_timeout - 1ms);
  CHECK_FALSE(stuck.is_answered());
  here.advance(1ms);
  REQUIRE(stuck.is_answered());
  CHECK(stuck.failure().code == error_code::resolve_failed);
  CHECK(stuck.failure().text.find(std::to_string(most) + " look-ups hang") != std::string::npos);
  CHECK(way->asked().size() == most);
  way->open();
  here.until([&] { return names.counts().hung == 0; });
  CHECK(asking{names, here, "quick.example"}.found().addresses == numeric({"192.0.2.7"}));
}

TEST_CASE("threads that took the place of others that hung are gone when these are back", "[P6]") {
  constexpr std::size_t usual = 2;
  const auto way = std::make_shared<gate>();
  const auto crowd = std::make_shared<gate>();
  stepped_shard here;
  resolver names{[way, crowd](const std::string& host) {
                   return host.starts_with('h') ? way->pass(host) : crowd->pass(host);
                 },
                 usual};
  const auto hanging = hang(names, here, *way, usual);
  way->wait_for_asked(usual);
  std::vector<std::unique_ptr<asking>> waiting;
  for (int number = 0; number < 10; ++number)
    waiting.push_back(std::make_unique<asking>(names, here, "c" + std::to_string(number)));
  CHECK(crowd->asked().empty());
  here.advance(resolver::hung_after);
  crowd->wait_for_asked(usual);
  // How long these had to wait before is not theirs.
  here.advance(1ms);
  CHECK(names.counts().hung == usual);
  way->open();
  here.until([&] { return hanging[0]->is_answered() && hanging[1]->is_answered(); });
  // Two look up, and those that hung have left.
  here.until([&] { return names.counts().hung == 0; });
  CHECK(crowd->asked().size() == usual);
  crowd->open();
  for (auto& each : waiting)
    CHECK(each->answer());
}

TEST_CASE("of a name that hangs for ever two look-ups run, and further ones twice as long apart each time", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{hanging_by_name(way)};
  // Asked for each 8 s: at once, when that hangs, and then 30 s, 60 s, 120 s and 240 s after the one before.
  const std::vector<int> begins{0, 1, 5, 13, 28, 58};
  std::size_t begun = 0;
  for (int attempt = 0; attempt < 80; ++attempt) {
    asking again{names, here, "hangs.example"};
    if (begun < begins.size() && attempt == begins[begun])
      way->wait_for_asked(++begun);
    REQUIRE(way->asked().size() == begun);
    here.advance(resolver::lookup_timeout);
    REQUIRE(again.is_answered());
    CHECK(again.failure().code == error_code::resolve_failed);
  }
  CHECK(way->asked().size() == begins.size());
  CHECK(names.counts().hung == begins.size());
  // It heals as soon as one of them comes back.
  asking last{names, here, "hangs.example"};
  way->open();
  CHECK(last.found().addresses == numeric({"192.0.2.1"}));
}

TEST_CASE("a name that hangs for ever leaves half of the threads to others", "[P6]") {
  constexpr auto most = resolver::hung_threads_max / 2;
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{hanging_by_name(way)};
  for (std::size_t attempt = 0; attempt < most + 5; ++attempt) {
    asking again{names, here, "hangs.example"};
    way->wait_for_asked(std::min(attempt + 1, most));
    here.advance(resolver::look_again_after * (1U << attempt));
    REQUIRE(again.is_answered());
  }
  CHECK(way->asked().size() == most);
  // Those may hang as well.
  constexpr std::size_t usual = 4;
  std::vector<std::vector<std::unique_ptr<asking>>> hanging;
  for (auto begun = most; begun + usual <= 2 * most; begun += usual) {
    hanging.push_back(hang(names, here, *way, usual));
    way->wait_for_asked(begun + usual);
    here.advance(resolver::hung_after);
  }
  CHECK(asking{names, here, "quick.example"}.found().addresses == numeric({"192.0.2.7"}));
  way->open();
}

TEST_CASE("a name of which two look-ups hang for ever is found by the third", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{[way](const std::string& host) {
    return way->asked().size() < 2 ? way->pass(host) : resolver::answer{numeric({"192.0.2.7"})};
  }};
  for (std::size_t attempt = 0; attempt < 2; ++attempt) {
    asking again{names, here, "twice.example"};
    way->wait_for_asked(attempt + 1);
    here.advance(resolver::lookup_timeout);
    CHECK_FALSE(again.answer());
  }
  here.advance(resolver::look_again_after - resolver::lookup_timeout - 1ms);
  asking early{names, here, "twice.example"};
  CHECK(names.counts().joined == 1);
  here.advance(1ms);
  CHECK(asking{names, here, "twice.example"}.found().addresses == numeric({"192.0.2.7"}));
  way->open();
}

TEST_CASE("a name whose first look-up hangs is found by the second", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{[way](const std::string& host) {
    return way->asked().empty() ? way->pass(host) : resolver::answer{numeric({"192.0.2.7"})};
  }};
  asking first{names, here, "once.example"};
  way->wait_for_asked(1);
  here.advance(resolver::lookup_timeout);
  CHECK_FALSE(first.answer());
  CHECK(asking{names, here, "once.example"}.found().addresses == numeric({"192.0.2.7"}));
  way->open();
}

TEST_CASE("a question whose resolver has ended is answered when its time is over", "[P6]") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  std::optional<asking> open;
  {
    resolver names{through(way)};
    open.emplace(names, here, "hangs.example");
    way->wait_for_asked(1);
  }
  here.advance(resolver::lookup_timeout);
  CHECK(open->failure().code == error_code::resolve_failed);
  way->open();
}
