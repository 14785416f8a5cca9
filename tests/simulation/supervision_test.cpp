#include "chi_square.hpp"
#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

std::string host_uri(std::size_t index) {
  return "tcp://host" + std::to_string(index) + ":1";
}

} // namespace

TEST_CASE("whatever users do meanwhile, two dials of one peer are a delay apart", "[simulation][B2]") {
  simulated_system world;
  auto user = world.make_probe();
  const auto policy = quick_policy();
  const auto peer = world.acquire(server, framed());
  for (int count = 0; count < 200; ++count) {
    user.connect(peer);
    user.send(peer, "let me through");
    user.set_policy(world.supervisor(), 1, policy);
    world.acquire(server, framed());
    world.run_for(50ms);
  }
  const auto times = dial_times(world);
  REQUIRE(times.size() > 10);
  for (std::size_t index = 1; index < times.size(); ++index) {
    const auto full = std::min(0.1 * std::pow(2.0, static_cast<double>(index - 1)), 1.0);
    const auto distance = std::chrono::duration<double>(times[index] - times[index - 1]).count();
    CHECK(distance >= full * (1 - policy.jitter) - 1e-6);
    CHECK(distance <= full * (1 + policy.jitter) + 0.01);
  }
}

TEST_CASE("no more than max_connecting attempts are in flight, and all get their turn", "[simulation][B3]") {
  constexpr std::size_t count = 30;
  simulated_system world{{.pool = {.max_connecting = 4}}};
  auto user = world.make_probe();
  auto options = framed();
  options.reconnection.base_delay = options.reconnection.max_delay = 1h;
  for (std::size_t index = 0; index < count; ++index) {
    world.hosts().plan_next(host_uri(index), {.answer = attempt_answer::ignore});
    world.acquire(host_uri(index), options);
  }
  for (int step = 0; step < 100; ++step) {
    const auto figures = user.get_pool_stats(world.supervisor());
    world.run_for(500ms);
    REQUIRE(figures->value);
    REQUIRE(figures->value->connecting <= 4);
  }
  const auto times = dial_times(world);
  REQUIRE(times.size() == count);
  // An attempt that meets silence takes connect_timeout; a fifth one must not begin before the first of four ends.
  for (std::size_t index = 4; index < times.size(); ++index)
    CHECK(times[index] - times[index - 4] >= options.transport.connect_timeout);
}

TEST_CASE("peers that are lost at once are dialled again no faster than the rate", "[simulation][B3]") {
  constexpr std::size_t count = 60;
  constexpr std::size_t burst = 5;
  constexpr double rate = 10;
  simulated_system world{{.pool = {.max_connecting = 100, .reconnects_per_second = rate, .reconnect_burst = burst}}};
  for (std::size_t index = 0; index < count; ++index) {
    world.hosts().listen(host_uri(index), sink_service());
    world.acquire(host_uri(index), framed());
  }
  world.run_for(1min);
  for (std::size_t index = 0; index < count; ++index)
    world.hosts().reset_connections("host" + std::to_string(index));
  world.run_for(1min);
  auto times = dial_times(world);
  REQUIRE(times.size() == 2 * count);
  times.erase(times.begin(), times.begin() + count);
  for (std::size_t first = 0; first < times.size(); ++first)
    for (std::size_t last = first; last < times.size(); ++last) {
      const auto window = std::chrono::duration<double>(times[last] - times[first]).count();
      REQUIRE(static_cast<double>(last - first + 1) <= burst + rate * window + 1e-6);
    }
}

TEST_CASE("peers that are cut at one moment, before they proved healthy, do not come back in one burst",
          "[simulation][B6]") {
  constexpr std::size_t count = 100;
  simulated_system world{
      {.pool = {.max_connecting = 1'000, .reconnects_per_second = 1'000'000, .reconnect_burst = 1'000}}};
  const auto options = framed();
  for (std::size_t index = 0; index < count; ++index) {
    world.hosts().listen(host_uri(index), sink_service());
    world.acquire(host_uri(index), options);
  }
  world.run_for(options.reconnection.reset_after / 2);
  const auto cut = world.now();
  for (std::size_t index = 0; index < count; ++index)
    world.hosts().reset_connections("host" + std::to_string(index));
  world.run_for(1s);
  auto times = dial_times(world);
  REQUIRE(times.size() == 2 * count);
  times.erase(times.begin(), times.begin() + count);
  CHECK(times.back() - cut < options.reconnection.base_delay + 5ms);
  // Ten of them are expected in each tenth of the delay.
  std::vector<std::ptrdiff_t> tenths;
  for (const auto first : times)
    tenths.push_back(std::count_if(times.begin(), times.end(),
                                   [first](auto other) { return other >= first && other - first < 10ms; }));
  CHECK(*std::max_element(tenths.begin(), tenths.end()) < 30);
}

TEST_CASE("a thousand peers that lose their one server dial it again evenly over the base delay, with any seed",
          "[simulation][B6]") {
  constexpr std::size_t count = 1'000;
  constexpr std::size_t bins = 20;
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U}) {
    CAPTURE(seed);
    simulated_system world{
        {.seed = seed,
         .pool = {.max_connecting = 1'000, .reconnects_per_second = 1'000'000, .reconnect_burst = 1'000}}};
    world.hosts().listen(server, sink_service());
    acquire_options options;
    for (std::size_t index = 0; index < count; ++index) {
      // Each is a peer of its own by options that change nothing here.
      options.transport.operation_timeout = 1min + std::chrono::milliseconds{index};
      world.acquire(server, options);
    }
    world.run_for(options.reconnection.reset_after + 1s);
    const auto lost = world.now();
    world.hosts().reset_connections("server");
    world.run_for(1min);
    auto times = dial_times(world);
    REQUIRE(times.size() == 2 * count);
    std::vector<double> shares;
    for (auto time = times.begin() + count; time != times.end(); ++time)
      shares.push_back((*time - lost) / std::chrono::duration<double>(options.reconnection.base_delay));
    CHECK(chi_square(shares, bins) < chi_square_bound(bins));
    // The news of the loss travel for a moment.
    CHECK(*std::min_element(shares.begin(), shares.end()) >= 0);
    CHECK(*std::max_element(shares.begin(), shares.end()) < 1.01);
  }
}

TEST_CASE("closing and acquiring in a loop dials no faster than waiting does", "[simulation][B2]") {
  simulated_system world;
  auto user = world.make_probe();
  const auto policy = quick_policy();
  SECTION("each attempt is refused") {
    for (int count = 0; count < 2'000; ++count) {
      const auto peer = world.acquire(server, framed());
      world.run_for(10ms);
      const auto state = state_of(world, user, peer);
      // An attempt that is cut short says nothing about the server, so the delays would not grow.
      if (state == connection_state::idle || state == connection_state::backoff)
        user.close(peer, close_mode::abort);
      world.run_now();
    }
    const auto times = dial_times(world);
    REQUIRE(times.size() > 10);
    for (std::size_t index = 1; index < times.size(); ++index) {
      const auto full = std::min(0.1 * std::pow(2.0, static_cast<double>(index - 1)), 1.0);
      CHECK(std::chrono::duration<double>(times[index] - times[index - 1]).count()
            >= full * (1 - policy.jitter) - 1e-6);
    }
  }
  SECTION("each attempt meets silence until it is closed") {
    world.hosts().crash("server", simulated_network::crash_kind::machine);
    for (int count = 0; count < 1'000; ++count) {
      user.close(world.acquire(server, framed()), close_mode::abort);
      world.run_for(10ms);
    }
    const auto times = dial_times(world);
    REQUIRE(times.size() > 10);
    for (std::size_t index = 1; index < times.size(); ++index)
      CHECK(times[index] - times[index - 1] >= 80ms);
  }
}

TEST_CASE("closing and acquiring what can be connected to is bounded by the rate of reconnects", "[simulation][B3]") {
  constexpr std::size_t burst = 5;
  constexpr double rate = 10;
  simulated_system world{{.pool = {.reconnects_per_second = rate, .reconnect_burst = burst}}};
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  for (int count = 0; count < 1'000; ++count) {
    const auto peer = world.acquire(server, framed());
    world.run_for(5ms);
    if (state_of(world, user, peer) == connection_state::ready)
      user.close(peer, close_mode::abort);
    world.run_for(5ms);
  }
  const auto dials = static_cast<double>(dial_times(world).size());
  CHECK(dials <= 1 + burst + rate * 10);
  // What works is not held up by a delay: without the rate there would be a dial each 10 ms.
  CHECK(dials > rate * 9);
}

TEST_CASE("a peer that proved healthy and was closed is dialled at once when it is acquired anew", "[simulation][B4]") {
  simulated_system world;
  world.hosts().plan_next(server, refusing());
  world.hosts().plan_next(server, refusing());
  world.hosts().listen(server, sink_service());
  auto user = world.make_probe();
  const auto first = world.acquire(server, framed());
  world.run_for(15s);
  REQUIRE(state_of(world, user, first) == connection_state::ready);
  user.close(first, close_mode::drain);
  world.run_for(1s);
  const auto asked = world.now();
  world.acquire(server, framed());
  world.run_for(1s);
  REQUIRE(dial_times(world).size() == 4);
  CHECK(dial_times(world).back() == asked);
}

TEST_CASE("max_attempts is exact, and the peer fails once", "[simulation][B5]") {
  simulated_system world;
  auto user = world.make_probe();
  auto options = framed();
  options.reconnection.max_attempts = 4;
  const auto peer = world.acquire(server, options);
  user.subscribe(peer);
  user.subscribe_to_pool(world.supervisor());
  world.run_for(1h);
  CHECK(world.hosts().attempt_count(server) == 4);
  REQUIRE(user.last_state() == connection_state::failed);
  CHECK(user.all<state_changed>().back().reason.code == error_code::attempts_exhausted);
  REQUIRE(user.count<pool_event>() == 1);
  CHECK(user.all<pool_event>().back().change == pool_change::gave_up);
}

TEST_CASE("a failed peer that is reset begins anew", "[simulation][B5]") {
  simulated_system world;
  auto user = world.make_probe();
  auto options = framed();
  options.reconnection.max_attempts = 1;
  const auto peer = world.acquire(server, options);
  user.subscribe(peer);
  world.run_for(1s);
  REQUIRE(user.last_state() == connection_state::failed);
  world.hosts().listen(server, sink_service());
  user.reset(world.supervisor(), 1);
  world.run_for(1s);
  CHECK(user.last_state() == connection_state::ready);
}

TEST_CASE("an error that trying again does not cure ends the attempts at once, or slows them", "[simulation][B7]") {
  for (const auto on_permanent : {permanent_error_policy::fail, permanent_error_policy::keep_trying}) {
    CAPTURE(name_of(on_permanent));
    simulated_system world;
    auto user = world.make_probe();
    auto options = framed();
    options.reconnection.on_permanent = on_permanent;
    // Settings of another protocol are refused by the transport, now and for ever.
    options.transport.protocol_settings = quic_config{};
    const auto peer = world.acquire(server, options);
    world.run_for(5s);
    const auto is_failed = on_permanent == permanent_error_policy::fail;
    CHECK(state_of(world, user, peer) == (is_failed ? connection_state::failed : connection_state::backoff));
  }
}

TEST_CASE("the end of the supervisor ends all of its peers", "[simulation][B10]") {
  simulated_system world;
  auto user = world.make_probe();
  world.run_now();
  const auto actors = world.actor_count();
  for (std::size_t index = 0; index < 20; ++index) {
    if (index % 2 == 0)
      world.hosts().listen(host_uri(index), sink_service());
    world.acquire(host_uri(index), framed());
  }
  world.run_for(1s);
  const auto closed = user.close(world.supervisor(), close_mode::drain, 5s);
  world.run_for(5s);
  REQUIRE(closed->value);
  CHECK(closed->value->complete);
  CHECK(world.actor_count() == actors - 1);
  CHECK(world.hosts().open_count() == 0);
  const auto late = user.acquire(world.supervisor(), server);
  world.run_now();
  CHECK(late->error);
}

TEST_CASE("when an outage ends, every peer is ready within its longest delay and one attempt", "[simulation][B11]") {
  simulated_system world{{.pool = {.reconnects_per_second = 1'000}}};
  auto user = world.make_probe();
  std::vector<connection_actor> peers;
  for (std::size_t index = 0; index < 20; ++index) {
    world.hosts().listen(host_uri(index), sink_service());
    peers.push_back(world.acquire(host_uri(index), framed()));
  }
  world.run_for(1s);
  const auto policy = quick_policy();
  const auto longest = std::chrono::duration_cast<duration>(policy.max_delay * (1 + policy.jitter))
                     + acquire_options{}.transport.attempt_timeout;
  for (const auto how : {simulated_network::crash_kind::process, simulated_network::crash_kind::machine}) {
    for (std::size_t index = 0; index < peers.size(); ++index)
      world.hosts().crash("host" + std::to_string(index), how);
    world.run_for(5min);
    for (std::size_t index = 0; index < peers.size(); ++index)
      world.hosts().restart("host" + std::to_string(index));
    world.run_for(longest);
    for (const auto& peer : peers)
      CHECK(state_of(world, user, peer) == connection_state::ready);
  }
}

#if ACTORWIRE_TLS
TEST_CASE("a peer that shakes hands while credentials are renewed is dialled again once it has succeeded",
          "[simulation]") {
  constexpr std::string_view encrypted = "tls://server:1";
  simulated_system world;
  world.hosts().set_link({.delay = 1s});
  world.hosts().listen(encrypted, sink_service());
  auto user = world.make_probe();
  user.subscribe_to_pool(world.supervisor());
  auto options = framed();
  options.transport.tls.verification = insecure_no_verification{};
  const auto peer = world.acquire(encrypted, options);
  REQUIRE(world.run_until([&] { return state_of(world, user, peer) == connection_state::handshaking; }, 10s));
  user.run([to = world.supervisor()](caf::event_based_actor* self) { tell(self, to, reload_tls{.drain = true}); });
  // Credentials are read by a thread of their own, while the clock of the simulation stands still.
  const auto give_up_at = std::chrono::steady_clock::now() + 20s;
  while (count(user, pool_change::tls_reloaded) == 0) {
    world.run_now();
    std::this_thread::yield();
    REQUIRE(std::chrono::steady_clock::now() < give_up_at);
  }
  CHECK(state_of(world, user, peer) == connection_state::handshaking);
  world.run_for(1min);
  CHECK(state_of(world, user, peer) == connection_state::ready);
  CHECK(world.hosts().attempt_count(encrypted) == 2);
  CHECK(world.hosts().open_count() == 1);
}
#endif

} // namespace actorwire::test
