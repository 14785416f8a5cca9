#pragma once

#include "contest.hpp"
#include "posix.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::bench {

/// How long round trips take.
class latency_questions {
public:
  latency_questions(report& answers, const std::string& text)
    : answers_(answers),
      p50_(answers.add_question(text + ", p50", "us", better::lower)),
      p99_(answers.add_question(text + ", p99", "us", better::lower)) {}

  /// `Figures` are those of a client: with `p50_us`, `p99_us` and `spread_us`.
  template <class Figures>
  void record(std::size_t rival, const Figures& figures) const {
    answers_.record(p50_, rival, figures.p50_us);
    answers_.record(p99_, rival, figures.p99_us);
    answers_.record_quantiles(p50_, rival, figures.spread_us);
  }

private:
  report& answers_;
  std::size_t p50_;
  std::size_t p99_;
};

/// How fast a rival echoes a stream, and what time of its CPU that takes. The client, which makes and checks every byte, has
/// as much to do as a server: it may be what the first tells. The second tells rivals apart all the same.
class stream_questions {
public:
  stream_questions(contest& all, std::size_t chunk_size)
    : stream_questions(all, chunk_size, "echoed stream, chunks of " + std::to_string(chunk_size / 1'024) + " KiB", {}) {
  }

  /// One of several chunk sizes.
  stream_questions(contest& all, std::size_t chunk_size, const std::string& text, std::optional<curve_point> point)
    : all_(all),
      chunk_size_(chunk_size),
      rate_(all.results().add_question(text, "MB/s", better::higher, point)),
      cpu_time_(all.results().add_question(text + ", server's CPU time for each GB", "ms", better::lower,
                                           std::move(point))) {}

  void measure(std::size_t rival, load wanted, const child_process& server) const {
    wanted.message_size = chunk_size_;
    const auto before = server.cpu_time();
    const auto figures = measure_stream(wanted);
    const auto used = std::chrono::duration<double, std::milli>(server.cpu_time() - before).count();
    all_.results().record(rate_, rival, figures.megabytes_per_second);
    all_.results().record(cpu_time_, rival, used / (static_cast<double>(figures.echoed.bytes) / 1e9));
    all_.add(rival, figures.echoed);
  }

private:
  contest& all_;
  std::size_t chunk_size_;
  std::size_t rate_;
  std::size_t cpu_time_;
};

/// How many connections a rival sets up, each with a round trip, and what time of its CPU each takes.
class setup_questions {
public:
  setup_questions(contest& all, const std::string& what)
    : all_(all),
      rate_(all.results().add_question(what + " with a round trip", "1/s", better::higher)),
      cpu_time_(all.results().add_question(what + ", server's CPU time for each", "us", better::lower)) {}

  /// `Measure` returns `setup_figures`.
  template <class Measure>
  void measure(std::size_t rival, const child_process& server, Measure measure) const {
    const auto before = server.cpu_time();
    const auto figures = measure();
    const auto used = std::chrono::duration<double, std::micro>(server.cpu_time() - before).count();
    all_.results().record(rate_, rival, figures.per_second);
    all_.results().record(cpu_time_, rival, used / static_cast<double>(figures.count));
    all_.add(rival, figures.echoed);
  }

private:
  contest& all_;
  std::size_t rate_;
  std::size_t cpu_time_;
};

/// Round trips a second over so many connections, and what time of a rival's CPU each takes. The latter tells costs apart that
/// the client hides, and suffers less than all others when the machine has more to do.
class connections_questions {
public:
  connections_questions(contest& all, std::size_t connections, const std::string& text,
                        const std::optional<curve_point>& point = {})
    : all_(all),
      connections_(connections),
      rate_(all.results().add_question(text, "1/s", better::higher, point)),
      cpu_time_(all.results().add_question(text + ", server's CPU time for each", "us", better::lower, point)) {}

  /// Returns what else came out.
  round_trip_figures measure(std::size_t rival, load wanted, const child_process& server) const {
    wanted.connections = connections_;
    wanted.server_cpu_time = [&server] { return server.cpu_time(); };
    auto figures = measure_round_trips(wanted);
    all_.results().record(rate_, rival, figures.per_second);
    all_.results().record(cpu_time_, rival, figures.server_cpu_us);
    all_.add(rival, figures.echoed);
    return figures;
  }

private:
  contest& all_;
  std::size_t connections_;
  std::size_t rate_;
  std::size_t cpu_time_;
};

/// The points of the curves, where curves are wanted.
struct curve_questions {
  curve_questions(contest& all, std::size_t message_size, const std::vector<std::size_t>& connections,
                  const std::vector<std::size_t>& chunk_sizes) {
    for (const auto count : connections)
      round_trips.emplace_back(all, count, std::to_string(message_size) + " B round trips",
                               curve_point{"connections", static_cast<double>(count)});
    for (const auto size : chunk_sizes)
      streams.emplace_back(all, size, "echoed stream", curve_point{"bytes in a chunk", static_cast<double>(size)});
  }

  std::vector<connections_questions> round_trips;
  std::vector<stream_questions> streams;
};

/// What memory a rival takes for each connection that says nothing.
class idle_question {
public:
  idle_question(contest& all, std::size_t connections)
    : all_(all),
      each_(
          all.results().add_question("server's memory for each of " + std::to_string(connections) + " idle connections",
                                     "B", better::lower)) {}

  /// As many as are wanted.
  void measure(std::size_t rival, const load& wanted, const child_process& server) const {
    const auto before = static_cast<double>(settled_resident_bytes(server.id()));
    const idle_connections connections{wanted};
    const auto after = static_cast<double>(settled_resident_bytes(server.id()));
    all_.results().record(each_, rival, (after - before) / static_cast<double>(wanted.connections));
    all_.add(rival, connections.echoed());
  }

private:
  contest& all_;
  std::size_t each_;
};

} // namespace actorwire::bench
