// What does it cost that a TCP connection is an actor? Echo servers on loopback: actorwire, with the user's actor on the
// connection's shard and on CAF's scheduler, against raw Boost.Asio (no actors: the floor) and a caf::io broker for each
// connection (what CAF's users have today). Each has one core and one thread that does I/O. The same client loads them
// all, and checks every byte.

#include "arguments.hpp"
#include "contest.hpp"
#include "posix.hpp"
#include "tcp_rivals.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view usage = R"(usage: bench_tcp [options]
  --rounds N         rounds, in each of which every rival is measured once (5)
  --seconds S        time of each measurement, after a warm-up of up to 0.3 s (1)
  --connections N    connections that make round trips at once (100)
  --idle N           idle connections (10000); 0 leaves that part out
  --buffer BYTES     what raw Boost.Asio and caf::io read at once, when streaming (65536) and else (16384): both
  --json FILE        writes every single value to FILE too
  --smoke            a quick run that proves that everything works, and measures nothing

For profilers, one side alone:
  --serve RIVAL [--cpu N]               raw, caf_io, actorwire_shard, actorwire_scheduler, actorwire_shared; prints its
                                        port, and ends with its standard input
  --load PORT [--cpu N] [--connections N] [--seconds S]
)";

struct plan {
  contest_options contest;
  std::size_t connections = 100;
  std::size_t idle = 10'000;
  std::size_t chunk_size = 65'536;
  /// A broker's buffer is resized to what it may read, so all of it takes memory; for streams it pays.
  std::size_t message_buffer = 16'384;
  std::size_t stream_buffer = 65'536;
  /// Only one side, for profilers.
  bool serves = false;
  rival served = rival::raw;
  std::uint16_t loaded_port = 0;
  int cpu = -1;
};

void make_smoke(plan& wanted) {
  wanted.contest.rounds = 1;
  wanted.contest.seconds = 0.05;
  wanted.connections = 10;
  wanted.idle = 50;
}

rival parse_rival(std::string_view option) {
  const auto* const found = std::ranges::find(rival_names, option, &rival_name::option);
  if (found == rival_names.end())
    throw usage_error("unknown rival '" + std::string{option} + "'");
  return found->which;
}

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--rounds")
      wanted.contest.rounds = words.number(1, 1'000);
    else if (*option == "--seconds")
      wanted.contest.seconds = words.number(0.01, 600.0);
    else if (*option == "--connections")
      wanted.connections = words.number(std::size_t{1}, std::size_t{10'000});
    else if (*option == "--idle")
      wanted.idle = words.number(std::size_t{0}, std::size_t{25'000});
    else if (*option == "--buffer")
      wanted.message_buffer = wanted.stream_buffer = words.number(std::size_t{64}, std::size_t{1} << 24U);
    else if (*option == "--json")
      wanted.contest.json_file = words.value();
    else if (*option == "--smoke")
      make_smoke(wanted);
    else if (*option == "--cpu")
      wanted.cpu = words.number(0, 1'023);
    else if (*option == "--load")
      wanted.loaded_port = words.number(std::uint16_t{1}, std::uint16_t{65'535});
    else if (*option == "--congestion")
      wanted.contest.congestion_control = words.value();
    else if (*option == "--serve") {
      wanted.serves = true;
      wanted.served = parse_rival(words.value());
    } else
      throw usage_error("unknown option '" + std::string{*option} + "'");
  }
  if (wanted.contest.congestion_control.empty())
    wanted.contest.congestion_control = plain_congestion_control();
  return wanted;
}

class comparison {
public:
  explicit comparison(plan wanted)
    : plan_(std::move(wanted)), contest_(plan_.contest, contestants(), baselines()), report_(contest_.results()) {
    add_questions();
  }

  void run() {
    if (!is_built(rival::caf_io))
      std::cout << "note: CAF's io module was not found, so that rival is missing\n";
    if (plan_.idle > 0)
      plan_.idle = affordable_connections(plan_.idle);
    contest_.run([this] { measure_round(); });
  }

private:
  void measure_round() {
    for_each_rival([this](std::size_t index) { measure_ping_pong(index, contest_.server_cpu(), same_core_); });
    if (contest_.has_two_cpus())
      for_each_rival([this](std::size_t index) { measure_ping_pong(index, contest_.client_cpu(), two_cores_); });
    for_each_rival([this](std::size_t index) { measure_many(index); });
    for_each_rival([this](std::size_t index) { measure_stream(index); });
    if (plan_.idle > 0)
      for (std::size_t index = 0; index < contest_.contestants().size(); ++index)
        measure_idle(index);
  }

  template <class Body>
  void for_each_rival(Body body) {
    for (std::size_t index = 0; index < contest_.contestants().size(); ++index)
      if (contest_.contestants()[index].option != shared_option)
        body(index);
  }

  struct latency_questions {
    std::size_t p50 = 0;
    std::size_t p99 = 0;
  };

  void measure_ping_pong(std::size_t index, int client, const latency_questions& asked) {
    with_server(index, plan_.message_buffer, client, [&](load wanted, const child_process&) {
      const auto figures = measure_round_trips(wanted);
      report_.record(asked.p50, index, figures.p50_us);
      report_.record(asked.p99, index, figures.p99_us);
      contest_.add(index, figures.echoed);
    });
  }

  void measure_many(std::size_t index) {
    with_server(index, plan_.message_buffer, contest_.client_cpu(), [&](load wanted, const child_process& server) {
      wanted.connections = plan_.connections;
      const auto before = server.cpu_time();
      const auto figures = measure_round_trips(wanted);
      const auto used = std::chrono::duration<double, std::micro>(server.cpu_time() - before).count();
      report_.record(rate_, index, figures.per_second);
      report_.record(many_.p50, index, figures.p50_us);
      report_.record(many_.p99, index, figures.p99_us);
      report_.record(cpu_time_, index,
                     used * static_cast<double>(wanted.message_size) / static_cast<double>(figures.echoed.bytes));
      contest_.add(index, figures.echoed);
    });
  }

  void measure_stream(std::size_t index) {
    with_server(index, plan_.stream_buffer, contest_.client_cpu(), [&](load wanted, const child_process& server) {
      wanted.message_size = plan_.chunk_size;
      const auto before = server.cpu_time();
      const auto figures = bench::measure_stream(wanted);
      const auto used = std::chrono::duration<double, std::milli>(server.cpu_time() - before).count();
      report_.record(stream_, index, figures.megabytes_per_second);
      report_.record(stream_cpu_time_, index, used / (static_cast<double>(figures.echoed.bytes) / 1e9));
      contest_.add(index, figures.echoed);
    });
  }

  void measure_idle(std::size_t index) {
    with_server(index, plan_.message_buffer, contest_.client_cpu(), [&](load wanted, const child_process& server) {
      const auto before = settled_resident_bytes(server.id());
      wanted.connections = plan_.idle;
      const idle_connections connections{wanted};
      const auto after = settled_resident_bytes(server.id());
      report_.record(idle_, index,
                     (static_cast<double>(after) - static_cast<double>(before)) / static_cast<double>(plan_.idle));
      contest_.add(index, connections.echoed());
    });
  }

  void with_server(std::size_t index, std::size_t buffer_size, int client_on,
                   const std::function<void(load, const child_process&)>& body) {
    contest_.with_server(index, client_on, {"--buffer", std::to_string(buffer_size)}, body);
  }

  static std::vector<contestant> contestants() {
    std::vector<contestant> built;
    for (const auto& each : rival_names)
      if (is_built(each.which))
        built.push_back({each.option, each.title});
    return built;
  }

  /// The first one or two, see `rival`.
  static std::vector<std::size_t> baselines() {
    return is_built(rival::caf_io) ? std::vector<std::size_t>{0, 1} : std::vector<std::size_t>{0};
  }

  void add_questions() {
    const auto bytes = std::to_string(plan_.contest.message_size) + " B";
    const auto ask_latency = [this](const std::string& text) {
      return latency_questions{report_.add_question(text + ", p50", "us", better::lower),
                               report_.add_question(text + ", p99", "us", better::lower)};
    };
    same_core_ = ask_latency(bytes + " ping-pong, client and server on one core");
    two_cores_ = ask_latency(bytes + " ping-pong, a core for each");
    const auto many = bytes + " round trips, " + std::to_string(plan_.connections) + " connections";
    rate_ = report_.add_question(many, "1/s", better::higher);
    many_ = ask_latency(many);
    // Tells costs apart that the client hides, and suffers less than all others when the machine has more to do.
    cpu_time_ = report_.add_question(many + ", server's CPU time for each", "us", better::lower);
    const auto stream = "echoed stream, chunks of " + std::to_string(plan_.chunk_size / 1'024) + " KiB";
    stream_ = report_.add_question(stream, "MB/s", better::higher);
    // The client, which makes and checks every byte, has more to do than a server: it may be what is measured above.
    stream_cpu_time_ = report_.add_question(stream + ", server's CPU time for each GB", "ms", better::lower);
    idle_ = report_.add_question("server's memory for each of " + std::to_string(plan_.idle) + " idle connections", "B",
                                 better::lower);
  }

  /// Only its memory is of interest: it answers as actorwire_shard does.
  static constexpr std::string_view shared_option = "actorwire_shared";

  plan plan_;
  contest contest_;
  report& report_;
  latency_questions same_core_;
  latency_questions two_cores_;
  latency_questions many_;
  std::size_t rate_ = 0;
  std::size_t cpu_time_ = 0;
  std::size_t stream_ = 0;
  std::size_t stream_cpu_time_ = 0;
  std::size_t idle_ = 0;
};

void load_alone(const plan& wanted) {
  if (wanted.cpu >= 0)
    pin_to_cpu(wanted.cpu);
  load chosen;
  chosen.port = wanted.loaded_port;
  chosen.congestion_control = wanted.contest.congestion_control;
  chosen.connections = wanted.connections;
  chosen.message_size = wanted.contest.message_size;
  chosen.duration = std::chrono::nanoseconds{static_cast<std::int64_t>(wanted.contest.seconds * 1e9)};
  const auto figures = measure_round_trips(chosen);
  std::printf("%.0f round trips/s, p50 %.1f us, p99 %.1f us\n", figures.per_second, figures.p50_us, figures.p99_us);
}

int run(int count, char** words) {
  try {
    auto wanted = parse(arguments{count, words});
    if (wanted.serves)
      serve({wanted.contest.congestion_control, wanted.cpu},
            [&wanted] { return make_tcp_server(wanted.served, wanted.message_buffer); });
    else if (wanted.loaded_port != 0)
      load_alone(wanted);
    else
      comparison{std::move(wanted)}.run();
    return 0;
  } catch (const usage_error& failure) {
    std::cerr << "bench_tcp: " << failure.what() << "\n\n" << usage;
    return 2;
  } catch (const std::exception& failure) {
    std::cerr << "bench_tcp: " << failure.what() << '\n';
    return 1;
  }
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  return actorwire::bench::run(count, words);
}
