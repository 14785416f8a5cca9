// What does TLS cost? Echo servers on loopback that speak TLS 1.3 with AES-128-GCM and X25519, with an ECDSA certificate on
// P-256: a loop over GnuTLS and sockets (the floor: it is the library that actorwire uses), and the same loop over OpenSSL
// (what most programs have). Each has one core and one thread. The same client, on GnuTLS, loads them all, and checks every
// byte; it verifies no certificate, so that servers are measured.

#include "arguments.hpp"
#include "contest.hpp"
#include "contest_plan.hpp"
#include "contest_questions.hpp"
#include "handshake_load.hpp"
#include "posix.hpp"
#include "program.hpp"
#include "tls_client.hpp"
#include "tls_rivals.hpp"

#include <gnutls/gnutls.h>
#include <openssl/crypto.h>

#include <chrono>
#include <functional>
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
    : plan_(std::move(wanted)), contest_(plan_.contest, contestants(), {0, 1}), report_(contest_.results()) {}

  void run() {
    if (plan_.idle > 0)
      plan_.idle = affordable_connections(plan_.idle);
    contest_.run([this] { measure_round(); });
  }

private:
  void measure_round() {
    for_each_rival([this](std::size_t index) { measure_ping_pong(index); });
    for_each_rival([this](std::size_t index) { measure_stream(index); });
    for_each_rival([this](std::size_t index) { measure_handshakes(index, handshake_kind::full, full_); });
    for_each_rival([this](std::size_t index) { measure_handshakes(index, handshake_kind::resumed, resumed_); });
    if (plan_.idle > 0)
      for_each_rival([this](std::size_t index) { measure_idle(index); });
  }

  template <class Body>
  void for_each_rival(Body body) {
    for (std::size_t index = 0; index < contest_.contestants().size(); ++index)
      body(index);
  }

  void measure_ping_pong(std::size_t index) {
    with_server(index, [&](const load& wanted, const child_process&) {
      const auto figures = measure_round_trips(wanted);
      ping_pong_.record(index, figures);
      contest_.add(index, figures.echoed);
    });
  }

  void measure_stream(std::size_t index) {
    with_server(index,
                [&](const load& wanted, const child_process& server) { stream_.measure(index, wanted, server); });
  }

  struct handshake_questions {
    std::size_t rate = 0;
    std::size_t cpu_time = 0;
  };

  void measure_handshakes(std::size_t index, handshake_kind kind, const handshake_questions& asked) {
    with_server(index, [&](load wanted, const child_process& server) {
      wanted.connections = plan_.handshakes;
      const auto before = server.cpu_time();
      const auto figures = bench::measure_handshakes(wanted, client_, kind);
      const auto used = std::chrono::duration<double, std::micro>(server.cpu_time() - before).count();
      report_.record(asked.rate, index, figures.per_second);
      report_.record(asked.cpu_time, index, used / static_cast<double>(figures.count));
      contest_.add(index, figures.echoed);
    });
  }

  void measure_idle(std::size_t index) {
    with_server(index, [&](load wanted, const child_process& server) {
      wanted.connections = plan_.idle;
      idle_.measure(index, wanted, server);
    });
  }

  void with_server(std::size_t index, const std::function<void(load, const child_process&)>& body) {
    contest_.with_server(index, contest_.client_cpu(), {}, [&](load wanted, const child_process& server) {
      wanted.speak = [this](unique_fd socket) { return client_.open(std::move(socket)); };
      body(std::move(wanted), server);
    });
  }

  static std::vector<contestant> contestants() {
    std::vector<contestant> all;
    for (const auto& each : tls_rivals)
      all.push_back({each.option, each.title});
    return all;
  }

  static handshake_questions ask_handshakes(report& answers, const std::string& kind) {
    return {answers.add_question(kind + " handshakes with a round trip", "1/s", better::higher),
            answers.add_question(kind + " handshakes, server's CPU time for each", "us", better::lower)};
  }

  plan plan_;
  tls_client client_;
  contest contest_;
  report& report_;
  latency_questions ping_pong_{report_, std::to_string(plan_.contest.message_size) + " B ping-pong, a core for each"};
  stream_questions stream_{contest_, plan_.chunk_size};
  handshake_questions full_ = ask_handshakes(report_, "full");
  handshake_questions resumed_ = ask_handshakes(report_, "resumed");
  idle_question idle_{contest_, plan_.idle};
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
