// What does TLS cost? Echo servers on loopback that speak TLS 1.3 with AES-128-GCM and X25519, with an ECDSA certificate on
// P-256: a loop over GnuTLS and sockets (the floor: it is the library that actorwire uses), and the same loop over OpenSSL
// (what most programs have). Each has one core and one thread. The same client, on GnuTLS, loads them all, and checks every
// byte; it verifies no certificate, so that servers are measured.

#include "arguments.hpp"
#include "contest.hpp"
#include "handshake_load.hpp"
#include "posix.hpp"
#include "tls_client.hpp"
#include "tls_rivals.hpp"

#include <gnutls/gnutls.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view usage = R"(usage: bench_tls [options]
  --rounds N         rounds, in each of which every rival is measured once (5)
  --seconds S        time of each measurement, after a warm-up of up to 0.3 s (1)
  --handshakes N     handshakes that are under way at once (16)
  --idle N           idle connections (2000); 0 leaves that part out
  --json FILE        writes every single value to FILE too
  --smoke            a quick run that proves that everything works, and measures nothing

For profilers, one side alone:
  --serve RIVAL [--cpu N]               gnutls, openssl; prints its port, and ends with its standard input
)";

struct plan {
  contest_options contest;
  std::size_t handshakes = 16;
  std::size_t idle = 2'000;
  std::size_t chunk_size = 65'536;
  /// Only one side, for profilers.
  const tls_rival* served = nullptr;
  int cpu = -1;
};

void make_smoke(plan& wanted) {
  wanted.contest.rounds = 1;
  wanted.contest.seconds = 0.05;
  wanted.idle = 20;
}

const tls_rival* parse_rival(std::string_view option) {
  const auto* const found = std::ranges::find(tls_rivals, option, &tls_rival::option);
  if (found == tls_rivals.end())
    throw usage_error("unknown rival '" + std::string{option} + "'");
  return found;
}

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--rounds")
      wanted.contest.rounds = words.number(1, 1'000);
    else if (*option == "--seconds")
      wanted.contest.seconds = words.number(0.01, 600.0);
    else if (*option == "--handshakes")
      wanted.handshakes = words.number(std::size_t{1}, std::size_t{1'000});
    else if (*option == "--idle")
      wanted.idle = words.number(std::size_t{0}, std::size_t{25'000});
    else if (*option == "--json")
      wanted.contest.json_file = words.value();
    else if (*option == "--smoke")
      make_smoke(wanted);
    else if (*option == "--cpu")
      wanted.cpu = words.number(0, 1'023);
    else if (*option == "--congestion")
      wanted.contest.congestion_control = words.value();
    else if (*option == "--serve")
      wanted.served = parse_rival(words.value());
    else
      throw usage_error("unknown option '" + std::string{*option} + "'");
  }
  if (wanted.contest.congestion_control.empty())
    wanted.contest.congestion_control = plain_congestion_control();
  wanted.contest.about.emplace_back("TLS", std::string{"GnuTLS "} + gnutls_check_version(nullptr) + ", "
                                               + OpenSSL_version(OPENSSL_VERSION));
  return wanted;
}

class comparison {
public:
  explicit comparison(plan wanted)
    : plan_(std::move(wanted)), contest_(plan_.contest, contestants(), {0, 1}), report_(contest_.results()) {
    add_questions();
  }

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
      report_.record(ping_pong_p50_, index, figures.p50_us);
      report_.record(ping_pong_p99_, index, figures.p99_us);
      contest_.add(index, figures.echoed);
    });
  }

  void measure_stream(std::size_t index) {
    with_server(index, [&](load wanted, const child_process& server) {
      wanted.message_size = plan_.chunk_size;
      const auto before = server.cpu_time();
      const auto figures = bench::measure_stream(wanted);
      const auto used = std::chrono::duration<double, std::milli>(server.cpu_time() - before).count();
      report_.record(stream_, index, figures.megabytes_per_second);
      report_.record(stream_cpu_time_, index, used / (static_cast<double>(figures.echoed.bytes) / 1e9));
      contest_.add(index, figures.echoed);
    });
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
      const auto before = settled_resident_bytes(server.id());
      wanted.connections = plan_.idle;
      const idle_connections connections{wanted};
      const auto after = settled_resident_bytes(server.id());
      report_.record(idle_, index,
                     (static_cast<double>(after) - static_cast<double>(before)) / static_cast<double>(plan_.idle));
      contest_.add(index, connections.echoed());
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

  void add_questions() {
    const auto ping_pong = std::to_string(plan_.contest.message_size) + " B ping-pong, a core for each";
    ping_pong_p50_ = report_.add_question(ping_pong + ", p50", "us", better::lower);
    ping_pong_p99_ = report_.add_question(ping_pong + ", p99", "us", better::lower);
    // The client has as much to encrypt and decrypt as a server, and every byte to make and to check: it may be what is
    // measured. The server's own time tells rivals apart all the same; so with handshakes.
    const auto stream = "echoed stream, chunks of " + std::to_string(plan_.chunk_size / 1'024) + " KiB";
    stream_ = report_.add_question(stream, "MB/s", better::higher);
    stream_cpu_time_ = report_.add_question(stream + ", server's CPU time for each GB", "ms", better::lower);
    const auto ask_handshakes = [this](const std::string& kind) {
      return handshake_questions{report_.add_question(kind + " handshakes with a round trip", "1/s", better::higher),
                                 report_.add_question(kind + " handshakes, server's CPU time for each", "us",
                                                      better::lower)};
    };
    full_ = ask_handshakes("full");
    resumed_ = ask_handshakes("resumed");
    idle_ = report_.add_question("server's memory for each of " + std::to_string(plan_.idle) + " idle connections", "B",
                                 better::lower);
  }

  plan plan_;
  tls_client client_;
  contest contest_;
  report& report_;
  std::size_t ping_pong_p50_ = 0;
  std::size_t ping_pong_p99_ = 0;
  std::size_t stream_ = 0;
  std::size_t stream_cpu_time_ = 0;
  handshake_questions full_;
  handshake_questions resumed_;
  std::size_t idle_ = 0;
};

int run(int count, char** words) {
  try {
    auto wanted = parse(arguments{count, words});
    if (wanted.served != nullptr)
      serve({wanted.contest.congestion_control, wanted.cpu},
            [&wanted] { return wanted.served->make(make_tls_identity()); });
    else
      comparison{std::move(wanted)}.run();
    return 0;
  } catch (const usage_error& failure) {
    std::cerr << "bench_tls: " << failure.what() << "\n\n" << usage;
    return 2;
  } catch (const std::exception& failure) {
    std::cerr << "bench_tls: " << failure.what() << '\n';
    return 1;
  }
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  return actorwire::bench::run(count, words);
}
