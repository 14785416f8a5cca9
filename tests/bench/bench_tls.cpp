// What does TLS cost? Echo servers on loopback that speak TLS 1.3 with AES-128-GCM and X25519, with an ECDSA certificate on
// P-256: a loop over GnuTLS and sockets (the floor: it is the library that actorwire uses), and the same loop over OpenSSL
// (what most programs have). Each has one core and one thread. The same client, on GnuTLS, loads them all, and checks every
// byte; it verifies no certificate, so that servers are measured.

#include "arguments.hpp"
#include "contest.hpp"
#include "contest_plan.hpp"
#include "contest_questions.hpp"
#include "count_questions.hpp"
#include "handshake_load.hpp"
#include "posix.hpp"
#include "program.hpp"
#include "tls_client.hpp"
#include "tls_rivals.hpp"

#include <gnutls/gnutls.h>
#include <openssl/crypto.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view own_options = R"(  --handshakes N     handshakes that are under way at once (16)
  --idle N           idle connections (2000); 0 leaves that part out
)";
constexpr std::string_view sides =
    R"(  --serve RIVAL [--cpu N]               gnutls, openssl; prints its port, and ends with its standard input
)";

struct plan : contest_plan {
  std::size_t handshakes = 16;
  std::size_t idle = 2'000;
  /// Only one side, for profilers.
  const tls_rival* served = nullptr;
};

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--handshakes")
      wanted.handshakes = words.number(std::size_t{1}, std::size_t{1'000});
    else if (*option == "--idle")
      wanted.idle = words.number(std::size_t{0}, std::size_t{25'000});
    else if (*option == "--smoke") {
      wanted.make_smoke();
      wanted.idle = 20;
    } else if (*option == "--serve")
      wanted.served = find_rival(tls_rivals, words.value());
    else
      wanted.take(*option, words);
  }
  wanted.contest.about.emplace_back("TLS", std::string{"GnuTLS "} + gnutls_check_version(nullptr) + ", "
                                               + OpenSSL_version(OPENSSL_VERSION));
  return wanted;
}

class comparison {
public:
  explicit comparison(plan wanted)
    : plan_(std::move(wanted)), contest_(plan_.contest, contestants(), {0, 1}), report_(contest_.results()) {
    std::erase_if(plan_.curve_connections, [](std::size_t count) { return count > connections_max; });
    if (plan_.has_curves)
      curves_.emplace(contest_, plan_.contest.message_size, plan_.curve_connections, plan_.curve_sizes);
    if (plan_.has_counts && call_counts::is_built())
      counts_.emplace(contest_, "an echoed stream");
  }

  void run() {
    if (plan_.idle > 0)
      plan_.idle = affordable_connections(plan_.idle);
    contest_.run([this] { measure_round(); });
  }

private:
  void measure_round() {
    for_each_rival([this](std::size_t index) { measure_ping_pong(index, contest_.server_cpu(), together_); });
    if (contest_.has_two_cpus())
      for_each_rival([this](std::size_t index) { measure_ping_pong(index, contest_.client_cpu(), apart_); });
    for_each_rival([this](std::size_t index) { measure_stream(index, stream_); });
    for_each_rival([this](std::size_t index) { measure_handshakes(index, handshake_kind::full, full_); });
    for_each_rival([this](std::size_t index) { measure_handshakes(index, handshake_kind::resumed, resumed_); });
    if (curves_)
      measure_curves();
    if (counts_)
      for_each_rival([this](std::size_t index) { measure_counts(index); });
    if (plan_.idle > 0)
      for_each_rival([this](std::size_t index) { measure_idle(index); });
  }

  template <class Body>
  void for_each_rival(Body body) {
    for (std::size_t index = 0; index < contest_.contestants().size(); ++index)
      body(index);
  }

  void measure_ping_pong(std::size_t index, int client, const latency_questions& asked) {
    with_server(index, client, [&](const load& wanted, const child_process&) {
      const auto figures = measure_round_trips(wanted);
      asked.record(index, figures);
      contest_.add(index, figures.echoed);
    });
  }

  void measure_stream(std::size_t index, const stream_questions& asked) {
    with_server(index, [&](const load& wanted, const child_process& server) { asked.measure(index, wanted, server); });
  }

  void measure_handshakes(std::size_t index, handshake_kind kind, const setup_questions& asked) {
    with_server(index, [&](load wanted, const child_process& server) {
      wanted.connections = plan_.handshakes;
      asked.measure(index, server, [&] { return bench::measure_handshakes(wanted, client_, kind); });
    });
  }

  void measure_counts(std::size_t index) {
    const call_counts counts;
    const auto messages = plan_.counted_messages;
    with_server(
        index, contest_.client_cpu(),
        [&](const load& wanted, const child_process& server) {
          counts_->measure_round_trips(
              index, server, counts, [&] { return exchange_messages(wanted, messages); },
              [&] { return exchange_messages(wanted, 4 * messages); });
          counts_->measure_stream(
              index, counts, [&] { return stream_messages(wanted, plan_.chunk_size, messages / 4); },
              [&] { return stream_messages(wanted, plan_.chunk_size, messages); });
        },
        counts.environment());
  }

  void measure_curves() {
    for (const auto& asked : curves_->round_trips)
      for_each_rival([&](std::size_t index) {
        with_server(index,
                    [&](const load& wanted, const child_process& server) { asked.measure(index, wanted, server); });
      });
    for (const auto& asked : curves_->streams)
      for_each_rival([&](std::size_t index) { measure_stream(index, asked); });
  }

  void measure_idle(std::size_t index) {
    with_server(index, [&](load wanted, const child_process& server) {
      wanted.connections = plan_.idle;
      idle_.measure(index, wanted, server);
    });
  }

  void with_server(std::size_t index, const std::function<void(load, const child_process&)>& body) {
    with_server(index, contest_.client_cpu(), body);
  }

  void with_server(std::size_t index, int client, const std::function<void(load, const child_process&)>& body,
                   const std::vector<std::string>& environment = {}) {
    contest_.with_server(
        index, client, {},
        [&](load wanted, const child_process& server) {
          wanted.speak = [this](unique_fd socket) { return client_.open(std::move(socket)); };
          body(std::move(wanted), server);
        },
        environment);
  }

  static std::vector<contestant> contestants() {
    std::vector<contestant> all;
    for (const auto& each : tls_rivals)
      all.push_back({each.option, std::string{each.title}});
    return all;
  }

  /// A handshake each; more would take longer than what is measured.
  static constexpr std::size_t connections_max = 1'000;

  plan plan_;
  tls_client client_;
  contest contest_;
  report& report_;
  const std::string ping_pong_ = std::to_string(plan_.contest.message_size) + " B ping-pong, ";
  latency_questions together_{report_, ping_pong_ + "client and server on one core"};
  latency_questions apart_{report_, ping_pong_ + "a core for each"};
  stream_questions stream_{contest_, plan_.chunk_size};
  setup_questions full_{contest_, "full handshakes"};
  setup_questions resumed_{contest_, "resumed handshakes"};
  idle_question idle_{contest_, plan_.idle};
  std::optional<curve_questions> curves_;
  std::optional<count_questions> counts_;
};

int run(arguments words) {
  auto wanted = parse(words);
  if (wanted.served != nullptr)
    serve({wanted.contest.congestion_control, wanted.cpu},
          [&wanted] { return wanted.served->make(make_tls_identity()); });
  else
    comparison{std::move(wanted)}.run();
  return 0;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_tls", contest_usage("bench_tls", own_options, sides), [&] { return run({count, words}); });
}
