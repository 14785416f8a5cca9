// Ten thousand supervised peers lose their one server at once: it is killed, and started again at once. Do they come back
// as the policies say? Subscribers of the peers record the delays that were drawn, when the attempts began, and when all were
// ready again; the server records whom it has accepted, and when. With the gate wide open, so that the jitter alone spreads
// the attempts, twice over, and with the default one.

#include "arguments.hpp"
#include "machine.hpp"
#include "posix.hpp"
#include "program.hpp"
#include "report.hpp"
#include "returning_peers.hpp"
#include "storm_checks.hpp"
#include "storm_log.hpp"
#include "storm_server.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view usage = R"(usage: bench_storm [options]
  --peers N         supervised connections (10000)
  --base-delay MS   base_delay of the reconnection policy (3000)
  --reset-after MS  reset_after of the reconnection policy (2000)
  --rate R          reconnects_per_second of the second run (50)
  --burst N         reconnect_burst of the second run (50)
  --seed N          of the network (1)
  --only open|gated one of the two runs
  --json FILE       writes the figures to FILE too
  --smoke           a quick run that proves that everything works: what a busy machine breaks is an aim then
Exit status: 0 if the promises were kept, 1 if not. Aims that are not met do not count.
)";

struct plan : returning_peers {
  std::chrono::milliseconds reset_after{2'000};
  std::uint64_t seed = 1;
  bool runs_open = true;
  bool runs_gated = true;
  /// A busy machine breaks promises of time that a quiet one keeps.
  bool is_smoke = false;
  std::string json_file{};
};

plan parse(arguments words) {
  // Two cores make about 10,000 connections a second with both of their ends: within one second the attempts would be late
  // by what the machine needs, and their spread would be its.
  plan wanted{{.base_delay = std::chrono::milliseconds{3'000}, .rate = 50, .burst = 50}};
  while (const auto option = words.next()) {
    if (*option == "--reset-after")
      wanted.reset_after = std::chrono::milliseconds{words.number(0, 60'000)};
    else if (*option == "--seed")
      wanted.seed = words.number(std::uint64_t{1}, ~std::uint64_t{0});
    else if (*option == "--only") {
      const auto which = words.value();
      if (which != "open" && which != "gated")
        throw usage_error("--only: 'open' or 'gated'");
      wanted.runs_open = which == "open";
      wanted.runs_gated = !wanted.runs_open;
    } else if (*option == "--json")
      wanted.json_file = words.value();
    else if (*option == "--smoke") {
      wanted.peers = 300;
      wanted.base_delay = std::chrono::milliseconds{200};
      wanted.reset_after = std::chrono::milliseconds{100};
      wanted.rate = 300;
      wanted.is_smoke = true;
    } else
      wanted.take(*option, words);
  }
  wanted.fit_into_limits();
  return wanted;
}

double cpu_seconds() {
  rusage used{};
  checked(::getrusage(RUSAGE_SELF, &used), "getrusage");
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double mebibytes(std::size_t bytes) {
  return static_cast<double>(bytes) / (1U << 20U);
}

/// The most that was resident since the mark was set, bytes.
class peak_mark {
public:
  // See proc(5): 5 sets the peak back to what is resident now.
  peak_mark() { std::ofstream{"/proc/self/clear_refs"} << 5; }

  [[nodiscard]] static std::size_t bytes() {
    std::ifstream file{"/proc/self/status"};
    for (std::string word; file >> word;)
      if (word == "VmHWM:") {
        std::size_t kilobytes = 0;
        file >> kilobytes;
        return kilobytes << 10U;
      }
    return 0;
  }
};

class trial {
public:
  trial(const plan& wanted, bool is_open, report& figures) : plan_(wanted), is_open_(is_open), figures_(figures) {}

  /// Returns whether all promises were kept.
  bool run() {
    const auto pool = limits();
    std::printf("\n== %s: %u attempts at once, %.0f reconnects per second, burst %u, breaker after %u failures\n",
                is_open_ ? "the gate wide open" : "the gate", pool.max_connecting, pool.reconnects_per_second,
                pool.reconnect_burst, pool.breaker_failures);
    storm_server server{std::size_t{4} * plan_.peers};
    system_config config;
    caf::actor_system system{config};
    network_options options;
    options.pool = pool;
    options.seed = plan_.seed;
    network net{system, options};
    const auto log = std::make_shared<storm_log>(plan_.peers);
    connect_all(net, server.port(), log);

    auto kept = storm(server, *log, pool, kept_of_a_loss);
    if (is_open_) {
      std::printf("\nonce more: what a peer keeps of a loss it keeps once\n");
      kept = storm(server, *log, pool, 0) && kept;
    }
    log->stop();
    net.drain(std::chrono::milliseconds{0});
    return kept;
  }

private:
  /// Of two storms in one run the second is another round.
  void note(std::string_view what, std::string unit, double value) const {
    const auto text = std::string{is_open_ ? "gate wide open: " : "gate: "}.append(what);
    figures_.record(figures_.find_or_add_question(text, std::move(unit), better::lower), 0, value);
  }

  /// What is said of times, processors and memory.
  [[nodiscard]] std::string_view measured() const { return plan_.is_smoke ? "aim" : "promise"; }

  /// Bytes of the heap that a peer may keep once it has lost a connection: its figures by state and by reason, those of the
  /// connection that is over, and why it ended.
  static constexpr std::size_t kept_of_a_loss = 768;

  /// The server is killed and started again. `more` is what each peer may have more on the heap afterwards, bytes. Returns
  /// whether all promises were kept.
  bool storm(storm_server& server, storm_log& log, const pool_limits& pool, std::size_t more) const {
    log.begin();
    const auto resident_before = settled_resident_bytes(::getpid());
    const auto heap_before = ::mallinfo2().uordblks;
    const peak_mark peak;
    const auto cpu_before = cpu_seconds();
    storm_checks::storm what{.peers = plan_.peers,
                             .pool = pool,
                             .policy = policy(),
                             .is_open = is_open_,
                             .measured = measured(),
                             .killed_at = steady_clock::now(),
                             .back_at = {},
                             .accepted = 0,
                             .accept_times = {}};
    server.restart();
    what.back_at = steady_clock::now();
    // The longest that it may take by the rate alone, and a minute.
    const auto patience = std::chrono::duration<double>(60 + 3 * plan_.peers / pool.reconnects_per_second);
    if (!log.await_all_ready(std::chrono::duration_cast<std::chrono::milliseconds>(patience)))
      throw std::runtime_error("not all peers came back: " + std::to_string(log.ready()) + " of "
                               + std::to_string(plan_.peers));
    const auto cpu = cpu_seconds() - cpu_before;
    const auto resident_peak = peak_mark::bytes();
    prove_healthy();
    const auto resident_after = settled_resident_bytes(::getpid());
    const auto heap_after = ::mallinfo2().uordblks;
    what.accepted = server.accepted().count();
    what.accept_times = server.accepted().times();

    std::printf("the server was away for %.3f s\n",
                std::chrono::duration<double>(what.back_at - what.killed_at).count());
    print_histogram(log.attempts(), what.killed_at);
    std::printf("memory: %.1f MiB resident before, %.1f at its peak, %.1f after; heap in use %.1f and %.1f MiB\n\n",
                mebibytes(resident_before), mebibytes(resident_peak), mebibytes(resident_after), mebibytes(heap_before),
                mebibytes(heap_after));
    note("all ready again", "s", std::chrono::duration<double>(log.last_ready() - what.killed_at).count());
    note("CPU time of the program", "s", cpu);
    note("resident memory at its peak", "MiB", mebibytes(resident_peak));
    note("resident memory afterwards, against before", "%",
         100 * mebibytes(resident_after) / mebibytes(resident_before));
    note("attempts in the busiest second", "1/s", static_cast<double>(most_in_a_second(log.attempts())));
    auto kept = storm_checks{what, log}.run();
    kept = judge(cpu < 2.0, measured(), text_of("%.2f core-seconds of this process, below 2", cpu)) && kept;
    kept = judge(mebibytes(resident_after) <= mebibytes(resident_before) * 1.05 + 1, measured(),
                 text_of("memory back to its baseline: %+.1f %% resident, within 5 %% and 1 MiB",
                         100 * (mebibytes(resident_after) / mebibytes(resident_before) - 1)))
        && kept;
    // Allocators of threads keep some of what was freed in use.
    constexpr std::size_t slack = std::size_t{512} << 10U;
    return judge(heap_after <= heap_before + more * plan_.peers + slack, "promise",
                 text_of("heap in use: %+.0f B for each peer, at most %zu, and 512 KiB in all",
                         (static_cast<double>(heap_after) - static_cast<double>(heap_before)) / plan_.peers, more))
        && kept;
  }

  /// From then on a loss is one of a connection that had proved healthy, and nothing of an earlier one is due.
  void prove_healthy() const { std::this_thread::sleep_for(plan_.reset_after + std::chrono::milliseconds{50}); }

  [[nodiscard]] pool_limits limits() const {
    auto result = plan_.limits();
    if (is_open_) {
      result.max_connecting = plan_.peers;
      result.reconnects_per_second = 1e6;
      result.reconnect_burst = 1'000'000;
      // The breaker would hold back all others behind the first who find nobody.
      result.breaker_failures = 0;
    }
    return result;
  }

  [[nodiscard]] reconnection_policy policy() const {
    auto result = plan_.policy();
    result.reset_after = plan_.reset_after;
    return result;
  }

  void connect_all(network& net, std::uint16_t port, const std::shared_ptr<storm_log>& log) const {
    const auto start = steady_clock::now();
    std::vector<std::vector<connection_actor>> peers(net.shard_count());
    acquire_options options;
    options.reconnection = policy();
    for (std::uint32_t index = 0; index < plan_.peers; ++index) {
      // A pool has one peer for the same endpoint and options, so each has options of its own, in what changes nothing.
      options.transport.operation_timeout = std::chrono::milliseconds{10'000 + index};
      auto made = net.acquire("tcp://127.0.0.1:" + std::to_string(port), options);
      if (!made)
        throw std::runtime_error("acquire: " + to_string(made.error()));
      peers[index % peers.size()].push_back(std::move(*made));
    }
    for (std::size_t shard = 0; shard < peers.size(); ++shard)
      spawn_recorder(net, shard, std::move(peers[shard]), log);
    if (!log->await_all_ready(std::chrono::seconds{60}))
      throw std::runtime_error("not all peers connect");
    std::printf("%u peers ready after %.2f s\n", plan_.peers,
                std::chrono::duration<double>(log->last_ready() - start).count());
    prove_healthy();
  }

  static void print_histogram(const std::vector<steady_clock::time_point>& attempts, steady_clock::time_point start) {
    constexpr std::size_t bins = 20;
    const auto last = *std::max_element(attempts.begin(), attempts.end());
    const auto width = std::chrono::duration<double>(last - start).count() / bins;
    std::vector<std::size_t> counts(bins + 1);
    for (const auto each : attempts)
      ++counts[static_cast<std::size_t>(std::chrono::duration<double>(each - start).count() / width)];
    counts[bins - 1] += counts[bins];
    const auto most = *std::max_element(counts.begin(), counts.begin() + bins);
    std::printf("attempts over time:\n");
    for (std::size_t bin = 0; bin < bins; ++bin)
      std::printf("  from %7.2f s %6zu %s\n", static_cast<double>(bin) * width, counts[bin],
                  std::string(counts[bin] * 50 / most, '#').c_str());
  }

  plan plan_;
  bool is_open_;
  report& figures_;
};

int run(int count, char** words) {
  if (count == 5 && std::string_view{words[1]} == "serve") {
    accept_board board{unique_fd{std::stoi(words[3])}, std::stoul(words[4])};
    run_storm_server(static_cast<std::uint16_t>(std::stoul(words[2])), board);
    return 0;
  }
  const auto wanted = parse(arguments{count, words});
  auto about = describe_machine();
  print(about);
  report figures{{"actorwire"}, {}};
  std::printf("base delay %lld ms, jitter %.1f, seed %llu\n", static_cast<long long>(wanted.base_delay.count()),
              reconnection_policy{}.jitter, static_cast<unsigned long long>(wanted.seed));
  const noise_meter noise;
  auto kept = wanted.judge_number();
  if (wanted.runs_open)
    kept = trial{wanted, true, figures}.run() && kept;
  if (wanted.runs_gated)
    kept = trial{wanted, false, figures}.run() && kept;
  about.emplace_back("noise", noise.so_far());
  figures.save(wanted.json_file, about);
  std::printf("\nnoise: %s\n%s\n", about.back().second.c_str(), kept ? "promises kept" : "PROMISES BROKEN");
  return kept ? 0 : 1;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_storm", usage, [&] { return run(count, words); });
}
