#include "edge/system_lookup.hpp"
#include "resolver_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <netdb.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

TEST_CASE("a numeric address is answered without a look-up, and not before the question returns") {
  stepped_shard here;
  resolver names{[](const std::string&) -> resolver::answer { std::abort(); }};
  std::optional<resolver::resolved> got;
  const auto query = names.resolve("2001:db8::1", here.run, [&](resolver::resolved found) { got = std::move(found); });
  CHECK_FALSE(got);
  here.until([&] { return got.has_value(); });
  REQUIRE(got->has_value());
  CHECK(got->value().addresses == numeric({"2001:db8::1"}));
  CHECK_FALSE(got->value().stale_because);
}

TEST_CASE("addresses are parsed strictly and rendered as they were read") {
  for (const auto* text : {"0.0.0.0", "192.0.2.255", "::", "::1", "2001:db8::5", "fe80::1%1"}) {
    CAPTURE(text);
    const auto parsed = parse_ip_address(text);
    REQUIRE(parsed);
    CHECK(to_string(*parsed) == text);
  }
  for (const auto* text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "[::1]", ":::", "fe80::1%", "fe80::1%no-such0"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_ip_address(text));
  }
}

TEST_CASE("a look-up that hangs stops neither the shard nor other look-ups") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{[way](const std::string& host) -> resolver::answer {
    if (host == "hangs")
      return way->pass(host);
    return std::vector{*parse_ip_address("192.0.2.7")};
  }};
  auto hangs = false;
  std::optional<resolver::resolved> quick;
  const auto first = names.resolve("hangs", here.run, [&](const resolver::resolved&) { hangs = true; });
  way->wait_for_asked(1);
  const auto second = names.resolve("quick", here.run, [&](resolver::resolved found) { quick = std::move(found); });
  here.until([&] { return quick.has_value(); });
  CHECK_FALSE(hangs);
  way->open();
  here.until([&] { return hangs; });
}

TEST_CASE("the answer to a question that was dropped is not delivered") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{through(way)};
  auto delivered = 0;
  auto dropped = names.resolve("a.example", here.run, [&](const resolver::resolved&) { delivered += 100; });
  const auto kept = names.resolve("b.example", here.run, [&](const resolver::resolved&) { ++delivered; });
  way->wait_for_asked(2);
  dropped = {};
  way->open();
  here.until([&] { return delivered > 0; });
  here.run.run_ready();
  CHECK(delivered == 1);
}

TEST_CASE("an answer on its way is taken back with its question") {
  stepped_shard here;
  resolver names;
  auto delivered = false;
  auto query = names.resolve("127.0.0.1", here.run, [&](const resolver::resolved&) { delivered = true; });
  query = {};
  here.run.run_ready();
  CHECK_FALSE(delivered);
}

TEST_CASE("an answer that comes after the shard ended touches nothing") {
  const auto way = std::make_shared<gate>();
  resolver names{through(way), 1};
  {
    stepped_shard here;
    const auto query = names.resolve("late.example", here.run, [](const resolver::resolved&) { std::abort(); });
    way->wait_for_asked(1);
  }
  way->open();
  // A further question on the only thread shows that the late answer is dealt with.
  stepped_shard next;
  auto done = false;
  const auto query = names.resolve("next.example", next.run, [&](const resolver::resolved&) { done = true; });
  next.until([&] { return done; });
}

TEST_CASE("a resolver ends while a look-up hangs") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver::query query;
  {
    resolver names{through(way)};
    query = names.resolve("hangs.example", here.run, [](const resolver::resolved&) {});
    way->wait_for_asked(1);
  }
  query = {};
  way->open();
}

TEST_CASE("questions beyond the limit are refused with its number, and dropped ones make room") {
  const auto way = std::make_shared<gate>();
  stepped_shard here;
  resolver names{through(way), 1};
  std::vector<resolver::query> queries;
  std::optional<resolver::resolved> refused;
  queries.push_back(names.resolve("running.example", here.run, [](const resolver::resolved&) {}));
  way->wait_for_asked(1);
  for (std::size_t count = 0; count < resolver::waiting_max; ++count)
    queries.push_back(
        names.resolve("waiting" + std::to_string(count) + ".example", here.run, [](const resolver::resolved&) {}));

  const auto last = names.resolve("one.more", here.run, [&](resolver::resolved found) { refused = std::move(found); });
  here.until([&] { return refused.has_value(); });
  REQUIRE_FALSE(refused->has_value());
  CHECK(refused->error().code == error_code::resolve_failed);
  CHECK(refused->error().text.find("1024") != std::string::npos);
  // A name that waits already takes any number of questions.
  queries.push_back(names.resolve("waiting7.example", here.run, [](const resolver::resolved&) {}));
  CHECK(names.counts().joined == 1);

  queries.clear();
  auto answered = false;
  const auto next =
      names.resolve("fits.again", here.run, [&](const resolver::resolved& found) { answered = found.has_value(); });
  way->open();
  here.until([&] { return answered; });
  CHECK(way->asked() == std::vector<std::string>{"running.example", "fits.again"});
}

TEST_CASE("no more threads are used than allowed") {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  stepped_shard here;
  auto answered = 0;
  std::vector<resolver::query> queries;
  {
    resolver names{[&](const std::string&) -> resolver::answer {
                     const auto now = ++running;
                     for (auto seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
                     }
                     std::this_thread::yield();
                     --running;
                     return std::vector{*parse_ip_address("192.0.2.1")};
                   },
                   3};
    for (int count = 0; count < 300; ++count)
      queries.push_back(names.resolve("busy" + std::to_string(count) + ".example", here.run,
                                      [&](const resolver::resolved&) { ++answered; }));
    here.until([&] { return answered == 300; });
  }
  CHECK(most <= 3);
}

TEST_CASE("a look-up without addresses is an error, never an empty answer") {
  stepped_shard here;
  resolver names{[](const std::string&) -> resolver::answer { return std::vector<ip_address>{}; }};
  std::optional<resolver::resolved> got;
  const auto query =
      names.resolve("empty.example", here.run, [&](resolver::resolved found) { got = std::move(found); });
  here.until([&] { return got.has_value(); });
  REQUIRE_FALSE(got->has_value());
  CHECK(got->error().code == error_code::name_unknown);
  CHECK(got->error().text.find("empty.example") != std::string::npos);
}

TEST_CASE("the system's resolver knows localhost and explains a name that cannot exist") {
  stepped_shard here;
  resolver names;
  std::optional<resolver::resolved> local;
  std::optional<resolver::resolved> invalid;
  const auto first = names.resolve("localhost", here.run, [&](resolver::resolved found) { local = std::move(found); });
  // A label of 64 characters cannot be asked for in DNS (RFC 1035, 2.3.4), so no server is either.
  const auto second = names.resolve(std::string(64, 'x') + ".invalid", here.run,
                                    [&](resolver::resolved found) { invalid = std::move(found); });
  here.until([&] { return local && invalid; });
  REQUIRE(local->has_value());
  CHECK_FALSE(local->value().addresses.empty());
  REQUIRE_FALSE(invalid->has_value());
  CHECK((invalid->error().code == error_code::name_unknown || invalid->error().code == error_code::resolve_failed));
  CHECK(invalid->error().where == phase::resolve);
  CHECK(invalid->error().system_code != 0);
}

TEST_CASE("an error of a look-up says whether there is no such name or the name service does not answer now") {
  struct lookup_case {
    int number;
    error_code code;
  };
  const lookup_case cases[] = {
      {EAI_NONAME, error_code::name_unknown},     {EAI_NODATA, error_code::name_unknown},
      {EAI_ADDRFAMILY, error_code::name_unknown}, {EAI_AGAIN, error_code::resolve_failed},
      {EAI_FAIL, error_code::resolve_failed},     {EAI_MEMORY, error_code::resolve_failed},
  };
  for (const auto& [number, code] : cases) {
    CAPTURE(number);
    const auto reason = lookup_error("www.example", number);
    CHECK(reason.code == code);
    CHECK(reason.kind == error_kind::connection);
    CHECK(reason.where == phase::resolve);
    CHECK(reason.who == origin::system);
    CHECK(reason.system_code == number);
    // The name may come to be: who dials it goes on.
    CHECK(reason.retryable);
    CHECK(reason.text.find("www.example") != std::string::npos);
    CHECK(reason.text.find(::gai_strerror(number)) != std::string::npos);
  }
  const auto of_system = lookup_error("www.example", EAI_SYSTEM, ENOENT);
  CHECK(of_system.code == error_code::resolve_failed);
  CHECK(of_system.system_code == ENOENT);
}

TEST_CASE("a name that has no address of the families that are asked for is asked for of all") {
  static int asked = 0;
  static int refusal = EAI_NODATA;
  const auto source = [](const char*, const char*, const addrinfo* hints, addrinfo** found) {
    ++asked;
    if ((hints->ai_flags & AI_ADDRCONFIG) != 0)
      return refusal;
    addrinfo wanted{};
    wanted.ai_flags = AI_NUMERICHOST;
    wanted.ai_socktype = hints->ai_socktype;
    return ::getaddrinfo("2001:db8::1", nullptr, &wanted, found);
  };
  for (const auto code : {EAI_NODATA, EAI_ADDRFAMILY}) {
    asked = 0;
    refusal = code;
    const auto found = look_up_with(source, "six.example");
    REQUIRE(found);
    CHECK(*found == numeric({"2001:db8::1"}));
    CHECK(asked == 2);
  }
  // What is no answer about families stays what it is.
  for (const auto code : {EAI_NONAME, EAI_AGAIN}) {
    asked = 0;
    refusal = code;
    CHECK_FALSE(look_up_with(source, "six.example"));
    CHECK(asked == 1);
  }
}

TEST_CASE("only a name without an address of any family is unknown") {
  const auto found =
      look_up_with([](const char*, const char*, const addrinfo*, addrinfo**) { return EAI_NODATA; }, "none.example");
  REQUIRE_FALSE(found);
  CHECK(found.error().code == error_code::name_unknown);
}

TEST_CASE("a look-up function that throws has failed, and its thread goes on") {
  stepped_shard here;
  resolver names{[](const std::string& host) -> resolver::answer {
                   if (host == "throws.example")
                     throw std::runtime_error{"out of luck"};
                   if (host == "throws.anything")
                     throw 7;
                   return numeric({"192.0.2.1"});
                 },
                 1};
  const auto why = asking{names, here, "throws.example"}.failure();
  CHECK(why.code == error_code::resolve_failed);
  CHECK(why.text.find("throws.example") != std::string::npos);
  CHECK(why.text.find("out of luck") != std::string::npos);
  CHECK(asking{names, here, "throws.anything"}.failure().code == error_code::resolve_failed);
  CHECK(asking{names, here, "fine.example"}.found().addresses == numeric({"192.0.2.1"}));
}

TEST_CASE("addresses beyond the limit of their family are dropped, and those of the other family stay") {
  constexpr auto most = resolver::addresses_per_family_max;
  std::vector<std::string> many;
  for (std::size_t count = 0; count < most + 5; ++count)
    many.push_back("2001:db8::" + std::to_string(count));
  many.insert(many.end(), {"192.0.2.1", "192.0.2.2"});
  stepped_shard here;
  resolver names{[many](const std::string&) -> resolver::answer { return numeric(many); }};
  const auto found = asking{names, here, "many.example"}.found().addresses;
  REQUIRE(found.size() == most + 2);
  CHECK(std::vector(found.end() - 2, found.end()) == numeric({"192.0.2.1", "192.0.2.2"}));
  CHECK(found.front() == numeric({"2001:db8::0"}).front());
}
