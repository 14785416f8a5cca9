// A pool of peers that are lent, after an outage of what they are connected to.

#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";
constexpr std::size_t size = 10;

/// A pool of ten peers, five of which are lent for long, and one who asks for a sixth every now and then.
struct worn_pool {
  explicit worn_pool(std::chrono::milliseconds idle_timeout)
    : world{{.pool = {.max_leased = size, .min_idle = size, .lease_idle_timeout = idle_timeout}}},
      user(world.make_probe()),
      owner(world.make_probe()) {
    world.hosts().listen(server, service);
    for (std::size_t number = 0; number < size; ++number)
      held.push_back(borrow());
    for (; held.size() > size / 2; held.pop_back())
      owner.release(world.supervisor(), held.back().id);
    world.run_for(1s);
    check_size(size / 2);
  }

  static checkout wanted(std::chrono::milliseconds wait) {
    return {parse_endpoint(server).value(), framed(), {}, wait, 24h};
  }

  lease borrow() {
    const auto answer = owner.checkout(world.supervisor(), wanted(10s));
    REQUIRE(world.run_until([&] { return answer->count > 0; }));
    return answer->value.value();
  }

  /// Time passes, in which somebody asks every 10 s.
  void live_for(duration span) {
    for (const auto end = world.now() + span; world.now() < end;) {
      const auto answer = user.checkout(world.supervisor(), wanted(1s));
      world.run_for(1s);
      REQUIRE(answer->count == 1);
      if (answer->value)
        user.release(world.supervisor(), answer->value->id);
      world.run_for(9s);
    }
  }

  pool_stats figures() { return test::figures(world, user); }

  void check_size(std::size_t lent) {
    const auto now = figures();
    CHECK(now.leased == lent);
    CHECK(now.leasable == size - lent);
    CHECK(now.ready == size);
    CHECK(now.peers == size);
    CHECK(now.open_breakers == 0);
    CHECK(world.hosts().open_count() == size);
  }

  /// What `sender` sends to this peer comes back.
  void check_echo(const connection_actor& peer) {
    auto reader = world.make_probe();
    reader.subscribe(peer);
    const auto answer = reader.send(peer, "echo", {.policy = when_down::fail});
    world.run_for(10ms);
    CHECK(answer->value);
    CHECK(reader.text() == "echo");
  }

  /// Connections of a host live as long as its service.
  simulated_network::accept_function service = echo_service();
  simulated_system world;
  probe user;
  probe owner;
  std::vector<lease> held;
};

enum class outage : std::uint8_t { machine, process, path, refusal };

} // namespace

TEST_CASE("after any outage the pool is back to its full size within the bound, without anybody's help",
          "[simulation][P2][P3][B11]") {
  worn_pool with{GENERATE(0ms, 60'000ms)};
  auto& hosts = with.world.hosts();
  // One after the other, and in another order: each finds what the one before has left.
  for (const auto what : {outage::machine, outage::process, outage::path, outage::refusal, outage::process,
                          outage::machine, outage::refusal, outage::path}) {
    CAPTURE(static_cast<int>(what));
    switch (what) {
      case outage::machine:
        hosts.crash("server", simulated_network::crash_kind::machine);
        break;
      case outage::process:
        hosts.crash("server", simulated_network::crash_kind::process);
        break;
      case outage::path:
        hosts.partition("server");
        break;
      case outage::refusal:
        hosts.stop_listening(server);
        hosts.reset_connections("server");
        break;
    }
    // Long enough for everything to be noticed, and for the longest delays.
    with.live_for(3min);
    CHECK(with.figures().ready == 0);
    CHECK(with.figures().leased == size / 2);
    hosts.restart("server");
    hosts.heal("server");
    hosts.listen(server, with.service);

    const auto policy = quick_policy();
    const auto options = framed();
    // Behind an open breaker the others follow the one that has connected.
    with.world.run_for(std::chrono::duration_cast<duration>(policy.max_delay * (1 + policy.jitter))
                       + options.transport.attempt_timeout + 1s);
    with.check_size(size / 2);
    // Those that were lent all the time are their owners' still.
    for (const auto& mine : with.held)
      with.check_echo(mine.peer);

    std::vector<answer_to<lease>> answers;
    for (const auto& mine : with.held)
      with.owner.release(with.world.supervisor(), mine.id);
    with.world.run_for(1s);
    with.check_size(0);
    for (std::size_t number = 0; number < size; ++number)
      answers.push_back(with.owner.checkout(with.world.supervisor(), worn_pool::wanted(0ms)));
    with.world.run_now();
    with.held.clear();
    std::set<connection_actor> peers;
    for (const auto& each : answers) {
      REQUIRE(each->value);
      peers.insert(each->value->peer);
      with.check_echo(each->value->peer);
      with.held.push_back(*each->value);
    }
    CHECK(peers.size() == size);
    for (; with.held.size() > size / 2; with.held.pop_back())
      with.owner.release(with.world.supervisor(), with.held.back().id);
    with.world.run_for(1s);
  }
}

} // namespace actorwire::test
