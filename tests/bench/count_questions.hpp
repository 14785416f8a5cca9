#pragma once

#include "call_counts.hpp"
#include "contest.hpp"
#include "load_client.hpp"
#include "system_call_counter.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace actorwire::bench {

/// What a server does that a clock does not tell: counted in runs of their own, since counting makes them slow.
class count_questions {
public:
  /// So much work: round trips, or bytes of a stream; returns how much it was.
  using work = std::function<double()>;

  count_questions(contest& all, const std::string& streamed)
    : all_(all),
      calls_(all.results().add_question("system calls for each round trip", "calls", better::lower)),
      blocks_(all.results().add_question("blocks from the heap for each round trip", "blocks", better::lower)),
      stream_blocks_(
          all.results().add_question("blocks from the heap for each MB of " + streamed, "blocks", better::lower)),
      copies_(
          all.results().add_question("bytes copied in user space for each byte of " + streamed, "B", better::lower)) {}

  /// `few` and `many` are the same but for how much they are: what begins and ends a connection is in both, and so in neither.
  void measure_round_trips(std::size_t rival, const child_process& server, const call_counts& counts, const work& few,
                           const work& many) const {
    const auto seen = count(counts, few, many);
    record(blocks_, rival, seen.blocks, seen.done);

    const auto calls_of = [&server](const work& some, double& done) {
      system_call_counter counter{server.id()};
      done = some();
      return counter.stop();
    };
    double few_called = 0;
    double many_called = 0;
    const auto calls_of_few = calls_of(few, few_called);
    const auto calls_of_many = calls_of(many, many_called);
    if (calls_of_few && calls_of_many)
      return record(calls_, rival, static_cast<double>(*calls_of_many) - static_cast<double>(*calls_of_few),
                    many_called - few_called);
    all_.tell("system calls", "not counted, strace may not attach");
    record(calls_, rival, 0, 0);
  }

  void measure_stream(std::size_t rival, const call_counts& counts, const work& few, const work& many) const {
    const auto seen = count(counts, few, many);
    record(copies_, rival, seen.copied, seen.done);
    record(stream_blocks_, rival, seen.blocks, seen.done / 1e6);
  }

private:
  /// What many took beyond what few did, and how much more they did.
  struct counted_work {
    double done;
    double blocks;
    double copied;
  };
  static counted_work count(const call_counts& counts, const work& few, const work& many) {
    counts.require_some();
    // Whatever happens once has happened then.
    few();
    const auto start = counts.now();
    const auto few_done = few();
    const auto middle = counts.now();
    const auto many_done = many();
    const auto end = counts.now();
    return {many_done - few_done, difference(start.blocks, middle.blocks, end.blocks),
            difference(start.copied, middle.copied, end.copied)};
  }

  /// Work that ends with a time may have been too little to tell anything: no figure, then, but a round all the same.
  void record(std::size_t question, std::size_t rival, double counted, double done) const {
    all_.results().record(question, rival,
                          done > 0 && counted >= 0 ? counted / done : std::numeric_limits<double>::quiet_NaN());
  }

  /// What many took beyond what few did.
  static double difference(std::uint64_t start, std::uint64_t middle, std::uint64_t end) {
    return static_cast<double>(end - middle) - static_cast<double>(middle - start);
  }

  contest& all_;
  std::size_t calls_;
  std::size_t blocks_;
  std::size_t stream_blocks_;
  std::size_t copies_;
};

/// The work of a bare client: so many messages.
[[nodiscard]] inline double exchange_messages(load wanted, std::uint64_t messages) {
  wanted.warm_up = {};
  wanted.duration = std::chrono::minutes{1};
  wanted.max_messages = messages;
  const auto figures = measure_round_trips(wanted);
  return static_cast<double>(figures.echoed.bytes) / static_cast<double>(wanted.message_size);
}

/// The same as a stream; bytes.
[[nodiscard]] inline double stream_messages(load wanted, std::size_t message_size, std::uint64_t messages) {
  wanted.warm_up = {};
  wanted.duration = std::chrono::minutes{1};
  wanted.message_size = message_size;
  wanted.max_messages = messages;
  return static_cast<double>(measure_stream(wanted).echoed.bytes);
}

} // namespace actorwire::bench
