#pragma once

#include "machine.hpp"

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace actorwire::bench {

enum class better : bool { lower, higher };

/// What several rivals reached in several rounds, for each of several questions.
class report {
public:
  /// `baselines` are indices of the rivals with which the others are compared.
  report(std::vector<std::string> rivals, std::vector<std::size_t> baselines);

  /// Adds a question; returns its index.
  std::size_t add_question(std::string text, std::string unit, better direction);

  /// Notes what a rival reached in the round that is going on. Rounds must be noted for all rivals in the same order.
  void record(std::size_t question_index, std::size_t rival_index, double value);

  /// The median over rounds of how much better a rival was than a baseline within the same round.
  [[nodiscard]] double advantage(std::size_t question_index, std::size_t rival, std::size_t baseline) const;

  /// One table for each question: median, least and greatest value, and how much better than each baseline.
  /// The latter is the median over rounds of the ratio within a round, turned so that more than 1 is better: what disturbs
  /// a whole round cancels out.
  void print(std::ostream& out) const;

  /// All values, and `about`, as one JSON object.
  void write_json(std::ostream& out, const facts& about) const;

private:
  struct question {
    std::string text;
    std::string unit;
    better direction;
    /// By rival, then by round.
    std::vector<std::vector<double>> values;
  };

  [[nodiscard]] static double advantage(const question& asked, std::size_t rival, std::size_t baseline);

  std::vector<std::string> rivals_;
  std::vector<std::size_t> baselines_;
  std::vector<question> questions_;
};

} // namespace actorwire::bench
