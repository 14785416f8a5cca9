// What do honest clients of a TLS listener notice of a flood of others that connect and never finish their handshake, and
// what does it cost the server's memory? The listener has one core and all limits at their defaults. Honest clients
// ping-pong, and others come all the time, from one address; 2,000 attackers come from others, say nothing or a byte a
// second, and come back a second after they were thrown out. Rounds in peace and in a flood alternate, each with a new
// server. The attackers share the client's core, so that what is shown is no better than it is.

#include "arguments.hpp"
#include "child_process.hpp"
#include "flood.hpp"
#include "flooded_server.hpp"
#include "honest_load.hpp"
#include "machine.hpp"
#include "posix.hpp"
#include "program.hpp"
#include "report.hpp"

#include <actorwire/messages/listen_config.hpp>

#include <gnutls/gnutls.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view usage = R"(usage: bench_flood [options]
  --rounds N      rounds, each of them once in peace and once in a flood (5)
  --seconds S     time of each measurement, after a warm-up of up to 2 s (8)
  --attackers N   clients that never finish (2000)
  --addresses N   addresses that they come from, 1 .. 250 (64)
  --pause MS      how long one that was thrown out waits before it comes back (1000)
  --talkers N     honest connections that ping-pong (4)
  --connects N    honest handshakes that begin each second (50)
  --json FILE     writes every single value to FILE too
  --smoke         a quick run that proves that everything works, and measures no time
Exit status: 0 if the promises were kept, 1 if not.
)";

/// What a client that has not finished may cost the server at most, all in all; GnuTLS's session is most of it, and whoever
/// says nothing has none.
constexpr std::size_t bytes_per_half_open = std::size_t{24} << 10U;

/// What a flood may do to the p99 of honest clients.
constexpr double slower_at_most = 2;

enum class role : std::uint8_t { judge, server, attackers };

struct plan {
  role as = role::judge;
  int rounds = 5;
  double seconds = 8;
  std::size_t talkers = 4;
  std::size_t connects = 50;
  flood_plan flood;
  std::string json_file;
  bool is_smoke = false;
  int cpu = -1;
};

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--rounds")
      wanted.rounds = words.number(1, 1'000);
    else if (*option == "--seconds")
      wanted.seconds = words.number(0.01, 600.0);
    else if (*option == "--attackers")
      wanted.flood.attackers = words.number(std::size_t{1}, std::size_t{25'000});
    else if (*option == "--addresses")
      wanted.flood.addresses = words.number(std::size_t{1}, std::size_t{250});
    else if (*option == "--pause")
      wanted.flood.pause = std::chrono::milliseconds{words.number(0, 60'000)};
    else if (*option == "--talkers")
      wanted.talkers = words.number(std::size_t{1}, std::size_t{1'000});
    else if (*option == "--connects")
      wanted.connects = words.number(std::size_t{1}, std::size_t{10'000});
    else if (*option == "--json")
      wanted.json_file = words.value();
    else if (*option == "--smoke") {
      wanted.is_smoke = true;
      wanted.rounds = 1;
      wanted.seconds = 0.2;
      wanted.flood.attackers = 1'100;
    }
    // What follows is for the processes that this one starts.
    else if (*option == "--serve")
      wanted.as = role::server;
    else if (*option == "--attack") {
      wanted.as = role::attackers;
      wanted.flood.port = words.number(std::uint16_t{1}, std::uint16_t{65'535});
    } else if (*option == "--cpu")
      wanted.cpu = words.number(0, 1'023);
    else if (*option == "--congestion")
      wanted.flood.congestion_control = words.value();
    else
      words.refuse();
  }
  if (wanted.flood.congestion_control.empty())
    wanted.flood.congestion_control = plain_congestion_control();
  return wanted;
}

/// What a server says at its end.
struct server_figures {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::uint64_t evicted = 0;
  std::uint64_t errors = 0;
  std::uint64_t buffers = 0;
};

class trial {
public:
  explicit trial(plan wanted) : plan_(std::move(wanted)), cpus_(allowed_cpus()) { add_questions(); }

  /// Returns whether all promises were kept.
  bool run() {
    plan_.flood.attackers = affordable_connections(plan_.flood.attackers);
    describe();
    const noise_meter noise;
    pin_to_cpu(cpus_.front());
    for (auto round = 1; round <= plan_.rounds; ++round) {
      std::cerr << "round " << round << " of " << plan_.rounds << '\n';
      measure(in_peace);
      measure(in_flood);
    }
    about_.emplace_back("noise", noise.so_far());
    report_.print(std::cout);
    std::cout << "\nnoise: " << about_.back().second << '\n';
    report_.save(plan_.json_file, about_);
    return judge();
  }

private:
  static constexpr std::size_t in_peace = 0;
  static constexpr std::size_t in_flood = 1;

  void measure(std::size_t when) {
    child_process server{{"--serve", "--cpu", std::to_string(cpus_.back()), "--congestion", congestion_control()}};
    honest_plan honest;
    honest.wanted.port = static_cast<std::uint16_t>(std::stoul(server.read_line(std::chrono::seconds{10})));
    honest.wanted.congestion_control = congestion_control();
    honest.wanted.connections = plan_.talkers;
    honest.wanted.duration = std::chrono::nanoseconds{static_cast<std::int64_t>(plan_.seconds * 1e9)};
    honest.wanted.warm_up = std::min<std::chrono::nanoseconds>(honest.wanted.duration, std::chrono::seconds{2});
    honest.connects_per_second = plan_.connects;
    // Both times with a server that has served before, so that what it grows by is the flood's.
    auto early = honest;
    early.wanted.duration = honest.wanted.duration / 4;
    const auto before_round = honest_load{early, client_}.run();
    const auto resident_before = settled_resident_bytes(server.id());

    std::optional<child_process> attackers;
    if (when == in_flood) {
      attackers.emplace(std::vector<std::string>{"--attack", std::to_string(honest.wanted.port), "--attackers",
                                                 std::to_string(plan_.flood.attackers), "--addresses",
                                                 std::to_string(plan_.flood.addresses), "--pause",
                                                 std::to_string(plan_.flood.pause.count()), "--congestion",
                                                 congestion_control()});
      static_cast<void>(attackers->read_line(std::chrono::seconds{30}));
    }
    const auto figures = honest_load{honest, client_}.run();
    const auto resident_after = settled_resident_bytes(server.id());
    if (attackers) {
      attackers->finish();
      std::istringstream line{attackers->read_line({})};
      std::uint64_t connects = 0;
      std::uint64_t held = 0;
      line >> connects >> held;
      attackers_held_ = std::max(attackers_held_, held);
      returns_ += connects;
    }
    server.finish();
    std::istringstream line{server.read_line({})};
    server_figures at_end;
    line >> at_end.accepted >> at_end.refused >> at_end.evicted >> at_end.errors >> at_end.buffers;

    report_.record(p50_, when, figures.p50_us);
    report_.record(p99_, when, figures.p99_us);
    report_.record(connect_p50_, when, figures.connect_p50_us);
    report_.record(connect_p99_, when, figures.connect_p99_us);
    report_.record(rate_, when, static_cast<double>(figures.round_trips) / plan_.seconds);
    const auto growth = resident_after > resident_before ? resident_after - resident_before : 0;
    report_.record(growth_, when, static_cast<double>(growth) / 1'048'576);
    report_.record(buffers_, when, static_cast<double>(at_end.buffers) / 1'048'576);
    if (when == in_flood)
      growth_most_ = std::max(growth_most_, growth);
    refused_ += at_end.refused;
    evicted_ += at_end.evicted;
    failures_ += before_round.failures + figures.failures;
    connects_ += figures.connects;
    echoed_.bytes += figures.echoed.bytes;
    echoed_.checksum += figures.echoed.checksum;
  }

  bool judge() const {
    const listen_config defaults;
    const auto limit = defaults.max_handshakes * bytes_per_half_open;
    const auto slower = 1 / report_.advantage(p99_, in_flood, in_peace);
    const auto connects_slower = 1 / report_.advantage(connect_p99_, in_flood, in_peace);
    std::printf("\nhonest clients: %llu bytes echoed, each of them checked, checksum %016llx\n",
                static_cast<unsigned long long>(echoed_.bytes), static_cast<unsigned long long>(echoed_.checksum));
    std::printf("honest connects measured: %llu; honest clients that were not served: %llu, bound 0\n",
                static_cast<unsigned long long>(connects_), static_cast<unsigned long long>(failures_));
    std::printf("attackers: %zu, of whom up to %llu were connected at an end; they came back %llu times\n",
                plan_.flood.attackers, static_cast<unsigned long long>(attackers_held_),
                static_cast<unsigned long long>(returns_));
    std::printf("of them evicted: %llu, refused: %llu\n", static_cast<unsigned long long>(evicted_),
                static_cast<unsigned long long>(refused_));
    std::printf("p99 in a flood: x %.2f of that in peace, connects' x %.2f, bound %.2f%s\n", slower, connects_slower,
                slower_at_most, plan_.is_smoke ? "; not judged in a smoke test" : "");
    std::printf("server's memory grew by %.2f MiB at most, %zu B for each of %u half-open; "
                "bound %.2f MiB, which is max_handshakes x %zu B\n",
                static_cast<double>(growth_most_) / 1'048'576, growth_most_ / defaults.max_handshakes,
                defaults.max_handshakes, static_cast<double>(limit) / 1'048'576, bytes_per_half_open);
    const auto is_fast = plan_.is_smoke || (slower <= slower_at_most && connects_slower <= slower_at_most);
    const auto kept = failures_ == 0 && growth_most_ <= limit && is_fast;
    std::printf("%s\n", kept ? "promises kept" : "PROMISES BROKEN");
    return kept;
  }

  void add_questions() {
    p50_ = report_.add_question("64 B ping-pong of honest clients, p50", "us", better::lower);
    p99_ = report_.add_question("64 B ping-pong of honest clients, p99", "us", better::lower);
    connect_p50_ = report_.add_question("honest connect, full handshake and a round trip, p50", "us", better::lower);
    connect_p99_ = report_.add_question("honest connect, full handshake and a round trip, p99", "us", better::lower);
    rate_ = report_.add_question("round trips of honest clients", "1/s", better::higher);
    growth_ = report_.add_question("growth of the server's resident memory", "MiB", better::lower);
    buffers_ = report_.add_question("network's buffers at the end", "MiB", better::lower);
  }

  void describe() {
    about_ = describe_machine();
    about_.emplace_back("TLS", std::string{"GnuTLS "} + gnutls_check_version(nullptr));
    about_.emplace_back("affinity", "clients and attackers on CPU " + std::to_string(cpus_.front()) + ", server on CPU "
                                        + std::to_string(cpus_.back())
                                        + (cpus_.size() > 1 ? "" : ": there is no second"));
    about_.emplace_back("honest clients", std::to_string(plan_.talkers) + " ping-pong, "
                                              + std::to_string(plan_.connects) + " connect each second");
    about_.emplace_back("attackers", std::to_string(plan_.flood.attackers) + " from "
                                         + std::to_string(plan_.flood.addresses) + " addresses, back after "
                                         + std::to_string(plan_.flood.pause.count()) + " ms");
    about_.emplace_back("congestion control", congestion_control());
    about_.emplace_back("rounds", std::to_string(plan_.rounds) + " x " + std::to_string(plan_.seconds) + " s");
    print(about_);
  }

  [[nodiscard]] const std::string& congestion_control() const noexcept { return plan_.flood.congestion_control; }

  plan plan_;
  std::vector<int> cpus_;
  tls_client client_;
  report report_{{"in peace", "in a flood"}, {in_peace}};
  facts about_;
  std::size_t p50_ = 0;
  std::size_t p99_ = 0;
  std::size_t connect_p50_ = 0;
  std::size_t connect_p99_ = 0;
  std::size_t rate_ = 0;
  std::size_t growth_ = 0;
  std::size_t buffers_ = 0;
  std::size_t growth_most_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t evicted_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t connects_ = 0;
  std::uint64_t returns_ = 0;
  std::uint64_t attackers_held_ = 0;
  verified echoed_;
};

int run(arguments words) {
  const auto wanted = parse(words);
  if (wanted.cpu >= 0)
    pin_to_cpu(wanted.cpu);
  switch (wanted.as) {
    case role::server:
      run_flooded_server(wanted.flood.congestion_control);
      return 0;
    case role::attackers:
      run_flood(wanted.flood);
      return 0;
    case role::judge:
      break;
  }
  return trial{wanted}.run() ? 0 : 1;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_flood", usage, [&] { return run({count, words}); });
}
