#include "virtual_clock.hpp"

#include <actorwire/transports/resolver.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace actorwire;

namespace {

/// Look-ups that hang until the gate opens. Shared with the threads of a resolver, which may outlive everything else.
class gate {
public:
  resolver::answer pass(const std::string& host) {
    std::unique_lock locked{guard_};
    asked_.push_back(host);
    changed_.notify_all();
    changed_.wait(locked, [this] { return is_open_; });
    return std::vector{*parse_ip_address("192.0.2.1")};
  }

  void open() {
    const std::lock_guard locked{guard_};
    is_open_ = true;
    changed_.notify_all();
  }

  void wait_for_asked(std::size_t count) {
    std::unique_lock locked{guard_};
    REQUIRE(changed_.wait_for(locked, std::chrono::seconds{20}, [&] { return asked_.size() >= count; }));
  }

  [[nodiscard]] std::vector<std::string> asked() {
    const std::lock_guard locked{guard_};
    return asked_;
  }

private:
  std::mutex guard_;
  std::condition_variable changed_;
  std::vector<std::string> asked_;
  bool is_open_ = false;
};

resolver::lookup_function through(const std::shared_ptr<gate>& way) {
  return [way](const std::string& host) { return way->pass(host); };
}

class stepped {
public:
  stepped() : run({0, shard::mode::stepped, &time, std::make_shared<memory_budget>(1U << 20U)}) { run.start(); }
  ~stepped() { run.stop(); }
  stepped(const stepped&) = delete;
  stepped& operator=(const stepped&) = delete;

  void until(const std::function<bool()>& reached) {
    const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!reached()) {
      if (!run.run_ready())
        std::this_thread::yield();
      REQUIRE(std::chrono::steady_clock::now() < give_up_at);
    }
  }

  test::virtual_clock time;
  shard run;
};

} // namespace

TEST_CASE("a numeric address is answered without a look-up, and not before the question returns") {
  stepped here;
  resolver names{[](const std::string&) -> resolver::answer { std::abort(); }};
  std::optional<resolver::answer> got;
  const auto query = names.resolve("2001:db8::1", here.run, [&](resolver::answer found) { got = std::move(found); });
  CHECK_FALSE(got);
  here.until([&] { return got.has_value(); });
  REQUIRE(got->has_value());
  CHECK(got->value() == std::vector{*parse_ip_address("2001:db8::1")});
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
  stepped here;
  resolver names{[way](const std::string& host) -> resolver::answer {
    if (host == "hangs")
      return way->pass(host);
    return std::vector{*parse_ip_address("192.0.2.7")};
  }};
  auto hangs = false;
  std::optional<resolver::answer> quick;
  const auto first = names.resolve("hangs", here.run, [&](const resolver::answer&) { hangs = true; });
  way->wait_for_asked(1);
  const auto second = names.resolve("quick", here.run, [&](resolver::answer found) { quick = std::move(found); });
  here.until([&] { return quick.has_value(); });
  CHECK_FALSE(hangs);
  way->open();
  here.until([&] { return hangs; });
}

TEST_CASE("the answer to a question that was dropped is not delivered") {
  const auto way = std::make_shared<gate>();
  stepped here;
  resolver names{through(way)};
  auto delivered = 0;
  auto dropped = names.resolve("a.example", here.run, [&](const resolver::answer&) { delivered += 100; });
  const auto kept = names.resolve("b.example", here.run, [&](const resolver::answer&) { ++delivered; });
  way->wait_for_asked(2);
  dropped = {};
  way->open();
  here.until([&] { return delivered > 0; });
  here.run.run_ready();
  CHECK(delivered == 1);
}

TEST_CASE("an answer on its way is taken back with its question") {
  stepped here;
  resolver names;
  auto delivered = false;
  auto query = names.resolve("127.0.0.1", here.run, [&](const resolver::answer&) { delivered = true; });
  query = {};
  here.run.run_ready();
  CHECK_FALSE(delivered);
}

TEST_CASE("an answer that comes after the shard ended touches nothing") {
  const auto way = std::make_shared<gate>();
  resolver names{through(way), 1};
  {
    stepped here;
    const auto query = names.resolve("late.example", here.run, [](const resolver::answer&) { std::abort(); });
    way->wait_for_asked(1);
  }
  way->open();
  // A further question on the only thread shows that the late answer is dealt with.
  stepped next;
  auto done = false;
  const auto query = names.resolve("next.example", next.run, [&](const resolver::answer&) { done = true; });
  next.until([&] { return done; });
}

TEST_CASE("a resolver ends while a look-up hangs") {
  const auto way = std::make_shared<gate>();
  stepped here;
  resolver::query query;
  {
    resolver names{through(way)};
    query = names.resolve("hangs.example", here.run, [](const resolver::answer&) {});
    way->wait_for_asked(1);
  }
  query = {};
  way->open();
}

TEST_CASE("questions beyond the limit are refused with its number, and dropped ones make room") {
  const auto way = std::make_shared<gate>();
  stepped here;
  resolver names{through(way), 1};
  std::vector<resolver::query> queries;
  std::optional<resolver::answer> refused;
  queries.push_back(names.resolve("running.example", here.run, [](const resolver::answer&) {}));
  way->wait_for_asked(1);
  for (std::size_t count = 0; count < resolver::waiting_max; ++count)
    queries.push_back(names.resolve("waiting.example", here.run, [](const resolver::answer&) {}));

  const auto last = names.resolve("one.more", here.run, [&](resolver::answer found) { refused = std::move(found); });
  here.until([&] { return refused.has_value(); });
  REQUIRE_FALSE(refused->has_value());
  CHECK(refused->error().code == error_code::resolve_failed);
  CHECK(refused->error().text.find("1024") != std::string::npos);

  queries.clear();
  auto answered = false;
  const auto next =
      names.resolve("fits.again", here.run, [&](const resolver::answer& found) { answered = found.has_value(); });
  way->open();
  here.until([&] { return answered; });
  CHECK(way->asked() == std::vector<std::string>{"running.example", "fits.again"});
}

TEST_CASE("no more threads are used than allowed") {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  stepped here;
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
      queries.push_back(names.resolve("busy.example", here.run, [&](const resolver::answer&) { ++answered; }));
    here.until([&] { return answered == 300; });
  }
  CHECK(most <= 3);
}

TEST_CASE("a look-up without addresses is an error, never an empty answer") {
  stepped here;
  resolver names{[](const std::string&) -> resolver::answer { return std::vector<ip_address>{}; }};
  std::optional<resolver::answer> got;
  const auto query = names.resolve("empty.example", here.run, [&](resolver::answer found) { got = std::move(found); });
  here.until([&] { return got.has_value(); });
  REQUIRE_FALSE(got->has_value());
  CHECK(got->error().code == error_code::resolve_failed);
  CHECK(got->error().text.find("empty.example") != std::string::npos);
}

TEST_CASE("the system's resolver knows localhost and explains a name that cannot exist") {
  stepped here;
  resolver names;
  std::optional<resolver::answer> local;
  std::optional<resolver::answer> invalid;
  const auto first = names.resolve("localhost", here.run, [&](resolver::answer found) { local = std::move(found); });
  // A label of 64 characters cannot be asked for in DNS (RFC 1035, 2.3.4), so no server is either.
  const auto second = names.resolve(std::string(64, 'x') + ".invalid", here.run,
                                    [&](resolver::answer found) { invalid = std::move(found); });
  here.until([&] { return local && invalid; });
  REQUIRE(local->has_value());
  CHECK_FALSE(local->value().empty());
  REQUIRE_FALSE(invalid->has_value());
  CHECK(invalid->error().code == error_code::resolve_failed);
  CHECK(invalid->error().where == phase::resolve);
  CHECK(invalid->error().system_code != 0);
}
