// What does a supervised outbound connection cost while it is idle, and how fast do many come back at once? Ten thousand
// peers of one supervisor, each with its connection and its entry in the pool, dial one process. That process resets a
// thousand of them in one go. Resident memory is compared with a limit, the time until all are ready again, and the rate
// of connects as the other side sees it, with what the policies promise.

#include "accepting_process.hpp"
#include "arguments.hpp"
#include "machine.hpp"
#include "posix.hpp"
#include "program.hpp"
#include "report.hpp"
#include "returning_peers.hpp"

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
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace actorwire::bench {

namespace {

constexpr std::string_view usage = R"(usage: bench_idle_peers [options]
  --peers N       supervised connections (10000)
  --reset N       how many of them the other side resets at once (1000)
  --rate R        reconnects_per_second of the pool (500)
  --burst N       reconnect_burst of the pool (100)
  --connecting N  max_connecting of the pool (64)
  --base-delay MS base_delay of the reconnection policy (1000)
  --json FILE     writes the figures to FILE too
  --smoke         a quick run that proves that everything works
Exit status: 0 if the promises were kept, 1 if not.
)";

struct plan : returning_peers {
  std::uint32_t resets = 1'000;
  std::uint32_t connecting = 64;
  std::string json_file{};
};

plan parse(arguments words) {
  plan wanted{{.rate = 500, .burst = 100}};
  while (const auto option = words.next()) {
    if (*option == "--reset")
      wanted.resets = words.number(1U, 25'000U);
    else if (*option == "--connecting")
      wanted.connecting = words.number(1U, 1'000'000U);
    else if (*option == "--smoke")
      wanted = {{200, std::chrono::milliseconds{50}, 100, 20}, 60, 16, std::move(wanted.json_file)};
    else if (*option == "--json")
      wanted.json_file = words.value();
    else
      wanted.take(*option, words);
  }
  wanted.fit_into_limits();
  wanted.resets = std::min(wanted.resets, wanted.peers);
  return wanted;
}

/// A peer for each, since a pool has one peer for one endpoint: 127.1.0.0, 127.1.0.1, ...
std::string uri_of(std::uint32_t index, std::uint16_t port) {
  return "tcp://127.1." + std::to_string(index / 256) + '.' + std::to_string(index % 256) + ':' + std::to_string(port);
}

class trial {
public:
  explicit trial(const plan& wanted)
    : plan_(wanted), server_(std::size_t{wanted.peers} + wanted.resets * std::size_t{10}, plain_congestion_control()) {}

  /// Returns whether all promises were kept.
  bool run() {
    auto about = describe_machine();
    print(about);
    std::printf("pool: %u attempts at once, %.0f reconnects per second, burst %u; base delay %lld ms, jitter %.1f\n",
                plan_.connecting, plan_.rate, plan_.burst, static_cast<long long>(plan_.base_delay.count()),
                plan_.policy().jitter);
    const noise_meter noise;
    system_config config;
    caf::actor_system system{config};
    network_options options;
    options.pool = limits();
    network net{system, options};

    connect_all(system, net);
    auto kept = plan_.judge_number();
    kept = reset_some(system, net) && kept;
    about.emplace_back("noise", noise.so_far());
    std::printf("noise: %s\n", about.back().second.c_str());
    figures_.save(plan_.json_file, about);
    caf::scoped_actor self{system};
    ask(self.operator->(), net.supervisor(), std::chrono::seconds{30},
        close{close_mode::abort, std::chrono::seconds{20}})
        .receive([](const close_report&) {}, [](const caf::error&) {});
    return kept;
  }

private:
  [[nodiscard]] pool_limits limits() const {
    auto result = plan_.limits();
    result.max_connecting = plan_.connecting;
    return result;
  }

  void connect_all(caf::actor_system& system, network& net) {
    const auto before = settled_resident_bytes(::getpid());
    const auto start = steady_clock::now();
    acquire_options options;
    options.reconnection = plan_.policy();
    for (std::uint32_t index = 0; index < plan_.peers; ++index)
      if (auto peer = net.acquire(uri_of(index, server_.port()), options); !peer)
        throw std::runtime_error("acquire: " + to_string(peer.error()));
    await(system, net, std::chrono::seconds{60}, [this](const pool_stats& now) { return now.ready == plan_.peers; });
    const auto took = seconds_since(start);
    std::printf("\n%u peers ready after %.2f s\n", plan_.peers, took);
    note(std::to_string(plan_.peers) + " peers connected", "s", took);

    const auto after = settled_resident_bytes(::getpid());
    const auto each = (static_cast<double>(after) - static_cast<double>(before)) / plan_.peers;
    std::printf("memory for each: %.0f B resident\n", each);
    note("memory for each peer", "B", each);
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
    const auto first_delay = std::chrono::duration<double>(plan_.base_delay).count() * (1 + plan_.policy().jitter);
    const auto queued = static_cast<double>(plan_.resets > plan_.burst ? plan_.resets - plan_.burst : 0);
    const auto time_bound = first_delay + queued / plan_.rate + slack;
    // 20 ms are for dials that the server saw in a later window than they were started in.
    const auto rate_bound = static_cast<double>(plan_.burst) + plan_.rate * 1.02;

    std::printf("%u reset at once: all ready after %.2f s, bound %.2f s\n", plan_.resets, took, time_bound);
    std::printf("connects in the busiest second: %zu, bound %.0f\n", most, rate_bound);
    std::printf("reconnects: %zu for %llu losses, %u peers failed\n", times.size(),
                static_cast<unsigned long long>(last.losses), last.failed);
    note(std::to_string(plan_.resets) + " reset at once, all ready again", "s", took);
    note("connects in the busiest second", "1/s", static_cast<double>(most));
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

  void note(std::string what, std::string unit, double value) {
    figures_.record(figures_.add_question(std::move(what), std::move(unit), better::lower), 0, value);
  }

  plan plan_;
  accepting_process server_;
  report figures_{{"actorwire"}, {}};
};

int run(arguments words) {
  return trial{parse(words)}.run() ? 0 : 1;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_idle_peers", usage, [&] { return run({count, words}); });
}
