#include "seed.hpp"
#include "session_world.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>

using namespace actorwire;
using namespace actorwire::test;

TEST_CASE("wherever connections are cut, each message is delivered once and in order, or is in one range of those that "
          "were lost",
          "[D8]") {
  const test_seed seed;
  session_sights seen;
  const auto rounds = seed_count(1'000);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    session_world around{seed.engine(round), seen};
    around.run(500);
    around.heal();
  }
  if (rounds < 1'000)
    return;
  // A world in which none of that happens would prove nothing.
  CHECK(seen.delivered > 10'000);
  CHECK(seen.resumed > 100);
  CHECK(seen.duplicates > 100);
  CHECK(seen.fenced_frames > 100);
  CHECK(seen.surrendered > 10);
  CHECK(seen.superseded > 0);
  CHECK(seen.not_known > 100);
  CHECK(seen.no_room > 0);
  CHECK(seen.clients_lost > 100);
  CHECK(seen.hosts_lost > 100);
  CHECK(seen.goodbyes > 10);
  CHECK(seen.blocked > 100);
  CHECK(seen.strangers > 100);
}
