// QUIC at the limit of memory: connections outlive it, and what peers make it keep counts.

#include "lawless_world.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

TEST_CASE("a connection survives the memory limit, and goes on when there is memory again") {
  quic_world world;
  auto [client, server] = world.connect();
  server.reads = false;
  // All that is left goes elsewhere.
  const auto taken = world.budget->limit() - world.budget->used();
  REQUIRE(world.budget->try_take(taken));
  const auto text = pattern(std::size_t{2} << 20U);
  client.say(0, text);
  client.finish(0);
  world.run_for(5s);
  CHECK_FALSE(client.reason);
  CHECK_FALSE(server.reason);
  CHECK(world.server->dropped() > 0);
  CHECK(client.connection->bytes_acked(0) < text.size());
  world.budget->give_back(taken);
  server.reads = true;
  server.read(0);
  world.until([&, &at = server] { return at.streams[0].ended; });
  CHECK((server.streams[0].text == text));
}

TEST_CASE("a client that comes at the memory limit is not answered, and gets through later") {
  quic_world world;
  const auto taken = world.budget->limit() - world.budget->used();
  REQUIRE(world.budget->try_take(taken));
  auto& client = world.dial();
  world.run_for(1s);
  CHECK(world.server->size() == 0);
  CHECK_FALSE(client.is_connected());
  world.budget->give_back(taken);
  world.until([&] { return client.is_connected(); });
}

TEST_CASE("what a peer has kept by leaving gaps counts as memory, and comes back with the end of its connection") {
  lawless_world here;
  auto& budget = *here.world.budget;
  const auto before = budget.used();
  const auto leave_gaps = [&](std::uint64_t stream, std::uint64_t count) {
    std::string frames;
    for (std::uint64_t piece = 0; piece < count; ++piece) {
      // ngtcp2 keeps pieces of 8 KiB, however little is in them.
      frames += stream_frame(stream, (piece << 13U) + 1, "x");
      if (frames.size() > 1'100 || piece + 1 == count) {
        here.say(std::exchange(frames, {}));
        here.world.run_for(10ms);
      }
    }
  };
  SECTION("as long as there is enough") {
    leave_gaps(4, 120);
    CHECK_FALSE(here.lawless_at_server->reason);
    CHECK(budget.used() - before >= std::size_t{900} << 10U);
    here.lawless_at_server->close();
    here.world.run_for(60s);
    CHECK(budget.used() <= before);
  }
  SECTION("and where the limit is reached, that is its end and nobody else's") {
    const auto taken = budget.limit() - budget.used();
    REQUIRE(budget.try_take(taken));
    leave_gaps(4, 120);
    here.say(raw_frame({0x01}));
    here.world.run_for(10ms);
    REQUIRE(here.lawless_at_server->reason);
    CHECK(here.lawless_at_server->reason->code == error_code::memory_limit);
    CHECK(budget.used() <= budget.limit() + receive_arena::overdraft_max);
    budget.give_back(taken);
    here.check_honest();
  }
}

TEST_CASE("idle connections take nothing of the memory limit for what ngtcp2 needs") {
  quic_world world;
  std::vector<quic_user*> all;
  for (int count = 0; count < 10; ++count) {
    auto [client, server] = world.connect();
    client.say(0, "hello");
    all.insert(all.end(), {&client, &server});
  }
  world.run_for(5s);
  for (const auto* each : all)
    CHECK(each->connection->memory_counted() == 0);
}

TEST_CASE("small datagrams go beyond the memory limit by a little, and no further") {
  lawless_world here;
  auto& budget = *here.world.budget;
  here.lawless_at_server->reads = false;
  const auto taken = budget.limit() - budget.used();
  REQUIRE(budget.try_take(taken));
  std::uint64_t offset = 0;
  for (int count = 0; count < 4'000; ++count) {
    here.say(stream_frame(4, offset, std::string(200, 'x')));
    offset += 200;
    here.world.run_for(100us);
  }
  CHECK(here.world.server->dropped() > 0);
  CHECK(budget.used() <= budget.limit() + receive_arena::overdraft_max + 8'192);
  CHECK_FALSE(here.lawless_at_server->reason);
  budget.give_back(taken);
  here.check_honest();
}

} // namespace actorwire::test
