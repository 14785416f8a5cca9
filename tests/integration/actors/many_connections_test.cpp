// Thousands of connections at once, most of them idle: all are opened, all work, all close, and nothing is left.

#include "program.hpp"

#include <sys/resource.h>

#include <cstdint>
#include <vector>

namespace actorwire::test {

TEST_CASE("9,000 idle connections open, answer, close and leave nothing behind") {
  // Each takes a descriptor at both of its ends, which are in this process.
  constexpr std::uint32_t count = 9'000;
  constexpr rlim_t needed = 2 * count + 200;
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_max < needed)
    SKIP("no more than " << limit.rlim_max << " open files are allowed (RLIMIT_NOFILE), and these take " << needed);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);

  auto options = program::two_shards();
  options.pool.max_connections = 1'000'000;
  options.pool.max_connecting = 64;
  program here{options};
  witness me{here.system};
  const auto descriptors = open_descriptors();
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  // Each peer must be one of its own, so each has a policy of its own: two numbers make enough of them.
  std::vector<connection_actor> peers;
  for (std::uint32_t number = 0; number < count; ++number) {
    acquire_options one;
    one.reconnection.base_delay = std::chrono::milliseconds{1'000 + number};
    peers.push_back(here.net->acquire(uri(server.port), one).value());
  }
  for (const auto& peer : peers)
    me.must_ask<connection_info>(peer, connect{});
  CHECK(me.must_ask<pool_stats>(here.net->supervisor(), get_pool_stats{}).ready == count);
  CHECK(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open == count);

  // One in a hundred says something.
  for (std::size_t index = 0; index < peers.size(); index += 100) {
    me.listen_to(peers[index], event_mask::data);
    anonymous_tell(peers[index], cast{payload::copy_of("ping"), {}});
    CHECK(me.await_bytes(4) == "ping");
  }
  const auto report = me.must_ask<close_report>(here.net->supervisor(), close{close_mode::flush, 10s});
  CHECK(report.complete);
  CHECK(report.delivery.written.messages == (count + 99) / 100);
  wait_until("the accepted ends are gone too",
             [&] { return me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open == 0; });
  CHECK(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepted == count);
  for (const auto& peer : peers)
    CHECK_FALSE(me.try_to_ask<connection_status>(peer, get_state{}));
  me.must_ask<close_report>(server.listener, close{close_mode::abort, 10s});
  wait_until("all descriptors are closed", [&] { return open_descriptors() <= descriptors; });
  wait_until("all memory is back", [&] { return here.net->memory_used() <= 4 * (128U << 10U); });
}

} // namespace actorwire::test
