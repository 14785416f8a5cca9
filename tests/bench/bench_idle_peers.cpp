// What does a supervised outbound connection cost while it is idle, and how fast do many come back at once? Ten thousand
// peers of one supervisor, each with its connection and its entry in the pool, dial one process. That process resets a
// thousand of them in one go. Resident memory is compared with a limit, the time until all are ready again, and the rate
// of connects as the other side sees it, with what the policies promise.

#include "accepting_process.hpp"
#include "arguments.hpp"
#include "machine.hpp"
#include "posix.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view usage = R"(usage: bench_idle_peers [options]
  --peers N       supervised connections (10000)
  --reset N       how many of them the other side resets at once (1000)
  --rate R        reconnects_per_second of the pool (500)
  --burst N       reconnect_burst of the pool (100)
  --connecting N  max_connecting of the pool (64)
  --base-delay MS base_delay of the reconnection policy (1000)
  --smoke         a quick run that proves that everything works
Exit status: 0 if the promises were kept, 1 if not.
)";

struct plan {
  std::uint32_t peers = 10'000;
  std::uint32_t resets = 1'000;
  double rate = 500;
  std::uint32_t burst = 100;
  std::uint32_t connecting = 64;
  std::chrono::milliseconds base_delay{1'000};
};

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--peers")
      wanted.peers = words.number(1U, 25'000U);
    else if (*option == "--reset")
      wanted.resets = words.number(1U, 25'000U);
    else if (*option == "--rate")
      wanted.rate = words.number(0.001, 1e6);
    else if (*option == "--burst")
      wanted.burst = words.number(1U, 1'000'000U);
    else if (*option == "--connecting")
      wanted.connecting = words.number(1U, 1'000'000U);
    else if (*option == "--base-delay")
      wanted.base_delay = std::chrono::milliseconds{words.number(1, 30'000)};
    else if (*option == "--smoke")
      wanted = {200, 60, 100, 20, 16, std::chrono::milliseconds{50}};
    else
      throw usage_error("unknown option '" + std::string{*option} + "'");
  }
  wanted.peers = static_cast<std::uint32_t>(affordable_connections(wanted.peers));
  wanted.resets = std::min(wanted.resets, wanted.peers);
  return wanted;
}

/// A peer for each, since a pool has one peer for one endpoint: 127.1.0.0, 127.1.0.1, ...
std::string uri_of(std::uint32_t index, std::uint16_t port) {
  return "tcp://127.1." + std::to_string(index / 256) + '.' + std::to_string(index % 256) + ':' + std::to_string(port);
}

/// The greatest number of `times`, which ascend, in any window of one second.
std::size_t most_in_a_second(const std::vector<steady_clock::time_point>& times) {
  std::size_t most = 0;
  for (auto first = times.begin(), last = times.begin(); last != times.end(); ++last) {
    while (*last - *first >= std::chrono::seconds{1})
      ++first;
    most = std::max(most, static_cast<std::size_t>(last - first) + 1);
  }
  return most;
}

class trial {
public:
  explicit trial(const plan& wanted)
    : plan_(wanted), server_(std::size_t{wanted.peers} + wanted.resets * std::size_t{10}, plain_congestion_control()) {}

  /// Returns whether all promises were kept.
  bool run() {
    for (const auto& [name, value] : describe_machine())
      std::printf("%s: %s\n", name.c_str(), value.c_str());
    std::printf("pool: %u attempts at once, %.0f reconnects per second, burst %u; base delay %lld ms, jitter %.1f\n",
                plan_.connecting, plan_.rate, plan_.burst, static_cast<long long>(plan_.base_delay.count()),
                policy().jitter);
    const noise_meter noise;
    system_config config;
    caf::actor_system system{config};
    network_options options;
    options.pool = limits();
    network net{system, options};

    connect_all(system, net);
    const auto kept = reset_some(system, net);
    std::printf("noise: %s\n", noise.so_far().c_str());
    caf::scoped_actor self{system};
    ask(self.operator->(), net.supervisor(), std::chrono::seconds{30},
        close{close_mode::abort, std::chrono::seconds{20}})
        .receive([](const close_report&) {}, [](const caf::error&) {});
    return kept;
  }

private:
  [[nodiscard]] pool_limits limits() const {
    pool_limits result;
    result.max_connections = plan_.peers;
    result.max_connecting = plan_.connecting;
    result.reconnects_per_second = plan_.rate;
    result.reconnect_burst = plan_.burst;
    return result;
  }

  [[nodiscard]] reconnection_policy policy() const {
    reconnection_policy result;
    result.base_delay = plan_.base_delay;
    return result;
  }

  void connect_all(caf::actor_system& system, network& net) {
    const auto before = settled_resident_bytes(::getpid());
    const auto start = steady_clock::now();
    acquire_options options;
    options.reconnection = policy();
    for (std::uint32_t index = 0; index < plan_.peers; ++index)
      if (auto peer = net.acquire(uri_of(index, server_.port()), options); !peer)
        throw std::runtime_error("acquire: " + to_string(peer.error()));
    await(system, net, std::chrono::seconds{60}, [this](const pool_stats& now) { return now.ready == plan_.peers; });
    std::printf("\n%u peers ready after %.2f s\n", plan_.peers, seconds_since(start));

    const auto after = settled_resident_bytes(::getpid());
    std::printf("memory for each: %.0f B resident\n",
                (static_cast<double>(after) - static_cast<double>(before)) / plan_.peers);
  }

  bool reset_some(caf::actor_system& system, network& net) {
    const auto accepted_before = server_.accepted();
    const auto start = steady_clock::now();
    server_.reset_oldest(plan_.resets);
    const auto last = await(system, net, std::chrono::seconds{120}, [this](const pool_stats& now) {
      return now.losses >= plan_.resets && now.ready == plan_.peers;
    });
    const auto took = seconds_since(start);
    const auto times = server_.accept_times(accepted_before);
    const auto most = most_in_a_second(times);

    // The first delay at its longest, then the queue at the gate. Half a second is for the machine: the connects themselves,
    // and a server that is not scheduled at once.
    constexpr auto slack = 0.5;
    const auto first_delay = std::chrono::duration<double>(plan_.base_delay).count() * (1 + policy().jitter);
    const auto queued = static_cast<double>(plan_.resets > plan_.burst ? plan_.resets - plan_.burst : 0);
    const auto time_bound = first_delay + queued / plan_.rate + slack;
    // 20 ms are for dials that the server saw in a later window than they were started in.
    const auto rate_bound = static_cast<double>(plan_.burst) + plan_.rate * 1.02;

    std::printf("%u reset at once: all ready after %.2f s, bound %.2f s\n", plan_.resets, took, time_bound);
    std::printf("connects in the busiest second: %zu, bound %.0f\n", most, rate_bound);
    std::printf("reconnects: %zu for %llu losses, %u peers failed\n", times.size(),
                static_cast<unsigned long long>(last.losses), last.failed);
    const auto kept = took <= time_bound && static_cast<double>(most) <= rate_bound && last.failed == 0;
    std::printf("%s\n", kept ? "promises kept" : "PROMISES BROKEN");
    return kept;
  }

  /// Asks the supervisor until `done`; returns what it said then.
  template <class Predicate>
  static pool_stats await(caf::actor_system& system, network& net, std::chrono::seconds timeout, Predicate done) {
    caf::scoped_actor self{system};
    const auto deadline = steady_clock::now() + timeout;
    pool_stats now;
    for (;;) {
      ask(self.operator->(), net.supervisor(), timeout, get_pool_stats{})
          .receive([&](const pool_stats& answer) { now = answer; },
                   [](const caf::error&) { throw std::runtime_error("the supervisor does not answer"); });
      if (done(now))
        return now;
      if (steady_clock::now() > deadline)
        throw std::runtime_error("only " + std::to_string(now.ready) + " peers are ready, "
                                 + std::to_string(now.waiting) + " wait, " + std::to_string(now.failed) + " failed");
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
  }

  static double seconds_since(steady_clock::time_point start) {
    return std::chrono::duration<double>(steady_clock::now() - start).count();
  }

  plan plan_;
  accepting_process server_;
};

int run(int count, char** words) {
  try {
    return trial{parse(arguments{count, words})}.run() ? 0 : 1;
  } catch (const usage_error& failure) {
    std::cerr << "bench_idle_peers: " << failure.what() << "\n\n" << usage;
    return 2;
  } catch (const std::exception& failure) {
    std::cerr << "bench_idle_peers: " << failure.what() << '\n';
    return 1;
  }
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  return actorwire::bench::run(count, words);
}
