// What a dial does about look-ups that take long or fail.

#include "tcp_sides.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

TEST_CASE("a look-up that hangs blocks nobody and ends when its time is over") {
  const auto let_go = std::make_shared<std::promise<void>>();
  const auto gate = let_go->get_future().share();
  stepped_shard here;
  side near{make_tcp_transport(here.run, std::make_shared<resolver>([gate](const std::string&) -> resolver::answer {
                                 gate.wait();
                                 return std::vector{*parse_ip_address("127.0.0.1")};
                               }))};
  near.init();
  near.wire->connect({protocol::tcp, "hangs.example", 1});
  here.until([&] { return !near.seen.progress.empty(); });
  auto others_run = false;
  here.run.post([&] { others_run = true; });
  here.until([&] { return others_run; });
  CHECK_FALSE(near.seen.closed);
  here.time.advance(resolver::lookup_timeout);
  here.until([&] { return near.seen.closed.has_value(); });
  CHECK(near.seen.closed->code == error_code::resolve_failed);
  CHECK(near.seen.closed->where == phase::resolve);
  let_go->set_value();
}

TEST_CASE("a look-up takes no more than half of a short attempt, and then an earlier one is dialled, which is told",
          "[P6]") {
  const auto let_go = std::make_shared<std::promise<void>>();
  const auto gate = let_go->get_future().share();
  const auto lookups = std::make_shared<std::atomic<int>>(0);
  stepped_shard here;
  plain_listener listener;
  const auto names = std::make_shared<resolver>([gate, lookups](const std::string&) -> resolver::answer {
    if (++*lookups > 1)
      gate.wait();
    return std::vector{*parse_ip_address("127.0.0.1")};
  });
  transport_config config;
  config.attempt_timeout = config.connect_timeout = 2s;
  side first{make_tcp_transport(here.run, names)};
  first.init(config);
  first.wire->connect(listener.where("slow.example"));
  here.until([&] { return first.seen.connected; });
  CHECK_FALSE(first.seen.addresses.stale_addresses);
  side second{make_tcp_transport(here.run, names)};
  second.init(config);
  second.wire->connect(listener.where("slow.example"));
  here.until([&] { return *lookups == 2; });
  here.time.advance(999ms);
  here.settle();
  CHECK_FALSE(second.seen.connected);
  here.time.advance(1ms);
  here.until([&] { return second.seen.connected; });
  CHECK(second.seen.addresses.stale_addresses);
  let_go->set_value();
}

TEST_CASE("an attempt that fails at addresses of an earlier look-up says so, and why", "[P6]") {
  const auto lookups = std::make_shared<std::atomic<int>>(0);
  stepped_shard here;
  plain_listener listener;
  const auto names = std::make_shared<resolver>([lookups](const std::string&) -> resolver::answer {
    if (++*lookups > 1)
      return make_error(error_code::resolve_failed, phase::resolve, origin::system, "name service down");
    return std::vector{*parse_ip_address("127.0.0.1")};
  });
  side first{make_tcp_transport(here.run, names)};
  first.init();
  first.wire->connect(listener.where("moves.example"));
  here.until([&] { return first.seen.connected; });
  const auto where = listener.where("moves.example");
  listener.close();
  side second{make_tcp_transport(here.run, names)};
  second.init();
  second.wire->connect(where);
  here.until([&] { return second.seen.closed.has_value(); });
  CHECK(second.seen.closed->code == error_code::refused);
  CHECK(second.seen.closed->text.find("earlier look-up") != std::string::npos);
  CHECK(second.seen.closed->text.find("name service down") != std::string::npos);
}

TEST_CASE("a name without addresses fails in the phase of resolving") {
  stepped_shard here;
  side near{make_tcp_transport(here.run, resolver_of({}))};
  near.init();
  near.wire->connect({protocol::tcp, "empty.example", 1});
  here.until([&] { return near.seen.closed.has_value(); });
  CHECK(near.seen.closed->code == error_code::name_unknown);
  CHECK(near.seen.closed->where == phase::resolve);
}
