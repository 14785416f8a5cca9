// What does it cost that a TCP connection is an actor? Echo servers on loopback: actorwire, with the user's actor on the
// connection's shard and on CAF's scheduler, and with a handler in the shard and no actor of the user's, against raw Boost.Asio (no actors: the floor) and a caf::io broker for each
// connection (what CAF's users have today). Each has one core and one thread that does I/O. The same client loads them
// all, and checks every byte.

#include "arguments.hpp"
#include "contest.hpp"
#include "contest_plan.hpp"
#include "contest_questions.hpp"
#include "count_questions.hpp"
#include "posix.hpp"
#include "program.hpp"
#include "setup_load.hpp"
#include "tcp_rivals.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view own_options = R"(  --connections N    connections that make round trips at once (100)
  --idle N           idle connections (10000); 0 leaves that part out
  --buffer BYTES     what raw Boost.Asio and caf::io read at once, when streaming (65536) and else (16384): both
)";
constexpr std::string_view sides =
    R"(  --serve RIVAL [--cpu N]               raw, caf_io, actorwire_shard, actorwire_callback,
                                        actorwire_scheduler, actorwire_shared, actorwire_watched; prints its port, and ends with its standard input
  --load PORT [--cpu N] [--connections N] [--seconds S]
)";

struct plan : contest_plan {
  std::size_t connections = 100;
  std::size_t idle = 10'000;
  /// A broker's buffer is resized to what it may read, so all of it takes memory; for streams it pays.
  std::size_t message_buffer = 16'384;
  std::size_t stream_buffer = 65'536;
  /// Only one side, for profilers.
  const rival_name* served = nullptr;
  std::uint16_t loaded_port = 0;
};

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--connections")
      wanted.connections = words.number(std::size_t{1}, std::size_t{10'000});
    else if (*option == "--idle")
      wanted.idle = words.number(std::size_t{0}, std::size_t{25'000});
    else if (*option == "--buffer")
      wanted.message_buffer = wanted.stream_buffer = words.number(std::size_t{64}, std::size_t{1} << 24U);
    else if (*option == "--smoke") {
      wanted.make_smoke();
      wanted.connections = 10;
      wanted.idle = 50;
    } else if (*option == "--load")
      wanted.loaded_port = words.number(std::uint16_t{1}, std::uint16_t{65'535});
    else if (*option == "--serve")
      wanted.served = find_rival(rival_names, words.value());
    else
      wanted.take(*option, words);
  }
  return wanted;
}

class comparison {
public:
  explicit comparison(plan wanted)
    : plan_(std::move(wanted)), contest_(plan_.contest, contestants(), baselines()), report_(contest_.results()) {
    for (auto& count : plan_.curve_connections)
      count = affordable_connections(count);
    auto& counts = plan_.curve_connections;
    counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
    if (plan_.has_curves)
      curves_.emplace(contest_, plan_.contest.message_size, plan_.curve_connections, plan_.curve_sizes);
    if (plan_.has_counts && call_counts::is_built())
      counts_.emplace(contest_, "an echoed stream");
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
    for (std::size_t index = 0; index < contest_.contestants().size(); ++index)
      if (contest_.contestants()[index].option != shared_option)
        measure_many(index);
    for_each_rival([this](std::size_t index) { measure_stream(index, stream_); });
    for_each_rival([this](std::size_t index) { measure_setups(index); });
    if (curves_)
      measure_curves();
    if (counts_)
      for_each_rival([this](std::size_t index) { measure_counts(index); });
    if (plan_.idle > 0)
      for (std::size_t index = 0; index < contest_.contestants().size(); ++index)
        if (contest_.contestants()[index].option != watched_option)
          measure_idle(index);
  }

  template <class Body>
  void for_each_rival(Body body) {
    for (std::size_t index = 0; index < contest_.contestants().size(); ++index)
      if (const auto option = contest_.contestants()[index].option; option != shared_option && option != watched_option)
        body(index);
  }

  void measure_ping_pong(std::size_t index, int client, const latency_questions& asked) {
    with_server(index, plan_.message_buffer, client, [&](load wanted, const child_process&) {
      const auto figures = measure_round_trips(wanted);
      asked.record(index, figures);
      contest_.add(index, figures.echoed);
    });
  }

  void measure_many(std::size_t index) {
    with_server(index, plan_.message_buffer, contest_.client_cpu(),
                [&](const load& wanted, const child_process& server) {
                  many_latency_.record(index, many_.measure(index, wanted, server));
                });
  }

  void measure_stream(std::size_t index, const stream_questions& asked) {
    with_server(index, plan_.stream_buffer, contest_.client_cpu(),
                [&](const load& wanted, const child_process& server) { asked.measure(index, wanted, server); });
  }

  void measure_setups(std::size_t index) {
    with_server(index, plan_.message_buffer, contest_.client_cpu(), [&](load wanted, const child_process& server) {
      wanted.connections = setups_at_once;
      setups_.measure(index, server, [&wanted] { return bench::measure_setups(wanted); });
    });
  }

  void measure_counts(std::size_t index) {
    const call_counts counts;
    const auto messages = plan_.counted_messages;
    contest_.with_server(
        index, contest_.client_cpu(), {"--buffer", std::to_string(plan_.stream_buffer)},
        [&](const load& wanted, const child_process& server) {
          counts_->measure_round_trips(
              index, server, counts, [&] { return exchange_messages(wanted, messages); },
              [&] { return exchange_messages(wanted, 4 * messages); });
          counts_->measure_stream(
              index, counts, [&] { return stream_messages(wanted, plan_.chunk_size, messages); },
              [&] { return stream_messages(wanted, plan_.chunk_size, 4 * messages); });
        },
        counts.environment());
  }

  void measure_curves() {
    for (const auto& asked : curves_->round_trips)
      for_each_rival([&](std::size_t index) {
        with_server(index, plan_.message_buffer, contest_.client_cpu(),
                    [&](const load& wanted, const child_process& server) { asked.measure(index, wanted, server); });
      });
    for (const auto& asked : curves_->streams)
      for_each_rival([&](std::size_t index) { measure_stream(index, asked); });
  }

  void measure_idle(std::size_t index) {
    with_server(index, plan_.message_buffer, contest_.client_cpu(), [&](load wanted, const child_process& server) {
      wanted.connections = plan_.idle;
      idle_.measure(index, wanted, server);
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
        built.push_back({each.option, std::string{each.title}});
    return built;
  }

  /// The first one or two, see `rival`.
  static std::vector<std::size_t> baselines() {
    return is_built(rival::caf_io) ? std::vector<std::size_t>{0, 1} : std::vector<std::size_t>{0};
  }

  /// Only its memory is of interest: it answers as actorwire_shard does.
  static constexpr std::string_view shared_option = "actorwire_shared";
  /// Only what it does with many connections is of interest.
  static constexpr std::string_view watched_option = "actorwire_watched";
  static constexpr std::size_t setups_at_once = 16;

  plan plan_;
  contest contest_;
  report& report_;
  const std::string bytes_ = std::to_string(plan_.contest.message_size) + " B";
  latency_questions same_core_{report_, bytes_ + " ping-pong, client and server on one core"};
  latency_questions two_cores_{report_, bytes_ + " ping-pong, a core for each"};
  const std::string many_text_ = bytes_ + " round trips, " + std::to_string(plan_.connections) + " connections";
  connections_questions many_{contest_, plan_.connections, many_text_};
  latency_questions many_latency_{report_, many_text_};
  stream_questions stream_{contest_, plan_.chunk_size};
  setup_questions setups_{contest_, "connections"};
  idle_question idle_{contest_, plan_.idle};
  std::optional<curve_questions> curves_;
  std::optional<count_questions> counts_;
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

int run(arguments words) {
  auto wanted = parse(words);
  if (wanted.served != nullptr)
    serve({wanted.contest.congestion_control, wanted.cpu},
          [&wanted] { return make_tcp_server(wanted.served->which, wanted.message_buffer); });
  else if (wanted.loaded_port != 0)
    load_alone(wanted);
  else
    comparison{std::move(wanted)}.run();
  return 0;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_tcp", contest_usage("bench_tcp", own_options, sides), [&] { return run({count, words}); });
}
