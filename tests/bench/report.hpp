#pragma once

#include "machine.hpp"
#include "quantiles.hpp"

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace actorwire::bench {

enum class better : bool { lower, higher };

/// One of several questions that differ in one number only, and make a curve together.
struct curve_point {
  /// What is varied, for a reader.
  std::string axis;
  double at = 0;
};

/// What several rivals reached in several rounds, for each of several questions.
class report {
public:
  /// `baselines` are indices of the rivals with which the others are compared.
  report(std::vector<std::string> rivals, std::vector<std::size_t> baselines);

  /// Adds a question; returns its index. Points of one curve have one text.
  std::size_t add_question(std::string text, std::string unit, better direction, std::optional<curve_point> point = {});

  /// The same, unless there is one with that text.
  std::size_t find_or_add_question(const std::string& text, std::string unit, better direction);

  /// Notes what a rival reached in the round that is going on; not a number where it was too short for a figure. Rounds
  /// must be noted for all rivals in the same order.
  void record(std::size_t question_index, std::size_t rival_index, double value);

  /// Notes how the values are spread whose quantile was recorded.
  void record_quantiles(std::size_t question_index, std::size_t rival_index, quantiles spread);

  /// The median over rounds of how much better a rival was than a baseline within the same round.
  [[nodiscard]] double advantage(std::size_t question_index, std::size_t rival, std::size_t baseline) const;

  /// One table for each question: median, least and greatest value, and how much better than each baseline.
  /// The latter is the median over rounds of the ratio within a round, turned so that more than 1 is better: what disturbs
  /// a whole round cancels out.
  void print(std::ostream& out) const;

  /// All values, and `about`, as one JSON object.
  void write_json(std::ostream& out, const facts& about) const;
  /// The same into a file; nothing if its name is empty. *Errors:* throws if it cannot be written.
  void save(const std::string& file, const facts& about) const;

private:
  struct question {
    std::string text;
    std::string unit;
    better direction;
    std::optional<curve_point> point;
    /// By rival, then by round.
    std::vector<std::vector<double>> values;
    std::vector<std::vector<quantiles>> spreads;
  };

  [[nodiscard]] static double advantage(const question& asked, std::size_t rival, std::size_t baseline);

  std::vector<std::string> rivals_;
  std::vector<std::size_t> baselines_;
  std::vector<question> questions_;
};

} // namespace actorwire::bench
