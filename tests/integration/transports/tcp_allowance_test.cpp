// A TCP transport reads what it is allowed to, and pauses when memory runs out.

#include "tcp_sides.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/ioctl.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

TEST_CASE("no byte beyond the allowance is read, and the peer is held back") {
  stepped_shard here;
  adopted both{here};
  both.near.wire->receive(1'000);
  const auto bytes = pattern(std::size_t{64} << 20U);
  std::size_t sent = 0;
  // The kernel's buffers grow a while; the peer is held back when they no longer do.
  for (std::size_t more = 1; more > 0;) {
    more = both.far.send_what_fits(std::string_view{bytes}.substr(sent));
    sent += more;
    here.settle();
  }
  CHECK(both.near.seen.text.size() == 1'000);
  CHECK(sent < bytes.size());
  both.near.wire->receive(500'000);
  here.until([&] { return both.near.seen.text.size() >= 501'000; });
  here.settle();
  CHECK(both.near.seen.text.size() == 501'000);
  CHECK(std::string_view{bytes}.starts_with(both.near.seen.text));
}

TEST_CASE("data without an allowance does not keep the shard busy") {
  stepped_shard here;
  adopted both{here};
  both.far.send("waiting");
  here.settle();
  for (int count = 0; count < 100; ++count)
    CHECK_FALSE(here.run.run_ready());
  CHECK(both.near.seen.text.empty());
  both.near.wire->receive(7);
  here.until([&] { return both.near.seen.text == "waiting"; });
}

TEST_CASE("urgent data without an allowance does not keep the shard busy either") {
  stepped_shard here;
  adopted both{here};
  both.far.send("data");
  REQUIRE(::send(both.far.descriptor(), "!", 1, MSG_OOB) == 1);
  here.settle();
  for (int count = 0; count < 100; ++count)
    CHECK_FALSE(here.run.run_ready());
  both.near.wire->receive(unlimited);
  here.until([&] { return both.near.seen.text == "data"; });
}

TEST_CASE("without an allowance, the end and the loss of a connection are still noticed") {
  stepped_shard here;
  adopted ended{here};
  ended.far.finish();
  here.until([&] { return ended.near.seen.peer_finished == 1; });

  adopted lost{here};
  lost.far.reset();
  here.until([&] { return lost.near.seen.closed.has_value(); });
  CHECK(lost.near.seen.closed->code == error_code::reset);

  adopted lost_behind_data{here};
  lost_behind_data.far.send("unread");
  here.settle();
  lost_behind_data.far.reset();
  here.until([&] { return lost_behind_data.near.seen.closed.has_value(); });
  CHECK(lost_behind_data.near.seen.closed->code == error_code::reset);
}

TEST_CASE("a peer's end behind data waits for the allowance, and is no loss when we have ended too") {
  stepped_shard here;
  adopted both{here};
  both.far.send("unread");
  both.far.finish();
  both.near.wire->finish();
  here.settle();
  CHECK(both.near.seen.peer_finished == 0);
  CHECK_FALSE(both.near.seen.closed);
  both.near.wire->receive(unlimited);
  here.until([&] { return both.near.seen.closed.has_value(); });
  CHECK(both.near.seen.text == "unread");
  CHECK(both.near.seen.peer_finished == 1);
  CHECK(both.near.seen.closed->code == error_code::closed);
}

TEST_CASE("at the memory limit reading pauses, and goes on when memory comes back") {
  stepped_shard here{std::size_t{64} << 10U};
  adopted both{here};
  both.near.seen.keeps_payloads = true;
  both.near.wire->receive(unlimited);
  const auto bytes = pattern(1'000'000);
  std::size_t sent = both.far.send_what_fits(bytes);
  here.until([&] { return !both.near.seen.payloads.empty(); });
  here.settle();
  const auto at_limit = both.near.seen.text.size();
  CHECK(at_limit > 0);
  CHECK(at_limit <= std::size_t{64} << 10U);
  CHECK(here.budget->used() <= here.budget->limit());
  // It neither fails nor spins while memory is short.
  for (int count = 0; count < 100; ++count)
    CHECK_FALSE(here.run.run_ready());
  here.time.advance(1s);
  here.settle();
  CHECK(both.near.seen.text.size() == at_limit);
  CHECK_FALSE(both.near.seen.closed);

  both.near.seen.keeps_payloads = false;
  here.until([&] {
    both.near.seen.payloads.clear();
    sent += both.far.send_what_fits(std::string_view{bytes}.substr(sent));
    here.time.advance(10ms);
    return both.near.seen.text.size() == bytes.size();
  });
  CHECK(both.near.seen.text == bytes);
}
