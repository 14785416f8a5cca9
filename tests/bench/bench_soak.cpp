// Does anything grow in a program that runs for long while everything around it fails? Actors ask echo servers of three
// protocols, through peers of their own and through leases. Servers are killed, started again, and stopped for a while;
// the actors of connections are killed on both sides; peers are closed and acquired anew. What the process has in use is
// compared between a rest at the beginning and one at the end, and each request must have had one fate, which its reply
// does not contradict. The process has listeners of its own, too, and workers that talk to them: by sessions, and by streams.

#include "arguments.hpp"
#include "identity_file.hpp"
#include "machine.hpp"
#include "program.hpp"
#include "soak_figures.hpp"
#include "soak_home.hpp"
#include "soak_server.hpp"
#include "soak_worker.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace actorwire::bench {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view usage = R"(usage: bench_soak [options]
  --minutes N   how long (10)
  --workers N   actors that ask, for each protocol (12)
  --seed N      of what goes wrong, and of the network (a new one, which is printed)
  --smoke       a quick run that proves that everything works
Exit status: 0 if nothing grew beyond the tolerance and all accounts add up, 1 if not.
)";

struct plan {
  std::chrono::milliseconds warm_up = 20s;
  std::chrono::milliseconds length = 10min;
  std::chrono::milliseconds interval = 1min;
  /// How long nothing happens before what is in use is compared: longer than any connection outlives its end.
  std::chrono::milliseconds rest = 10s;
  std::size_t workers = 12;
  std::uint64_t seed = 0;
  bool is_smoke = false;
};

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--minutes")
      wanted.length = std::chrono::minutes{words.number(1, 10'000)};
    else if (*option == "--workers")
      wanted.workers = words.number(std::size_t{2}, std::size_t{1'000});
    else if (*option == "--seed")
      wanted.seed = words.number(std::uint64_t{1}, ~std::uint64_t{0});
    else if (*option == "--smoke") {
      wanted.warm_up = 2s;
      wanted.length = 4s;
      wanted.interval = 2s;
      wanted.rest = 6s;
      wanted.workers = 4;
      wanted.is_smoke = true;
    } else
      words.refuse();
  }
  while (wanted.seed == 0)
    wanted.seed = (std::uint64_t{std::random_device{}()} << 32U) | std::random_device{}();
  return wanted;
}

class soak {
public:
  explicit soak(const plan& wanted)
    : plan_(wanted),
      chance_(wanted.seed),
      net_(system_, options_for(wanted, shards_)),
      meter_(system_, net_, shards_),
      home_(net_, identity_) {
    for (const auto proto : {protocol::tcp, protocol::tls, protocol::quic})
      if (is_supported(proto))
        servers_.push_back(std::make_unique<soak_server>(proto, identity_.path()));
    for (const auto& server : servers_)
      for (std::size_t number = 0; number < plan_.workers; ++number)
        add_worker(job(server->where(), number));
    for (std::size_t kind = 0; kind < home_.kinds(); ++kind)
      for (std::size_t number = 0; number < workers_at_home(plan_); ++number)
        add_worker(home_.job(kind, job({protocol::tcp, {}, 0}, 3 * number)));
  }

  ~soak() {
    for (const auto& each : workers_)
      caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  }

  soak(const soak&) = delete;
  soak& operator=(const soak&) = delete;

  /// Returns whether all is well.
  bool run() {
    std::printf("%s\n", header().c_str());
    go_on_for(plan_.warm_up, nullptr);
    const auto before = at_rest("start");
    const auto begin = steady_clock::now();
    go_on_for(plan_.length, [&](std::chrono::milliseconds passed) {
      print(std::to_string(std::chrono::duration_cast<std::chrono::seconds>(passed).count()) + " s", meter_.read());
    });
    const auto after = at_rest("end", &before);
    std::printf("after %lld s\n\n",
                static_cast<long long>(
                    std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - begin).count()));
    // In seconds pools and allocators have not come to what they keep.
    const auto is_flat = compare(before, after, !plan_.is_smoke);
    return check_accounts() && is_flat;
  }

private:
  static network_options options_for(const plan& wanted, const std::shared_ptr<shard_finder>& shards) {
    network_options options;
    options.shards = 2;
    options.seed = wanted.seed;
    options.transports = shards;
    options.pool = pool_for(wanted);
    return options;
  }

  static pool_limits pool_for(const plan& wanted) {
    pool_limits pool;
    // All that can be wanted at once, and half as many that still close.
    pool.max_connections = static_cast<std::uint32_t>(3 * (3 * wanted.workers + 2 * workers_at_home(wanted)));
    pool.reconnects_per_second = 1'000;
    pool.max_leased = static_cast<std::uint32_t>(std::max<std::size_t>(1, wanted.workers / 4));
    // So that none of them is left at a rest.
    pool.lease_idle_timeout = 1s;
    return pool;
  }

  [[nodiscard]] soak_job job(const endpoint& remote, std::size_t number) const {
    soak_job made;
    made.supervisor = net_.supervisor();
    made.remote = remote;
    auto& transport = made.options.transport;
    transport.framing.mode = framing_mode::length_prefixed;
    transport.tls.trust.text = identity_.certificate();
    transport.tls.server_name = "localhost";
    // So that a server that is stopped is noticed in its time.
    transport.keepalive_interval = 1s;
    transport.keepalive_timeout = 2s;
    transport.operation_timeout = 2s;
    if (made.remote.proto == protocol::quic)
      transport.protocol_settings = quic_config{.idle_timeout = 3s};
    made.options.reconnection.base_delay = 50ms;
    made.options.reconnection.max_delay = 500ms;
    // One in three takes leases, which are the same for all of them; each of the others has a peer of its own.
    made.takes_leases = number % 3 == 2;
    if (!made.takes_leases)
      transport.attempt_timeout = 5s + std::chrono::milliseconds{number};
    return made;
  }

  void add_worker(const soak_job& made) {
    workers_.push_back(spawn_soak_worker(net_, workers_.size() % net_.shard_count(), made, account_));
  }

  /// Those of each kind that talk to this process; each has a peer of its own.
  [[nodiscard]] static std::size_t workers_at_home(const plan& wanted) { return wanted.workers / 2; }

  void tell_all(soak_order order) {
    for (const auto& each : workers_)
      anonymous_tell(each, caf::put_atom_v, static_cast<std::int32_t>(order));
  }

  void tell_one(soak_order order) {
    anonymous_tell(workers_[chance_() % workers_.size()], caf::put_atom_v, static_cast<std::int32_t>(order));
  }

  /// Works, and lets things go wrong.
  void go_on_for(std::chrono::milliseconds length, const std::function<void(std::chrono::milliseconds)>& report) {
    tell_all(soak_order::go_on);
    const auto begin = steady_clock::now();
    auto next_report = begin + plan_.interval;
    auto next_fault = begin;
    for (auto now = begin; now < begin + length; now = steady_clock::now()) {
      tell_all(soak_order::work);
      for (const auto& each : servers_)
        each->follow_time(now);
      if (now >= next_fault) {
        go_wrong(now);
        next_fault = now + std::chrono::milliseconds{50 + chance_() % 400};
      }
      if (report && now >= next_report) {
        report(std::chrono::duration_cast<std::chrono::milliseconds>(now - begin));
        next_report += plan_.interval;
      }
      std::this_thread::sleep_for(20ms);
    }
  }

  void go_wrong(steady_clock::time_point now) {
    auto& server = *servers_[chance_() % servers_.size()];
    const auto away = std::chrono::milliseconds{chance_() % 1'000};
    switch (chance_() % 10) {
      case 0:
        server.kill_until(now + away);
        ++servers_killed_;
        break;
      case 1:
        // Some longer than the silence that connections bear.
        server.stop_until(now + 4 * away);
        ++servers_stopped_;
        break;
      case 2:
      case 3:
        tell_one(soak_order::kill);
        ++peers_killed_;
        break;
      case 4:
      case 5:
        tell_one(soak_order::kill_other_end);
        ++ends_killed_;
        break;
      case 6:
      case 7:
        tell_one(soak_order::drain);
        ++peers_closed_;
        break;
      default:
        tell_one(soak_order::abort);
        ++peers_closed_;
        break;
    }
  }

  /// Waits until nothing moves and everybody has what he had at any other rest; returns what is in use then. What is more than
  /// before has some time to go.
  soak_figures at_rest(std::string_view name, const soak_figures* before = nullptr) {
    for (const auto& each : servers_)
      each->revive();
    tell_all(soak_order::rest);
    const auto deadline = steady_clock::now() + 60s;
    for (auto quiet = 0; quiet < 10;) {
      // Who has no peer gets one.
      tell_all(soak_order::work);
      std::this_thread::sleep_for(100ms);
      const auto pool = ask_pool<pool_stats>(get_pool_stats{});
      const auto is_quiet = account_->answered() == account_->asked && pool.leased == 0 && pool.leasable == 0
                         && pool.ready == own_peers() && pool.peers == pool.ready && pool.connecting == 0;
      quiet = is_quiet ? quiet + 1 : 0;
      if (!is_quiet && steady_clock::now() > deadline)
        throw std::runtime_error("no rest: " + std::to_string(account_->asked - account_->answered())
                                 + " requests have no answer, of " + std::to_string(pool.peers) + " peers "
                                 + std::to_string(pool.ready) + " are ready, " + std::to_string(own_peers())
                                 + " are wanted, " + std::to_string(pool.leased) + " are lent");
    }
    // Buffers go back to the system a while after a burst.
    std::this_thread::sleep_for(plan_.rest);
    auto now = read_several();
    for (auto again = 0; before != nullptr && !is_back(*before, now) && again < 20; ++again)
      now = read_several();
    print(std::string{name}, now);
    return now;
  }

  /// The least of some readings in a second: timers of a connection that is kept alive come and go.
  soak_figures read_several() {
    auto least = meter_.read();
    for (auto left = 9; left > 0; --left) {
      std::this_thread::sleep_for(100ms);
      least = least_of(least, meter_.read());
    }
    return least;
  }

  [[nodiscard]] std::uint32_t own_peers() const {
    const auto lending = plan_.workers / 3;
    return static_cast<std::uint32_t>(servers_.size() * (plan_.workers - lending)
                                      + home_.kinds() * workers_at_home(plan_));
  }

  template <class Answer, class Question>
  Answer ask_pool(const Question& question) {
    Answer got;
    caf::scoped_actor self{system_};
    ask(self.operator->(), net_.supervisor(), 30s, question)
        .receive([&got](const Answer& answer) { got = answer; },
                 [](const caf::error&) { throw std::runtime_error("the supervisor does not answer"); });
    return got;
  }

  static std::string header() {
    char text[160];
    std::snprintf(text, sizeof text, "%8s %11s %9s %9s %7s %7s %7s %9s %10s %10s %8s", "", "descriptors", "resident",
                  "heap", "timers", "actors", "threads", "buffers", "requests", "replies", "faults");
    return text;
  }

  void print(const std::string& name, const soak_figures& now) const {
    const auto mebibytes = [](std::size_t bytes) { return static_cast<double>(bytes) / (1U << 20U); };
    const unsigned long long faults = servers_killed_ + servers_stopped_ + peers_killed_ + ends_killed_ + peers_closed_;
    std::printf("%8s %11zu %7.1f M %7.1f M %7zu %7zu %7zu %7.2f M %10llu %10llu %8llu\n", name.c_str(), now.descriptors,
                mebibytes(now.resident), mebibytes(now.heap), now.timers, now.actors, now.threads,
                mebibytes(now.buffers), static_cast<unsigned long long>(account_->asked),
                static_cast<unsigned long long>(account_->replies), faults);
    std::fflush(stdout);
  }

  bool check_accounts() {
    const auto& all = *account_;
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    const auto totals = ask_pool<pool_totals>(get_pool_totals{}).delivery;
    auto fates = totals.pending;
    for (const auto& each : {totals.not_sent, totals.maybe_sent, totals.written, totals.acked, totals.confirmed})
      fates += each;
    std::printf("faults: %llu servers killed, %llu stopped; %llu peers killed, %llu closed; %llu far ends killed\n"
                "%llu peers acquired, %llu leases; %llu streams, %llu messages of sessions\n"
                "requests: %llu asked, %llu refused, %llu not sent, %llu maybe sent, %llu delivered; %llu replies\n"
                "by the pool: %llu accepted, %llu pending, %llu not sent, %llu maybe sent, %llu delivered\n",
                number(servers_killed_), number(servers_stopped_), number(peers_killed_), number(peers_closed_),
                number(ends_killed_), number(all.peers), number(all.leases), number(all.streams),
                number(totals.confirmed.messages), number(all.asked), number(all.refused), number(all.not_sent),
                number(all.maybe_sent), number(all.delivered), number(all.replies), number(totals.accepted.messages),
                number(totals.pending.messages), number(totals.not_sent.messages), number(totals.maybe_sent.messages),
                number(totals.written.messages + totals.acked.messages + totals.confirmed.messages));
    const auto holds = [](bool is_true, const char* what) {
      std::printf("%-6s %s\n", is_true ? "holds" : "WRONG", what);
      return is_true;
    };
    auto is_well = holds(all.answered() == all.asked, "each request has one answer");
    is_well = holds(all.impossible == 0, "no reply to what was not sent, none twice, none to nothing") && is_well;
    is_well = holds(all.replies <= all.delivered + all.maybe_sent + all.refused,
                    "no more replies than requests that may have arrived")
           && is_well;
    is_well = holds(all.replies > 0 && totals.confirmed.messages > 0 && (all.streams > 0 || home_.kinds() < 2),
                    "there were replies, sessions and streams")
           && is_well;
    is_well =
        holds(totals.accepted == fates && totals.pending == tally{}, "the account of the pool adds up") && is_well;
    is_well = holds(totals.accepted.messages >= all.asked - all.refused
                        && totals.accepted.messages <= all.asked + ends_killed_,
                    "the pool has counted what was asked of it")
           && is_well;
    return is_well;
  }

  plan plan_;
  std::mt19937_64 chance_;
  identity_file identity_;
  system_config config_;
  caf::actor_system system_{config_};
  std::shared_ptr<shard_finder> shards_ = std::make_shared<shard_finder>();
  std::shared_ptr<soak_account> account_ = std::make_shared<soak_account>();
  network net_;
  soak_meter meter_;
  soak_home home_;
  std::vector<std::unique_ptr<soak_server>> servers_;
  std::vector<caf::actor> workers_;
  std::uint64_t servers_killed_ = 0;
  std::uint64_t servers_stopped_ = 0;
  std::uint64_t peers_killed_ = 0;
  std::uint64_t peers_closed_ = 0;
  std::uint64_t ends_killed_ = 0;
};

int run(int count, char** words) {
  if (count == 5 && std::string_view{words[1]} == "serve") {
    run_soak_server(words[2], static_cast<std::uint16_t>(std::stoul(words[3])), words[4]);
    return 0;
  }
  const auto wanted = parse(arguments{count, words});
  print(describe_machine());
  std::printf("seed: %llu\n\n", static_cast<unsigned long long>(wanted.seed));
  const noise_meter noise;
  const auto is_well = soak{wanted}.run();
  std::printf("\nnoise: %s\n%s\n", noise.so_far().c_str(), is_well ? "all is well" : "SOMETHING IS WRONG");
  return is_well ? 0 : 1;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_soak", usage, [&] { return run(count, words); });
}
