// What does it cost that there are many connections? From one to many of them, in one process for each side, over one shard and
// over two: how fast they are set up, what memory each takes, how fast a hundred of them work while the others are idle, how
// fast all of them do, and how fast they go again. Whatever grows with their number shows as a curve that is not flat.

#include "actor_load.hpp"
#include "arguments.hpp"
#include "identity_file.hpp"
#include "load_client.hpp"
#include "machine.hpp"
#include "posix.hpp"
#include "program.hpp"
#include "report.hpp"
#include "scale_server.hpp"

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/transports/transport_factory.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view usage = R"(usage: bench_scale [options]
  --protocol tcp|quic  only that one
  --most-tcp N         connections over TCP at the end of the curve (15000)
  --most-quic N        the same over QUIC (10000); 50000 take 5 GB and some minutes
  --rounds N           rounds over everything (1)
  --seconds S          time of each measurement (1)
  --json FILE          writes every single value to FILE too
  --smoke              a quick run that proves that everything works

One side alone:
  --serve tcp|quic --shards N --identity FILE [--cpu N]
)";

constexpr std::size_t busy_connections = 100;
constexpr std::size_t message_size = 64;

struct contender {
  std::string_view scheme;
  std::size_t shards;
  std::string_view title;
};

constexpr std::array contenders{
    contender{"tcp", 1, "tcp, 1 shard"},
    contender{"tcp", 2, "tcp, 2 shards"},
    contender{"quic", 1, "quic, 1 shard"},
    contender{"quic", 2, "quic, 2 shards"},
};

struct plan {
  std::string_view only;
  std::size_t most_tcp = 15'000;
  std::size_t most_quic = 10'000;
  int rounds = 1;
  double seconds = 1;
  std::string json_file;
  std::optional<scale_server_plan> served;
};

plan parse(arguments words) {
  plan wanted;
  const auto known = [](std::string_view scheme) {
    if (scheme != "tcp" && scheme != "quic")
      throw usage_error("'" + std::string{scheme} + "' is neither tcp nor quic");
    return scheme;
  };
  while (const auto option = words.next()) {
    if (*option == "--protocol")
      wanted.only = known(words.value());
    else if (*option == "--most-tcp")
      wanted.most_tcp = words.number(std::size_t{1}, std::size_t{19'000});
    else if (*option == "--most-quic")
      wanted.most_quic = words.number(std::size_t{1}, std::size_t{60'000});
    else if (*option == "--rounds")
      wanted.rounds = words.number(1, 100);
    else if (*option == "--seconds")
      wanted.seconds = words.number(0.01, 600.0);
    else if (*option == "--json")
      wanted.json_file = words.value();
    else if (*option == "--smoke") {
      wanted.most_tcp = 120;
      wanted.most_quic = 20;
      wanted.seconds = 0.05;
    } else if (*option == "--serve") {
      wanted.served.emplace().scheme = known(words.value());
    } else if (*option == "--shards" && wanted.served)
      wanted.served->shards = words.number(std::size_t{1}, std::size_t{64});
    else if (*option == "--identity" && wanted.served)
      wanted.served->identity = words.value();
    else if (*option == "--cpu" && wanted.served)
      wanted.served->cpu = words.number(-1, 1'023);
    else
      words.refuse();
  }
  return wanted;
}

/// Idle connections, and others that work beside them, whatever they are made of.
class crowd {
public:
  virtual ~crowd() = default;
  virtual void open(std::size_t count) = 0;
  /// Round trips for each second over so many connections more.
  [[nodiscard]] virtual double work(std::size_t connections) = 0;
  virtual void close() = 0;
};

class tcp_crowd final : public crowd {
public:
  explicit tcp_crowd(load wanted) : wanted_(std::move(wanted)) {}

  void open(std::size_t count) override {
    auto wanted = wanted_;
    wanted.connections = count;
    idle_.emplace(wanted);
  }
  double work(std::size_t connections) override {
    auto wanted = wanted_;
    wanted.connections = connections;
    return measure_round_trips(wanted).per_second;
  }
  void close() override { idle_.reset(); }

private:
  load wanted_;
  std::optional<idle_connections> idle_;
};

class quic_crowd final : public crowd {
public:
  explicit quic_crowd(actor_load::settings wanted) : load_(std::make_unique<actor_load>(std::move(wanted))) {}

  void open(std::size_t count) override { load_->hold_idle(count, message_size); }
  double work(std::size_t connections) override { return load_->measure_round_trips(message_size, connections); }
  void close() override { load_.reset(); }

private:
  std::unique_ptr<actor_load> load_;
};

/// What is asked of each number of connections.
struct questions {
  questions(report& answers, std::size_t count) {
    const auto add = [&](std::string text, std::string unit, better direction) {
      return answers.add_question(std::move(text), std::move(unit), direction,
                                  curve_point{"connections", static_cast<double>(count)});
    };
    setups = add("connections set up one after the other, each with a round trip", "1/s", better::higher);
    memory = add("server's memory for each connection", "B", better::lower);
    rate = add("64 B round trips over 100 connections beside those", "1/s", better::higher);
    closes = add("connections closed, until the server knows it", "1/s", better::higher);
  }

  std::size_t setups;
  std::size_t memory;
  std::size_t rate;
  std::size_t closes;
};

class trial {
public:
  explicit trial(plan wanted) : plan_(std::move(wanted)) {
    if (plan_.only != "quic") {
      const auto room = affordable_connections(plan_.most_tcp + busy_connections);
      plan_.most_tcp = room > busy_connections ? room - busy_connections : 1;
    }
    for (std::size_t count = 1; count < std::max(plan_.most_tcp, plan_.most_quic); count *= 10)
      add_point(count);
    add_point(std::min(plan_.most_tcp, plan_.most_quic));
    add_point(std::max(plan_.most_tcp, plan_.most_quic));
    std::ranges::sort(points_, {}, &std::pair<std::size_t, questions>::first);
  }

  void run() {
    auto about = describe_machine();
    about.emplace_back("affinity",
                       "with 1 shard the server has a core and the clients the other; with 2 nobody is pinned");
    about.emplace_back("rounds", std::to_string(plan_.rounds) + " x " + std::to_string(plan_.seconds) + " s");
    print(about);
    const noise_meter noise;
    for (auto round = 0; round < plan_.rounds; ++round)
      for (const auto& [count, asked] : points_)
        for (std::size_t index = 0; index < contenders.size(); ++index)
          if (is_wanted(contenders[index], count))
            measure(index, count, asked);
    about.emplace_back("noise", noise.so_far());
    answers_.print(std::cout);
    std::cout << "\nnoise: " << about.back().second << '\n';
    answers_.save(plan_.json_file, about);
  }

private:
  void add_point(std::size_t count) {
    if (std::ranges::find(points_, count, &std::pair<std::size_t, questions>::first) == points_.end())
      points_.emplace_back(count, questions{answers_, count});
  }

  [[nodiscard]] bool is_wanted(const contender& one, std::size_t count) const {
    return (plan_.only.empty() || plan_.only == one.scheme)
        && count <= (one.scheme == "tcp" ? plan_.most_tcp : plan_.most_quic)
        && is_supported(one.scheme == "tcp" ? protocol::tcp : protocol::quic);
  }

  void measure(std::size_t index, std::size_t count, const questions& asked) {
    const auto& one = contenders[index];
    std::cerr << one.title << ", " << count << " connections\n";
    const auto is_pinned = one.shards == 1;
    allow_cpus(cpus_);
    scale_server server{std::string{one.scheme}, one.shards, identity_.path(), is_pinned ? cpus_.back() : -1};
    if (is_pinned)
      pin_to_cpu(cpus_.front());
    auto clients = make_crowd(one, server.port());
    // What is there once for all connections.
    static_cast<void>(clients->work(1));
    const auto before = server.resident_bytes();
    auto start = steady_clock::now();
    clients->open(count);
    answers_.record(asked.setups, index, static_cast<double>(count) / seconds_since(start));
    const auto after = server.resident_bytes();
    answers_.record(asked.memory, index,
                    (static_cast<double>(after) - static_cast<double>(before)) / static_cast<double>(count));
    answers_.record(asked.rate, index, clients->work(busy_connections));
    // Those that have worked may be there still: a pool keeps its peers.
    const auto open = server.open();
    start = steady_clock::now();
    clients->close();
    const auto give_up_at = start + std::chrono::minutes{1};
    while (server.open() > 0) {
      if (steady_clock::now() > give_up_at)
        throw std::runtime_error(std::string{one.title} + ": connections do not end");
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    answers_.record(asked.closes, index, static_cast<double>(open) / seconds_since(start));
    server.finish();
  }

  [[nodiscard]] std::unique_ptr<crowd> make_crowd(const contender& one, std::uint16_t port) const {
    const auto duration = std::chrono::nanoseconds{static_cast<std::int64_t>(plan_.seconds * 1e9)};
    const auto warm_up = std::min<std::chrono::nanoseconds>(duration / 3, std::chrono::milliseconds{300});
    if (one.scheme == "tcp") {
      load wanted;
      wanted.port = port;
      wanted.congestion_control = plain_congestion_control();
      wanted.message_size = message_size;
      wanted.duration = duration;
      wanted.warm_up = warm_up;
      return std::make_unique<tcp_crowd>(std::move(wanted));
    }
    actor_load::settings settings;
    settings.uri = "quic://127.0.0.1:" + std::to_string(port);
    settings.transport.tls.trust.text = identity_.certificate();
    settings.transport.tls.server_name = "localhost";
    settings.duration = duration;
    settings.warm_up = warm_up;
    return std::make_unique<quic_crowd>(std::move(settings));
  }

  static std::vector<std::string> titles() {
    std::vector<std::string> all;
    for (const auto& one : contenders)
      all.emplace_back(one.title);
    return all;
  }

  plan plan_;
  const std::vector<int> cpus_ = allowed_cpus();
  identity_file identity_;
  report answers_{titles(), {}};
  std::vector<std::pair<std::size_t, questions>> points_;
};

int run(arguments words) {
  auto wanted = parse(words);
  if (wanted.served)
    run_scale_server(*wanted.served);
  else
    trial{std::move(wanted)}.run();
  return 0;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_scale", usage, [&] { return run({count, words}); });
}
