#pragma once

#include "contest.hpp"
#include "posix.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace actorwire::bench {

/// How long round trips take.
class latency_questions {
public:
  latency_questions(report& answers, const std::string& text)
    : answers_(answers),
      p50_(answers.add_question(text + ", p50", "us", better::lower)),
      p99_(answers.add_question(text + ", p99", "us", better::lower)) {}

  /// `Figures` are those of a client: with `p50_us` and `p99_us`.
  template <class Figures>
  void record(std::size_t rival, const Figures& figures) const {
    answers_.record(p50_, rival, figures.p50_us);
    answers_.record(p99_, rival, figures.p99_us);
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
    : all_(all),
      chunk_size_(chunk_size),
      rate_(all.results().add_question(text(), "MB/s", better::higher)),
      cpu_time_(all.results().add_question(text() + ", server's CPU time for each GB", "ms", better::lower)) {}

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
  [[nodiscard]] std::string text() const {
    return "echoed stream, chunks of " + std::to_string(chunk_size_ / 1'024) + " KiB";
  }

  contest& all_;
  std::size_t chunk_size_;
  std::size_t rate_;
  std::size_t cpu_time_;
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
