// Connections that were accepted are their clients' to make: whatever ends one, nobody here dials for it.

#include "served_host.hpp"
#include "simulated_system.hpp"
#include "story.hpp"
#include "transport_user.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view here = "tcp://here:1";
/// Where the listener says that its client comes from.
constexpr std::string_view there = "tcp://192.0.2.1:4711";

/// What the actor that serves the client was told.
struct served {
  std::optional<connection_info> info;
  std::vector<state_changed> changes;
  std::string text;
  int count = 0;
};

accept_function keep(const std::shared_ptr<served>& told) {
  return [told](caf::event_based_actor* self, const connection_actor& client) {
    ++told->count;
    return caf::behavior{
        [told](const opened& event) { told->info = event.info; },
        [told](const state_changed& change) { told->changes.push_back(change); },
        [told, self, client](const received& data) {
          told->text += data.body.text();
          if (data.body.text() == "crash")
            throw std::runtime_error{"served badly"};
          tell(self, client, cast{data.body, {}});
        },
        [](const peer_closing&) {},
        [](const backpressure&) {},
        [](const data_lost&) {},
    };
  };
}

enum class ending : std::uint8_t { reset, vanished, process_crashed, machine_stopped, in_order, serving_actor_crashed };

struct expectation {
  ending how;
  error_code reason;
};

constexpr std::array endings{
    expectation{ending::reset, error_code::reset},
    expectation{ending::vanished, error_code::keepalive_timeout},
    expectation{ending::process_crashed, error_code::reset},
    expectation{ending::machine_stopped, error_code::keepalive_timeout},
    expectation{ending::in_order, error_code::peer_closed},
    expectation{ending::serving_actor_crashed, error_code::closed},
};

} // namespace

TEST_CASE("whatever ends a connection that was accepted, nobody dials its client, and nothing of it is left",
          "[simulation][P8][B10][S3]") {
  for (const auto& [how, reason] : endings) {
    CAPTURE(static_cast<int>(how));
    simulated_system world;
    auto user = world.make_probe();
    // There is somebody to be reached where the client came from.
    world.hosts().listen(there, echo_service());
    const auto told = std::make_shared<served>();
    const auto listener = serve_at(world, user, here, keep(told), {});
    const auto actors = world.actor_count();
    const auto timers = world.timer_count();

    if (how == ending::vanished)
      world.hosts().plan_next(here, vanishing(5));
    const auto home = dynamic_cast<const shard_resident&>(*caf::actor_cast<caf::abstract_actor*>(user.handle())).home();
    transport_user client{world.hosts().create_transport(protocol::tcp, home->shard()).value()};
    REQUIRE(client.init());
    client.connect(parse_endpoint(here).value());
    client.allow_everything();
    world.run_for(1s);
    client.write("hello");
    world.run_for(1s);
    REQUIRE(told->info);
    REQUIRE(told->text == "hello");
    REQUIRE(client.received() == "hello");
    REQUIRE(world.actor_count() == actors + 2);
    const auto known = user.lookup(world.supervisor(), told->info->id);

    switch (how) {
      case ending::reset:
        world.hosts().reset_connections("here");
        break;
      case ending::vanished:
        client.write("never arrives");
        break;
      case ending::process_crashed:
        client.close(make_error(error_code::crashed, phase::established, origin::local, "the process is gone"));
        break;
      case ending::machine_stopped:
        world.hosts().partition("here");
        break;
      case ending::in_order:
        client.finish();
        break;
      case ending::serving_actor_crashed:
        client.write("crash");
        break;
    }
    world.run_for(10min);

    client.drop();
    world.run_for(1s);

    // No attempt, to the address that it came from or to any other.
    CHECK(world.hosts().records().size() == 1);
    CHECK(world.hosts().attempt_count(there) == 0);
    const auto figures = user.get_pool_stats(world.supervisor());
    const auto all = user.list(world.supervisor());
    world.run_now();
    CHECK(figures->value.value().peers == 0);
    CHECK(figures->value->attempts == 0);
    CHECK(figures->value->waiting == 0);
    CHECK(all->value.value().empty());
    CHECK(known->error);
    CHECK(told->count == 1);
    CHECK(world.actor_count() == actors);
    CHECK(world.timer_count() == timers);
    CHECK(world.net().memory_used() == 0);
    // Whoever serves the client and lives on was told why, and nothing after it.
    if (how != ending::serving_actor_crashed) {
      REQUIRE_FALSE(told->changes.empty());
      CHECK(told->changes.back().to == connection_state::closed);
      CHECK(told->changes.back().reason.code == reason);
      CHECK_FALSE(told->changes.back().reason.text.empty());
      CHECK(told->changes.back().next_retry == 0ms);
    }
    for (const auto& change : told->changes) {
      CHECK(change.to != connection_state::backoff);
      CHECK(change.to != connection_state::resolving);
      CHECK(change.to != connection_state::connecting);
    }
  }
}

} // namespace actorwire::test
