// What does QUIC cost, and what does it give? The same program of actors on both sides, over quic://, tls:// and tcp://, each
// side one process on one core with one shard; packets of 1,452 bytes. Beside them what the kernel alone can move in such
// packets, and a bare TCP server with a bare client, which alone checks what comes back byte by byte.

#include "actor_load.hpp"
#include "arguments.hpp"
#include "contest.hpp"
#include "contest_plan.hpp"
#include "contest_questions.hpp"
#include "count_questions.hpp"
#include "identity_file.hpp"
#include "load_client.hpp"
#include "program.hpp"
#include "quic_rivals.hpp"
#include "udp_blast.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view own_options = R"(  --idle N           idle connections (1000); 0 leaves that part out
  --part PART        only that part: ping-pong, upload, streams, datagrams, handshakes, curves,
                     counts, idle
  --rival RIVAL      only that rival: quic, tls, tcp, raw, udp
)";
constexpr std::string_view sides = R"(  --serve RIVAL --identity FILE [--cpu N] [--sink]
                     FILE holds a certificate for localhost and its key; prints its port, and ends with its standard input
)";

constexpr std::array<std::string_view, 8> parts{"ping-pong",  "upload", "streams", "datagrams",
                                                "handshakes", "curves", "counts",  "idle"};

struct plan : contest_plan {
  /// The only ones that are wanted; empty and null: all.
  std::string_view part;
  const quic_rival* rival = nullptr;
  std::size_t idle = 1'000;
  const quic_rival* served = nullptr;
  /// A file with the certificate and the key of the server.
  std::string identity;
  bool is_sink = false;
};

std::string_view parse_part(std::string_view option) {
  const auto* const found = std::ranges::find(parts, option);
  if (found == parts.end())
    throw usage_error("unknown part '" + std::string{option} + "'");
  return *found;
}

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--idle")
      wanted.idle = words.number(std::size_t{0}, std::size_t{10'000});
    else if (*option == "--part")
      wanted.part = parse_part(words.value());
    else if (*option == "--rival")
      wanted.rival = find_rival(quic_rivals, words.value());
    else if (*option == "--smoke") {
      wanted.make_smoke();
      wanted.idle = 10;
    } else if (*option == "--identity")
      wanted.identity = words.value();
    else if (*option == "--sink")
      wanted.is_sink = true;
    else if (*option == "--serve")
      wanted.served = find_rival(quic_rivals, words.value());
    else
      wanted.take(*option, words);
  }
  return wanted;
}

class comparison {
public:
  explicit comparison(plan wanted)
    : plan_(std::move(wanted)),
      contest_(plan_.contest, contestants(), {raw_tcp, over_tcp}),
      report_(contest_.results()) {
    if (plan_.has_counts && call_counts::is_built())
      counts_.emplace(contest_, "an upload");
    std::erase_if(plan_.curve_connections, [](std::size_t count) { return count > connections_max; });
    if (!plan_.has_curves)
      return;
    for (const auto count : plan_.curve_connections)
      over_connections_.push_back(report_.add_question(std::to_string(plan_.contest.message_size) + " B round trips",
                                                       "1/s", better::higher,
                                                       curve_point{"connections", static_cast<double>(count)}));
    for (const auto size : plan_.curve_sizes) {
      const curve_point point{"bytes in a message", static_cast<double>(size)};
      over_sizes_.push_back(report_.add_question("upload", "MB/s", better::higher, point));
      sender_over_sizes_.push_back(
          report_.add_question("upload, sender's CPU time for each GB", "s", better::lower, point));
    }
  }

  void run() {
    if (plan_.idle > 0)
      plan_.idle = affordable_connections(plan_.idle);
    contest_.run([this] { measure_round(); });
  }

private:
  void measure_round() {
    if (is_wanted("ping-pong")) {
      for_each_rival([this](std::size_t index) { measure_ping_pong(index, apart_, contest_.client_cpu()); });
      for_each_rival([this](std::size_t index) { measure_ping_pong(index, together_, contest_.server_cpu()); });
    }
    if (is_wanted("upload"))
      for_each_rival([this](std::size_t index) { measure_upload(index); });
    if (is_wanted("streams"))
      for_each_rival([this](std::size_t index) { measure_many_streams(index); });
    if (is_wanted("datagrams"))
      for_each_rival([this](std::size_t index) { measure_datagrams(index); });
    if (is_wanted("handshakes"))
      for_each_rival([this](std::size_t index) { measure_handshakes(index); });
    if (is_wanted("curves") && plan_.has_curves)
      measure_curves();
    if (is_wanted("counts") && counts_)
      for_each_rival([this](std::size_t index) { measure_counts(index); });
    if (is_wanted("idle") && plan_.idle > 0)
      for_each_rival([this](std::size_t index) { measure_idle(index); });
  }

  [[nodiscard]] bool is_wanted(std::string_view part) const { return plan_.part.empty() || plan_.part == part; }

  [[nodiscard]] std::vector<std::string> as_server(const char* also = nullptr) const {
    std::vector<std::string> words{"--identity", identity_.path()};
    if (also != nullptr)
      words.emplace_back(also);
    return words;
  }

  [[nodiscard]] quic_contestant kind(std::size_t index) const {
    return static_cast<quic_contestant>(find_rival(quic_rivals, contest_.contestants()[index].option)
                                        - quic_rivals.data());
  }

  template <class Body>
  void for_each_rival(Body body) {
    for (std::size_t index = 0; index < contest_.contestants().size(); ++index)
      if (plan_.rival == nullptr || plan_.rival == &quic_rivals[kind(index)])
        body(index);
  }

  void measure_ping_pong(std::size_t index, const latency_questions& asked, int client_on) {
    if (kind(index) == raw_udp)
      return;
    contest_.with_server(index, client_on, as_server(), [&](const load& wanted, const child_process&) {
      if (kind(index) == raw_tcp) {
        const auto figures = measure_round_trips(wanted);
        asked.record(index, figures);
        return contest_.add(index, figures.echoed);
      }
      asked.record(index, loader(index, wanted).measure_round_trips(wanted.message_size));
    });
  }

  void measure_upload(std::size_t index) {
    if (kind(index) == raw_tcp)
      return;
    contest_.with_server(index, contest_.client_cpu(), as_server("--sink"),
                         [&](const load& wanted, const child_process& server) {
                           if (kind(index) == raw_udp) {
                             const auto figures = measure_blast(wanted.port, wanted.duration);
                             report_.record(upload_, index, figures.megabytes_per_second);
                             return;
                           }
                           const auto before = server.cpu_time();
                           const auto figures = loader(index, wanted).measure_upload(plan_.chunk_size);
                           const auto used = std::chrono::duration<double>(server.cpu_time() - before).count();
                           report_.record(upload_, index, figures.megabytes_per_second);
                           report_.record(sender_, index, figures.cpu_seconds_per_gigabyte);
                           report_.record(receiver_, index, used / (static_cast<double>(figures.bytes) / 1e9));
                         });
  }

  /// TCP and TLS have one stream, and no datagrams.
  void measure_many_streams(std::size_t index) {
    if (kind(index) != over_quic)
      return;
    contest_.with_server(index, contest_.client_cpu(), as_server("--sink"),
                         [&](const load& wanted, const child_process&) {
                           const auto figures = loader(index, wanted).measure_upload(plan_.chunk_size / 2, 100);
                           report_.record(upload_on_many_, index, figures.megabytes_per_second);
                         });
  }

  void measure_datagrams(std::size_t index) {
    if (kind(index) != over_quic)
      return;
    contest_.with_server(index, contest_.client_cpu(), as_server("--sink"),
                         [&](const load& wanted, const child_process&) {
                           const auto figures = loader(index, wanted).measure_datagrams(1'200);
                           report_.record(datagrams_, index, figures.per_second);
                           report_.record(datagram_share_, index, 100 * figures.share);
                         });
  }

  void measure_handshakes(std::size_t index) {
    if (kind(index) == raw_udp || kind(index) == raw_tcp)
      return;
    for (const auto is_resumed : {false, true})
      contest_.with_server(index, contest_.client_cpu(), as_server(), [&](const load& wanted, const child_process&) {
        auto settings = settings_for(index, wanted);
        settings.transport.tls.session_resumption = is_resumed;
        report_.record(is_resumed ? resumed_ : full_, index, actor_load{settings}.measure_handshakes());
      });
  }

  void measure_counts(std::size_t index) {
    if (kind(index) == raw_udp || kind(index) == raw_tcp)
      return;
    const call_counts counts;
    const auto for_a_time = [&](const load& wanted, int quarters) {
      auto settings = settings_for(index, wanted);
      settings.duration = wanted.duration * quarters / 4;
      return settings;
    };
    contest_.with_server(
        index, contest_.client_cpu(), as_server(),
        [&](const load& wanted, const child_process& server) {
          const auto exchange = [&](int quarters) {
            const auto bytes = actor_load{for_a_time(wanted, quarters)}.measure_round_trips(wanted.message_size).bytes;
            return static_cast<double>(bytes) / static_cast<double>(wanted.message_size);
          };
          counts_->measure_round_trips(
              index, server, counts, [&] { return exchange(1); }, [&] { return exchange(4); });
        },
        counts.environment());
    contest_.with_server(
        index, contest_.client_cpu(), as_server("--sink"),
        [&](const load& wanted, const child_process&) {
          const auto upload = [&](int quarters) {
            return static_cast<double>(actor_load{for_a_time(wanted, quarters)}.measure_upload(plan_.chunk_size).bytes);
          };
          counts_->measure_stream(
              index, counts, [&] { return upload(1); }, [&] { return upload(4); });
        },
        counts.environment());
  }

  void measure_curves() {
    for (std::size_t point = 0; point < over_connections_.size(); ++point)
      for_each_rival([&](std::size_t index) {
        if (kind(index) == raw_udp || kind(index) == raw_tcp)
          return;
        contest_.with_server(index, contest_.client_cpu(), as_server(), [&](const load& wanted, const child_process&) {
          report_
              .record(over_connections_[point], index,
                      loader(index, wanted).measure_round_trips(wanted.message_size, plan_.curve_connections[point]));
        });
      });
    for (std::size_t point = 0; point < over_sizes_.size(); ++point)
      for_each_rival([&](std::size_t index) {
        if (kind(index) == raw_udp || kind(index) == raw_tcp)
          return;
        contest_.with_server(index, contest_.client_cpu(), as_server("--sink"),
                             [&](const load& wanted, const child_process&) {
                               const auto figures = loader(index, wanted).measure_upload(plan_.curve_sizes[point]);
                               report_.record(over_sizes_[point], index, figures.megabytes_per_second);
                               report_.record(sender_over_sizes_[point], index, figures.cpu_seconds_per_gigabyte);
                             });
      });
  }

  void measure_idle(std::size_t index) {
    if (kind(index) == raw_udp || kind(index) == raw_tcp)
      return;
    contest_.with_server(index, contest_.client_cpu(), as_server(),
                         [&](const load& wanted, const child_process& server) {
                           auto client = loader(index, wanted);
                           const auto each = [this](std::size_t before, std::size_t after) {
                             return (static_cast<double>(after) - static_cast<double>(before))
                                  / static_cast<double>(plan_.idle);
                           };
                           client.hold_idle(1);
                           const auto server_before = settled_resident_bytes(server.id());
                           client.hold_idle(plan_.idle);
                           report_.record(server_idle_, index,
                                          each(server_before, settled_resident_bytes(server.id())));
                         });
  }

  [[nodiscard]] actor_load::settings settings_for(std::size_t index, const load& wanted) const {
    actor_load::settings settings;
    settings.uri = std::string{contest_.contestants()[index].option} + "://127.0.0.1:" + std::to_string(wanted.port);
    settings.transport.tls.trust.text = identity_.certificate();
    settings.transport.tls.server_name = "localhost";
    settings.warm_up = wanted.warm_up;
    settings.duration = wanted.duration;
    return settings;
  }
  [[nodiscard]] actor_load loader(std::size_t index, const load& wanted) const {
    return actor_load{settings_for(index, wanted)};
  }

  static std::vector<contestant> contestants() {
    std::vector<contestant> all;
    for (const auto& each : quic_rivals)
      all.push_back({each.option, std::string{each.title}});
    return all;
  }

  /// A handshake each; more would take longer than what is measured.
  static constexpr std::size_t connections_max = 1'000;

  plan plan_;
  identity_file identity_;
  contest contest_;
  report& report_;
  const std::string ping_pong_ = std::to_string(plan_.contest.message_size) + " B ping-pong, ";
  latency_questions apart_{report_, ping_pong_ + "a core for each"};
  latency_questions together_{report_, ping_pong_ + "one core for both"};
  std::size_t upload_ = report_.add_question("upload on one stream, messages of 64 KiB", "MB/s", better::higher);
  std::size_t upload_on_many_ =
      report_.add_question("upload on 100 streams, messages of 32 KiB", "MB/s", better::higher);
  std::size_t datagrams_ = report_.add_question("datagrams of 1,200 B that arrive", "1/s", better::higher);
  std::size_t datagram_share_ = report_.add_question("the same, of those that were sent", "%", better::higher);
  std::size_t sender_ = report_.add_question("upload, sender's CPU time for each GB", "s", better::lower);
  std::size_t receiver_ = report_.add_question("upload, receiver's CPU time for each GB", "s", better::lower);
  std::size_t full_ = report_.add_question("connections one after the other, full handshakes", "1/s", better::higher);
  std::size_t resumed_ =
      report_.add_question("connections one after the other, resumed handshakes", "1/s", better::higher);
  std::size_t server_idle_ = report_.add_question("server's memory for each idle connection", "B", better::lower);
  std::optional<count_questions> counts_;
  /// Points of curves, as in the plan.
  std::vector<std::size_t> over_connections_;
  std::vector<std::size_t> over_sizes_;
  std::vector<std::size_t> sender_over_sizes_;
};

std::unique_ptr<echo_server> make_server(const plan& wanted) {
  switch (static_cast<quic_contestant>(wanted.served - quic_rivals.data())) {
    case raw_udp:
      return make_udp_sink();
    case raw_tcp:
      return make_raw_server(wanted.chunk_size);
    case over_quic:
    case over_tls:
    case over_tcp:
      break;
  }
  return make_actorwire_server(wanted.served->option, identity_file::read(wanted.identity), wanted.is_sink);
}

int run(arguments words) {
  auto wanted = parse(words);
  if (wanted.served != nullptr)
    serve({wanted.contest.congestion_control, wanted.cpu}, [&wanted] { return make_server(wanted); });
  else
    comparison{std::move(wanted)}.run();
  return 0;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_quic", contest_usage("bench_quic", own_options, sides), [&] {
    return run({count, words});
  });
}
